"""`python -m grctl_operator`: the operator's process."""

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import sys
from collections.abc import Sequence

from grctl.kube import ApiError, ConnectionConfigError
from grctl.logs.setup import set_up
from grctl_operator.runtime.leader.leadership import LeadershipLostError
from grctl_operator.runtime.process import serve
from grctl_operator.runtime.settings import (
    AUDIENCE,
    DISPATCHER_PORT,
    LEASE_NAME,
    WORKER_AUTHS,
    Settings,
    SettingsError,
)
from grctl_operator.runtime.workers.certificate import CertificateError

EXPECTED = (
    ConnectionConfigError,
    CertificateError,
    LeadershipLostError,
    ApiError,
    OSError,
)
"""What ends an operator without being a fault of this program: its message says all."""

ABOUT = "Decides what each run does next, and hands it to workers."

logger = logging.getLogger("grctl_operator")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes. Give the exit code: not 0 where the operator could not go on."""
    flags = vars(_parser().parse_args(arguments))
    try:
        settings = Settings.read(flags, os.environ)
        set_up(settings.log_level, settings.log_format)
        _allow_many_connections()
        asyncio.run(serve(settings))
    except (SettingsError, ValueError) as error:
        print(f"grctl operator: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except EXPECTED as error:
        logger.critical("operator cannot go on", extra={"error": str(error)})
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception:
        logger.exception("operator failed")
        return 1
    return 0


def _allow_many_connections() -> None:
    """Allow this process as many open files as it may have: each watch is a connection.

    A shell allows 1024 by default, which is too little for 500 namespaces.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grctl operator", description=ABOUT)
    add = parser.add_argument
    add(
        "--namespace",
        dest="namespaces",
        metavar="NAME",
        action="append",
        help="serve this namespace only; may be repeated (GRCTL_NAMESPACE: A,B; default: all)",
    )
    add("--kubeconfig", help="kubeconfig file (KUBECONFIG; default: as kubectl)")
    add("--context", help="context of the kubeconfig (default: its current one)")
    add("--host", dest="dispatcher_host", help="where workers connect (default: 127.0.0.1)")
    add("--port", dest="dispatcher_port", type=int, help=f"its port (default: {DISPATCHER_PORT})")
    add(
        "--worker-auth",
        choices=WORKER_AUTHS,
        help="how workers prove who they are (default: none on loopback, otherwise token)",
    )
    add("--worker-audience", help=f"the audience of their tokens (default: {AUDIENCE})")
    add("--tls-cert", metavar="FILE", help="certificate that workers see (default: no TLS)")
    add("--tls-key", metavar="FILE", help="its key; both are read again when they change")
    add("--advertise-url", help="where workers reach this operator (default: host and port)")
    add("--lease-name", help=f"the Lease by which one of several leads (default: {LEASE_NAME})")
    add("--lease-namespace", help="its namespace (default: the one served, or the context's)")
    add("--http-host", help="where probes and metrics are asked for (default: 127.0.0.1)")
    add("--http-port", type=int, help="/healthz, /readyz and /metrics here (default: nowhere)")
    add(
        "--orphan-timeout",
        metavar="DURATION",
        help="events without a run are rejected after this: 12h, 720h (default: 720h, 30 days)",
    )
    add("--log-level", choices=("debug", "info", "warning", "error"), help="default: info")
    add("--log-format", choices=("console", "json"), help="default: console")
    return parser


if __name__ == "__main__":
    sys.exit(main())
