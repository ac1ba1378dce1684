"""Finding the API server. The errors name the file and say what is wrong with it."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.kube import Connection, ConnectionConfigError, connection
from grctl_local.certificate import make_certificate


def kubeconfig(**changes: Any) -> dict[str, Any]:
    named = {
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {"token": "t"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "shop"}}],
    }
    return {"apiVersion": "v1", "kind": "Config", "current-context": "a", **named, **changes}


def cluster(**fields: str) -> list[dict[str, Any]]:
    return [{"name": "a", "cluster": fields}]


NO_CERTIFICATE = base64.b64encode(b"none").decode()
UNUSABLE = {
    "yaml": ("{bad: [", "while parsing a flow node"),
    "empty": ("", "it is empty"),
    "other": ("foo: bar", "it has no current-context; contexts: none"),
    "binary": ("\x00", "not allowed"),
    "user": (
        yaml.safe_dump(kubeconfig(users=None)),
        "its context 'a' wants the user 'a'; it has: none",
    ),
    "server": (
        yaml.safe_dump(kubeconfig(clusters=cluster(server="host:1"))),
        "not a URL: 'host:1'",
    ),
    "certificate": (
        yaml.safe_dump(
            kubeconfig(
                clusters=cluster(
                    **{"server": "https://h", "certificate-authority-data": NO_CERTIFICATE}
                )
            )
        ),
        "no certificate or crl found",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNUSABLE.values(), ids=UNUSABLE)
async def test_the_error_of_an_unusable_kubeconfig_is_one_line_with_the_reason(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConnectionConfigError) as raised:
        await Connection.find(path)

    assert str(raised.value).startswith(f"The kubeconfig {path} cannot be used: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_the_error_names_a_missing_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(ConnectionConfigError, match=r"There is no kubeconfig .*/nowhere"):
        await Connection.find(tmp_path / "nowhere")


async def test_a_missing_file_among_several_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(kubeconfig()), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/nowhere:{path}")

    found = await Connection.find()

    assert (found.server, found.namespace) == ("https://127.0.0.1:1", "shop")
    assert await found.authorization() == [("Authorization", "Bearer t")]


@pytest.mark.parametrize(
    ("server", "is_sent"),
    [
        ("https://api.example.com", True),
        ("http://api.example.com", False),
        ("http://10.0.0.1:8080", False),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
    ],
)
async def test_no_token_is_sent_unencrypted_to_another_machine(
    tmp_path: Path, server: str, *, is_sent: bool
) -> None:
    path = tmp_path / "config"
    user = [{"name": "a", "user": {"token": "t", "as": "ann"}}]
    content = kubeconfig(clusters=cluster(server=server), users=user)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")

    headers = await (await Connection.find(path)).authorization()
    token = [("Authorization", "Bearer t")] if is_sent else []
    assert headers == [*token, ("Impersonate-User", "ann")]


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make this process look as if in a pod. Return the directory of its ServiceAccount."""
    certificate = make_certificate("127.0.0.1", datetime.now(UTC)).certificate
    (tmp_path / "token").write_text("from-pod\n", encoding="utf-8")
    (tmp_path / "namespace").write_text("shop\n", encoding="utf-8")
    (tmp_path / "ca.crt").write_text(certificate, encoding="utf-8")
    for name in ("KUBECONFIG", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setattr(connection, "DEFAULT_KUBECONFIG", tmp_path / "nowhere")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


async def test_a_pod_sends_the_present_token_of_its_service_account(account: Path) -> None:
    found = await Connection.find()

    assert (found.server, found.namespace) == ("https://10.0.0.1:443", "shop")
    assert found.tls is not None
    assert await found.authorization() == [("Authorization", "Bearer from-pod")]

    (account / "token").write_text("renewed", encoding="utf-8")
    assert await found.authorization() == [("Authorization", "Bearer renewed")]


@pytest.mark.parametrize(
    ("host", "server"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
async def test_a_pod_uses_the_proxy_of_its_environment(
    account: Path, monkeypatch: pytest.MonkeyPatch, host: str, server: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    found = await Connection.find()
    assert (found.server, found.proxy) == (server, "http://proxy:3128")

    monkeypatch.setenv("NO_PROXY", "10.0.0.0/8,fd00::/8")
    assert (await Connection.find()).proxy is None


@pytest.mark.parametrize("missing", ["namespace", "ca.crt", "KUBERNETES_SERVICE_HOST"])
async def test_the_error_names_the_missing_part_of_a_pods_configuration(
    account: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    if missing.startswith("KUBERNETES"):
        monkeypatch.delenv(missing)
    else:
        (account / missing).unlink()

    with pytest.raises(ConnectionConfigError, match=rf"This pod.*{missing}|This pod.*No such file"):
        await Connection.find()
