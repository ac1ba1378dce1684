"""Who this operator is to the others: its identity, and the address that workers find it at.

1. No two processes that live at the same time have one identity: whoever finds the Lease in its
   own name may take it at once, as the process that took it then is gone.
2. Where none is given, the identity is made of this kernel's boot, its network namespace and the
   address we listen on: while another process had it, we could not listen there. So a killed
   operator that is started again need not wait for its own Lease to run out.
3. Where the kernel does not tell those, the identity is new each time, and the Lease of a killed
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


def candidate(settings: Settings, environment: Mapping[str, str], port: int) -> Candidate:
    """Say who we are. `port` is the one that we listen on: nobody else does, so nobody else is us.

    Args:
        settings: The operator's settings.
        environment: The process's variables: a pod's tell its name and address.
        port: The port on which workers are being listened for.
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
