"""Who a worker is: its name, its namespace, its operator. Arguments, then environment.

A name outlives a restart of its process, and no two processes that run at the same time on one
machine have the same: the first process there is called as the machine, the next `NAME-2`, ...
In a pod that is the pod's name.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from grctl.worker.trust import check_address

DEFAULT_OPERATOR = "http://127.0.0.1:8700"
POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
MAX_WORKERS_PER_MACHINE = 1000  # processes on one machine


def operator_url(argument: str | None) -> str:
    """Give the operator's address: argument, `$GRCTL_OPERATOR_URL`, this machine.

    Raises:
        ValueError: it is no address, or none to which the worker's token may be sent.
    """
    url = (argument or os.environ.get("GRCTL_OPERATOR_URL") or DEFAULT_OPERATOR).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is no address of an operator: write it like {DEFAULT_OPERATOR}")
    check_address(url)
    return url


def namespace(argument: str | None) -> str:
    """Give the namespace served: argument, `$GRCTL_NAMESPACE`, the pod's, `default`."""
    named = argument or os.environ.get("GRCTL_NAMESPACE")
    if named:
        return named
    return (
        POD_NAMESPACE.read_text(encoding="utf-8").strip() if POD_NAMESPACE.exists() else "default"
    )


@contextmanager
def worker_name(argument: str | None) -> Iterator[str]:
    """Give the worker's name, its own while the context lasts: argument, `$GRCTL_WORKER_NAME`.

    Without either it is the machine's name with the number of the first free slot on it.
    """
    named = argument or os.environ.get("GRCTL_WORKER_NAME")
    if named:
        yield named
        return
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    try:
        slot, lock = _take_slot(Path(tempfile.gettempdir()))
    except OSError:  # nothing can be written, as in many containers: there one process runs
        yield host
        return
    try:
        yield host if slot == 1 else f"{host}-{slot}"
    finally:
        os.close(lock)


def _take_slot(directory: Path) -> tuple[int, int]:
    """Lock the first free slot; the lock ends with the process, however that ends."""
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
