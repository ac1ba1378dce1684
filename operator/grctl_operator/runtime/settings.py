"""Settings of the operator's process: from flags, then `GRCTL_*` variables, then defaults."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from grctl.models.base import LONGEST_DURATION, NAME_LENGTH, NAME_PATTERN, Duration, write_duration
from grctl.serving.loopback import is_loopback
from grctl_operator.engine.orphans import ORPHAN_TIMEOUT

DISPATCHER_PORT = 8700
LEASE_NAME = "grctl-operator"
AUDIENCE = "grctl.dev"
WORKER_AUTHS = ("token", "none")
VARIABLES = {
    "namespaces": "GRCTL_NAMESPACE",
    "dispatcher_host": "GRCTL_DISPATCHER_HOST",
    "dispatcher_port": "GRCTL_DISPATCHER_PORT",
    "worker_auth": "GRCTL_WORKER_AUTH",
    "worker_audience": "GRCTL_WORKER_AUDIENCE",
    "tls_cert": "GRCTL_TLS_CERT",
    "tls_key": "GRCTL_TLS_KEY",
    "advertise_url": "GRCTL_ADVERTISE_URL",
    "lease_name": "GRCTL_LEASE_NAME",
    "lease_namespace": "GRCTL_LEASE_NAMESPACE",
    "identity": "GRCTL_IDENTITY",
    "http_host": "GRCTL_HTTP_HOST",
    "http_port": "GRCTL_HTTP_PORT",
    "orphan_timeout": "GRCTL_ORPHAN_TIMEOUT",
    "log_level": "GRCTL_LOG_LEVEL",
    "log_format": "GRCTL_LOG_FORMAT",
}
FLAGS = {"dispatcher_host": "--host", "dispatcher_port": "--port"}
"""Flags that are not called as their settings are."""
NUMBERS = frozenset({"dispatcher_port", "http_port"})
LAST_PORT = 65_535
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class SettingsError(Exception):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside."""

    namespaces: tuple[str, ...] = ()
    """The namespaces to serve; none: all, by one watch."""
    kubeconfig: str | None = None
    """None: as kubectl finds it."""
    context: str | None = None
    dispatcher_host: str = "127.0.0.1"
    dispatcher_port: int = DISPATCHER_PORT
    """Where workers connect; 0: any free port, which is logged."""
    worker_auth: str | None = None
    """How workers prove who they are: `token` or `none`; None: `none` where only this machine can
    connect, otherwise `token`."""
    worker_audience: str = AUDIENCE
    """What their tokens must have been made for."""
    tls_cert: str | None = None
    """PEM file of the certificate that workers see; None: no TLS. Read again when it changes."""
    tls_key: str | None = None
    """PEM file of its key."""
    advertise_url: str | None = None
    """Where workers reach this operator when another sends them here; None: as we listen."""
    lease_name: str = LEASE_NAME
    """One operator at a time holds the Lease of this name, and writes."""
    lease_namespace: str | None = None
    """None: the namespace served, where it is one; otherwise that of the kubeconfig or the pod."""
    identity: str | None = None
    """Who we are in the Lease, unlike any other process at the same time; None: see `candidate`."""
    http_host: str = "127.0.0.1"
    http_port: int | None = None
    """Where `/healthz`, `/readyz` and `/metrics` are answered; 0: any free port, which is logged;
    None: nowhere."""
    orphan_timeout: timedelta = ORPHAN_TIMEOUT
    """How long an event waits for a run of its id; then it is rejected (NoSuchRun)."""
    log_level: str = "info"
    log_format: str = "console"
    """`console` for people, `json` for collectors."""

    @property
    def only_namespace(self) -> str | None:
        """The namespace served, where it is one."""
        return self.namespaces[0] if len(self.namespaces) == 1 else None

    @property
    def within_machine(self) -> bool:
        """Whether only processes of this machine can connect as workers."""
        return is_loopback(self.dispatcher_host)

    @property
    def authenticates(self) -> bool:
        """Whether workers prove who they are by a token."""
        return (self.worker_auth or ("none" if self.within_machine else "token")) == "token"

    @classmethod
    def read(cls, flags: Mapping[str, Any], environment: Mapping[str, str]) -> Self:
        """Take each setting from the first place that has it.

        Raises:
            SettingsError: one cannot be read, or they do not go together; names it.
        """
        values: dict[str, Any] = {}
        for name, variable in VARIABLES.items():
            text = environment.get(variable)
            if text:
                values[name] = _read(name, variable, text)
        values |= {name: value for name, value in flags.items() if value is not None}
        for name, value in values.items():
            if value == "":  # as `--tls-cert "$CERT"` gives where nothing set CERT
                raise SettingsError(f"A value is empty: {FLAGS.get(name, _flag(name))}")
        if "namespaces" in values:
            values["namespaces"] = _names(values["namespaces"])
        if "orphan_timeout" in values:
            values["orphan_timeout"] = _length("--orphan-timeout", values["orphan_timeout"])
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse settings that cannot be meant.

        Raises:
            SettingsError: it says which setting would do.
        """
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("TLS needs both a certificate and its key: --tls-cert, --tls-key")
        for flag, port in (("--port", self.dispatcher_port), ("--http-port", self.http_port)):
            if port is not None and not 0 <= port <= LAST_PORT:
                raise SettingsError(f"A port is a number from 0 to {LAST_PORT}, not {port}: {flag}")
        if not re.fullmatch(NAME_PATTERN, self.lease_name) or len(self.lease_name) > NAME_LENGTH:
            raise SettingsError(f"No Lease can be called {self.lease_name!r}: --lease-name")
        if self.lease_namespace is not None and not NAMESPACE.fullmatch(self.lease_namespace):
            raise SettingsError(
                f"{self.lease_namespace!r} is not a name of a namespace: --lease-namespace"
            )
        if self.worker_auth not in {None, *WORKER_AUTHS}:
            raise SettingsError(
                f"Workers are authenticated by {' or '.join(WORKER_AUTHS)}, not"
                f" {self.worker_auth!r}: --worker-auth"
            )


def _read(name: str, variable: str, text: str) -> Any:
    if name in NUMBERS:
        return _number(variable, text)
    return [text] if name == "namespaces" else text


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    """Split at commas; each name once."""
    names = [name.strip() for text in texts for name in text.split(",")]
    if not all(names):  # an empty list would mean all of them
        raise SettingsError(f"Namespaces must be named, not {','.join(texts)!r}")
    for name in names:
        if not NAMESPACE.fullmatch(name):
            raise SettingsError(f"{name!r} is not a name of a namespace: --namespace")
    return tuple(dict.fromkeys(names))


def _length(flag: str, text: str) -> timedelta:
    """Read a duration of at least a second: a mistyped 0s must not reject early events."""
    try:
        length = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise SettingsError(f"{flag}: {text!r} is not a duration; write it like 12h") from error
    if not timedelta(seconds=1) <= length <= LONGEST_DURATION:
        longest = write_duration(LONGEST_DURATION)
        raise SettingsError(f"{flag} must be from 1s to {longest}, not {text!r}")
    return length


def _number(variable: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{variable} must be a port number, not {text!r}") from None
