"""The identity of a worker: its name, its namespace, and the address of its operator.

Each is an argument, or else an environment variable. Without either, a worker is named after its
machine (in a pod: the pod). A second process on the machine is `NAME-2`, and so on: two processes
never have one name at the same time, and a process that restarts gets its name again.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from grctl.arguments import check_namespace_name
from grctl.worker.trust import check_address

DEFAULT_OPERATOR = "http://127.0.0.1:8700"
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
MAX_WORKERS_PER_MACHINE = 1000  # that have no other name


def operator_url(argument: str | None) -> str:
    """Return the operator's address: argument, `$GRCTL_OPERATOR_URL`, this machine.

    Raises:
        ValueError: it is not an address, or not one to which the worker's token may be sent.
    """
    url = (argument or os.environ.get("GRCTL_OPERATOR_URL") or DEFAULT_OPERATOR).rstrip("/")
    if not _is_address(url):
        raise ValueError(
            f"{url!r} is not an address of an operator: write it like {DEFAULT_OPERATOR}"
        )
    check_address(url)
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of the port, or of an IPv6 address
        return False
    return parts.scheme in {"http", "https"} and has_host and url.isprintable() and " " not in url


def namespace(argument: str | None) -> str:
    """Return the namespace served: argument, `$GRCTL_NAMESPACE`, the pod's, `default`.

    Raises:
        ValueError: the name is not one that a namespace can have.
    """
    named = argument or os.environ.get("GRCTL_NAMESPACE")
    if named:
        check_namespace_name(named)
        return named
    return (
        POD_NAMESPACE.read_text(encoding="utf-8").strip() if POD_NAMESPACE.exists() else "default"
    )


@contextmanager
def worker_name(argument: str | None) -> Iterator[str]:
    """Yield the worker's name: the argument, `$GRCTL_WORKER_NAME`, or the machine's name.

    The machine's name has the number of the first free slot behind it. The slot is taken while the
    context lasts.
    """
    named = argument or os.environ.get("GRCTL_WORKER_NAME")
    if named:
        yield named
        return
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    try:
        slot, lock = _take_slot(Path(tempfile.gettempdir()))
    except OSError:  # no file can be written, as in many containers: one process runs there
        yield host
        return
    try:
        yield host if slot == 1 else f"{host}-{slot}"
    finally:
        os.close(lock)


def _take_slot(directory: Path) -> tuple[int, int]:
    """Lock the first free slot. The lock ends with the process, also if that is killed."""
    for slot in range(1, MAX_WORKERS_PER_MACHINE):
        path = directory / f"grctl-worker-{os.getuid()}-{slot}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return slot, lock
    raise RuntimeError(
        f"{MAX_WORKERS_PER_MACHINE} workers run on this machine; give each a name of its own."
    )
