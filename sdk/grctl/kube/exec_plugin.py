"""Credentials of a plugin that a kubeconfig names (`exec`), run as kubectl runs it.

The plugin is run again when its credential has expired. It inherits standard error, where it may
ask a person to log in.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from grctl.kube.kubeconfig import KubeconfigError, Section

VERSIONS = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
RENEW_EARLY = timedelta(
    seconds=10
)  # so that the credential is still valid when the request arrives


@dataclass(frozen=True)
class Credential:
    """What a plugin returned."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: datetime | None = None


class ExecPlugin:
    """A plugin, and the credential that it returned last.

    Args:
        user: The kubeconfig's user that names the plugin.
        cluster: The cluster's fields, which the plugin gets if its settings ask for them.
    """

    def __init__(self, user: Section, cluster: Mapping[str, Any]) -> None:
        self._settings = user.below("exec")
        self._name = user.name
        self._command = self._settings.text("command")
        self._version = self._settings.text("apiVersion")
        if not self._command:
            raise KubeconfigError(f"{self._settings.name} names no command")
        if self._version not in VERSIONS:
            known = ", ".join(sorted(VERSIONS))
            raise KubeconfigError(f"{self._settings.name} has no apiVersion of {known}")
        self._cluster = cluster if self._settings.flag("provideClusterInfo") else None
        self._credential: Credential | None = None
        self._running = asyncio.Lock()

    async def credential(self) -> Credential:
        """Return the last credential or, if that has expired, a new one.

        Raises:
            KubeconfigError: the plugin cannot be run, fails, or does not give a credential.
        """
        async with self._running:
            if self._credential is None or _has_expired(self._credential):
                self._credential = _read_credential(self._name, self._version, await self._run())
            return self._credential

    async def _run(self) -> bytes:
        interactive = self._is_interactive()
        try:
            process = await asyncio.create_subprocess_exec(
                self._program(),
                *self._settings.texts("args"),
                env=self._environment(interactive=interactive),
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = self._settings.text("installHint")
            why = f"{self._name} needs the plugin {self._command!r}: {error.strerror}"
            raise KubeconfigError(f"{why}. {hint}" if hint else why) from error
        output, _ = await process.communicate()
        if process.returncode:
            code = process.returncode
            raise KubeconfigError(f"{self._name}: the plugin {self._command!r} ended with {code}")
        return output

    def _is_interactive(self) -> bool:
        """Return whether the plugin gets our standard input, so that it can ask a person.

        Raises:
            KubeconfigError: the plugin needs a terminal, and there is none.
        """
        mode = self._settings.text("interactiveMode")
        interactive = mode != "Never" and sys.stdin is not None and sys.stdin.isatty()
        if mode == "Always" and not interactive:
            raise KubeconfigError(f"{self._settings.name} needs a terminal, and there is none")
        return interactive

    def _program(self) -> str:
        """Return the program: a name in $PATH, or a path relative to the kubeconfig."""
        has_directory = os.sep in self._command
        return str(self._settings.directory / self._command) if has_directory else self._command

    def _environment(self, *, interactive: bool) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._cluster is not None:
            spec["cluster"] = self._cluster
        info = {"apiVersion": self._version, "kind": "ExecCredential", "spec": spec}
        own = {each.text("name"): each.text("value") for each in self._settings.mappings("env")}
        return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _read_credential(name: str, version: str, output: bytes) -> Credential:
    try:
        answer = Section("it", dict(json.loads(output)), Path())
        _check_version(answer.text("apiVersion"), version)
        status = answer.below("status")
        credential = Credential(
            token=status.text("token"),
            certificate=status.text("clientCertificateData"),
            key=status.text("clientKeyData"),
            expires=_parse_time(status.text("expirationTimestamp")),
        )
    except (ValueError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise KubeconfigError(f"{name}: its plugin gave no ExecCredential: {why}") from error
    if not credential.token and not (credential.certificate and credential.key):
        raise KubeconfigError(f"{name}: its plugin gave neither a token nor a certificate and key")
    return credential


def _check_version(version: str, wanted: str) -> None:
    if version != wanted:
        raise ValueError(f"it is of {version}, not {wanted}")


def _parse_time(text: str) -> datetime | None:
    time = datetime.fromisoformat(text) if text else None
    if time is not None and time.tzinfo is None:
        raise ValueError(f"its expirationTimestamp {text!r} has no time zone")
    return time


def _has_expired(credential: Credential) -> bool:
    return credential.expires is not None and datetime.now(UTC) >= credential.expires - RENEW_EARLY
