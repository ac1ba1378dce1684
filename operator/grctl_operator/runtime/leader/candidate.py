"""The candidate that this operator is: its identity, and the address at which workers find it.

1. No two processes that live at the same time have one identity. So an operator that finds the
   Lease in its own name may take it at once: the process that took it is gone.
2. If no identity is given, it is made of this kernel's boot, its network namespace and the address
   we listen on: no other process can listen there now. So an operator that was killed and started
   again need not wait until its own Lease runs out.
3. If the kernel does not tell these, the identity is new at each start, and the Lease of a killed
   operator runs out.
"""

import hashlib
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from grctl_operator.runtime.leader.lease import Candidate
from grctl_operator.runtime.settings import Settings

BOOT = Path("/proc/sys/kernel/random/boot_id")
NETWORK = Path("/proc/self/ns/net")
ANY_ADDRESS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  compared, not bound


def make_candidate(settings: Settings, environment: Mapping[str, str], port: int) -> Candidate:
    """Return this operator as a candidate.

    Args:
        settings: The operator's settings.
        environment: The process's variables. Those of a pod tell its name and address.
        port: The port on which we listen for workers. No other process does, which makes the
            identity ours alone.
    """
    host = settings.dispatcher_host
    named = settings.identity or environment.get("POD_NAME")
    return Candidate(
        identity=named or _own_identity(host, port),
        url=settings.advertise_url or _url(settings, port, environment),
        serves=", ".join(sorted(settings.namespaces)) or "all",
    )


def _own_identity(host: str, port: int) -> str:
    try:
        place = f"{BOOT.read_text(encoding='ascii')}{NETWORK.stat().st_ino} {host} {port}"
    except OSError:
        place = secrets.token_hex()
    return f"{socket.gethostname()}_{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def _url(settings: Settings, port: int, environment: Mapping[str, str]) -> str:
    host, scheme = settings.dispatcher_host, "https" if settings.tls_cert else "http"
    reached = environment.get("POD_IP") or socket.gethostname() if host in ANY_ADDRESS else host
    return f"{scheme}://{f'[{reached}]' if ':' in reached else reached}:{port}"
