"""`python -m grctl_local`: run the server until interrupted."""

import argparse
import asyncio
import shlex
import signal
import sys
from pathlib import Path

from grctl_local.kubeconfig import KubeconfigTakenError
from grctl_local.server import LocalServer, PortTakenError
from grctl_local.store import StoreError

KUBECONFIG = Path(".grctl/kubeconfig")
HIGHEST_PORT = 65_535


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except (KubeconfigTakenError, StoreError, PortTakenError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with LocalServer(
        options.data, options.port, options.kubeconfig, audit_log=options.audit_log
    ) as server:
        path = server.kubeconfig_path.absolute()
        command = f"export KUBECONFIG={shlex.quote(str(path))}"
        print(f"Kubernetes API at {server.url}; to use it: {command}", flush=True)  # noqa: T201
        await stopped.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grctl local", description="A Kubernetes API in one process, for this machine only."
    )
    parser.add_argument("--data", type=Path, help="file that keeps the objects (none: in memory)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--kubeconfig", type=Path, default=KUBECONFIG, help="file to write")
    parser.add_argument("--audit-log", type=Path, help="file to add each request to, as JSON")
    return parser


def _port(text: str) -> int:
    """Return a port number.

    Raises:
        ArgumentTypeError: the text is not a number from 0 to `HIGHEST_PORT`.
    """
    if not text.isdecimal() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to {HIGHEST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
