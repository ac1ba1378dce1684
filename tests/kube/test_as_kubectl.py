"""Kubeconfigs: our client and a stock kubectl ask a server the same, as the same person."""

import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.kube import Api, Connection, ConnectionConfigError, UnreachableError
from tests.kube.peer import (
    NAME,
    Asked,
    kubectl,
    noting_server,
    tunnel,
    write,
)

PODS = "/api/v1/pods"
PLUGIN = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > {directory}/told
echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
  "status": {{"token": "from-plugin"}}}}'
"""


@dataclass
class Place:
    """A directory of kubeconfigs, and the server that they name."""

    directory: Path
    server: str
    asked: Asked
    shown: list[str]
    """Names of the client certificates, by request; those of none are left out."""

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    def read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def write_credential(self) -> None:
        """Write what a plugin says that gives the certificate of `ann`."""
        certificate, key = self.read("client.pem"), self.read("client.key")
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        said = {"apiVersion": PLUGIN_USER["apiVersion"], "kind": "ExecCredential"}
        text = json.dumps({**said, "status": status})
        (self.directory / "credential").write_text(text, encoding="utf-8")

    def write(self, name: str = "config", **parts: Any) -> Path:
        return write(self.directory / name, parts.pop("server", self.server), **parts)

    async def ask_as(self, environment: dict[str, str]) -> list[tuple[str, str]]:
        """Send a request by both. Return the headers that say who asks, which must be the same."""
        code, told = await kubectl(environment)
        assert code == 0, told
        await _ours()
        (path, kubectls), (our_path, ours) = self.asked[-2:]
        assert ours == kubectls
        assert our_path == path
        return ours


async def _ours() -> None:
    async with Api(await Connection.find()) as api:
        await api.get(PODS)


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(directory=tmp_path), encoding="utf-8")
    plugin.chmod(0o700)
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    async with noting_server(tmp_path) as (server, asked, shown):
        yield Place(tmp_path, server, asked, shown)


def named(monkeypatch: pytest.MonkeyPatch, *paths: Path | str, **more: str) -> dict[str, str]:
    """Set $KUBECONFIG, and other variables, for ours and give them for kubectl."""
    environment = {"KUBECONFIG": os.pathsep.join(map(str, paths)), **more}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


PLUGIN_USER = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "./plugin",
    "interactiveMode": "IfAvailable",
    "env": [{"name": "A", "value": "b"}],
}


@pytest.mark.parametrize(
    ("user", "who"),
    [
        ({"token": "t"}, [("authorization", "Bearer t")]),
        ({"token": "t "}, [("authorization", "Bearer t")]),
        ({"tokenFile": "token"}, [("authorization", "Bearer from-file")]),
        ({"tokenFile": "token", "token": "t"}, [("authorization", "Bearer from-file")]),
        ({"tokenFile": "missing", "token": "t"}, [("authorization", "Bearer t")]),
        ({"username": "u", "password": "p"}, [("authorization", "Basic dTpw")]),
        ({"exec": PLUGIN_USER}, [("authorization", "Bearer from-plugin")]),
        ({"exec": PLUGIN_USER, "token": "t"}, [("authorization", "Bearer t")]),
        (
            {"token": "t", "as": "ann"},
            [("authorization", "Bearer t"), ("impersonate-user", "ann")],
        ),
        (
            {"token": "t", "as": "ann", "as-uid": "u-1", "as-groups": ["g1", "g2"]},
            [
                ("authorization", "Bearer t"),
                ("impersonate-group", "g1"),
                ("impersonate-group", "g2"),
                ("impersonate-uid", "u-1"),
                ("impersonate-user", "ann"),
            ],
        ),
        (
            {"token": "t", "as": "ann", "as-user-extra": {"scopes": ["a", "b"]}},
            [
                ("authorization", "Bearer t"),
                ("impersonate-extra-scopes", "a"),
                ("impersonate-extra-scopes", "b"),
                ("impersonate-user", "ann"),
            ],
        ),
    ],
    ids=str,
)
async def test_both_ask_as_the_same_person(
    place: Place, monkeypatch: pytest.MonkeyPatch, user: Any, who: Any
) -> None:
    environment = named(monkeypatch, place.write(user=user))

    assert await place.ask_as(environment) == who


async def test_a_key_of_an_extra_is_escaped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    user = {"as": "ann", "as-user-extra": {"example.com/why": ["x"]}}
    named(monkeypatch, place.write(user=user))

    await _ours()

    assert ("impersonate-extra-example.com%2fwhy", "x") in place.asked[-1][1]


def contexts(name: str) -> dict[str, Any]:
    return {"contexts": [{"name": name, "context": {"cluster": "a", "user": "a"}}]}


async def test_several_files_are_merged_as_kubectl_merges_them(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, dashes = place.directory / "empty", place.directory / "dashes"
    empty.touch()
    dashes.write_text("---\n# nothing\n", encoding="utf-8")
    first = place.write("first", user={"token": "one"})
    second = place.write("second", user={"token": "two", "as": "zed"})
    of_others = place.write("sub/third", user={"tokenFile": "../token"}, **{"current-context": ""})
    only_user = place.directory / "user"
    only_user.write_text("users: [{name: a, user: {token: three}}]", encoding="utf-8")
    one, two = [("authorization", "Bearer one")], ("authorization", "Bearer two")

    async def by(*paths: Path | str) -> list[tuple[str, str]]:
        return await place.ask_as(named(monkeypatch, *paths))

    assert await by(empty, first) == one
    assert await by(first, empty) == one
    assert await by(dashes, first) == one
    assert await by("/nowhere", first, "") == one
    assert await by(first, second) == one
    assert (await by(second, first))[0] == two
    assert await by(only_user, first) == [("authorization", "Bearer three")]
    assert await by(of_others, first) == [("authorization", "Bearer from-file")]


@pytest.mark.parametrize("more", ["---\nkind: Config\nusers: []\n", "---\n{bad: [\n", "...\n"])
async def test_the_first_document_of_a_file_counts(
    place: Place, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    path = place.write(user={"token": "t"})
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")

    assert await place.ask_as(named(monkeypatch, path)) == [("authorization", "Bearer t")]


async def test_json_is_read_however_it_is_indented(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.write(server=place.server.replace("https", "HTTPS"))
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text("\ufeff" + json.dumps(content, indent="\t"), encoding="utf-8")

    assert await place.ask_as(named(monkeypatch, path)) == [("authorization", "Bearer t")]


async def test_a_client_certificate_of_a_file_or_a_plugin_is_shown(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_credential()
    key = base64.b64encode(place.read("client.key").encode()).decode()
    of_file = {"client-certificate": "client.pem", "client-key-data": key}
    plugin = place.directory / "plugin"
    plugin.write_text(f"#!/bin/sh\ncat {place.directory}/credential", encoding="utf-8")

    for user in (of_file, {"exec": PLUGIN_USER}):
        await place.ask_as(named(monkeypatch, place.write(user=user)))

    assert place.shown == ["ann"] * 4


async def test_a_servers_path_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = place.write(server=f"{place.server}/k8s/clusters/c-1/", user={"token": "t"})

    await place.ask_as(named(monkeypatch, path))

    assert place.asked[-1][0] == f"/k8s/clusters/c-1{PODS}"


async def test_the_servers_certificate_may_have_another_name(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = {"certificate-authority": "ca.pem"}
    right = place.write(cluster={**trusted, "tls-server-name": NAME})
    await place.ask_as(named(monkeypatch, right))

    environment = named(monkeypatch, place.write("other", cluster=trusted))
    assert (await kubectl(environment))[0] == 1
    with pytest.raises(UnreachableError, match="certificate"):
        await _ours()


async def test_the_kubeconfigs_proxy_is_used_also_for_this_machine(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnel(place.port) as (proxy, asked):
        cluster = {
            "certificate-authority": "ca.pem",
            "proxy-url": proxy.replace("//", "//ann:secret@"),
        }
        far = place.write(cluster=cluster, server=f"https://{NAME}:6443")
        await place.ask_as(named(monkeypatch, far))
        near = {"insecure-skip-tls-verify": True, "proxy-url": proxy}
        await place.ask_as(named(monkeypatch, place.write(cluster=near), NO_PROXY="*"))

    there = f"CONNECT {NAME}:6443 Proxy-Authorization: Basic YW5uOnNlY3JldA=="
    assert asked == [there, there, *[f"CONNECT 127.0.0.1:{place.port}"] * 2]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_the_environments_proxy_is_used_but_for_what_is_near(
    place: Place, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with tunnel(place.port) as (proxy, asked):
        cluster = {"certificate-authority": "ca.pem"}
        far = place.write(cluster=cluster, server=f"https://{NAME}:6443")
        await place.ask_as(named(monkeypatch, far, **{variable: proxy}))
        await place.ask_as(named(monkeypatch, place.write(), **{variable: proxy}))

    assert asked == [f"CONNECT {NAME}:6443"] * 2


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], str, str]] = {
    "groups": (None, {"as-groups": ["g"]}, {}, "without impersonating", "without a user in 'as'"),
    "two": (None, {"token": "t", "username": "u"}, {}, "more than one", "a token and a username"),
    "file": (None, {"tokenFile": "missing"}, {}, "no such file", "the tokenFile of its user 'a'"),
    "plugin": (
        None,
        {"exec": {**PLUGIN_USER, "command": "no-such", "installHint": "Get it."}},
        {},
        "Get it.",
        "its user 'a' needs the plugin 'no-such': No such file or directory. Get it.",
    ),
    "fails": (
        None,
        {"exec": {**PLUGIN_USER, "command": "false"}},
        {},
        "exit code 1",
        "its user 'a': the plugin 'false' ended with 1",
    ),
    "says nothing": (
        None,
        {"exec": {**PLUGIN_USER, "command": "true"}},
        {},
        "getting credentials",
        "its plugin gave no ExecCredential",
    ),
    "text in env": (
        None,
        {"exec": {**PLUGIN_USER, "env": ["A=1"]}},
        {},
        "cannot unmarshal",
        "each entry of 'env' of exec of its user 'a' must be a mapping",
    ),
    "number in env": (
        None,
        {"exec": {**PLUGIN_USER, "env": [{"name": "A", "value": 1}]}},
        {},
        "cannot unmarshal",
        "'value' of an entry of 'env' of exec of its user 'a' must be text, not of type int",
    ),
    "number in auth-provider": (
        None,
        {"auth-provider": {"name": "oidc", "config": {"id-token": 5}}},
        {},
        "cannot unmarshal",
        "'id-token' of config of auth-provider of its user 'a' must be text, not of type int",
    ),
    "no key": (
        None,
        {"client-certificate": "ca.pem"},
        {},
        "client-key-data or client-key must be specified",
        "its user 'a' has one of client-certificate and client-key, not both",
    ),
    "token": (
        None,
        {"token": "t\nx"},
        {},
        "invalid header field value",
        "a token has a line break or another control character in it",
    ),
    "version": (
        None,
        {"exec": {**PLUGIN_USER, "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
        {},
        "invalid apiVersion",
        "has no apiVersion of client.authentication.k8s.io/v1",
    ),
    "terminal": (
        None,
        {"exec": {**PLUGIN_USER, "interactiveMode": "Always"}},
        {},
        "not a terminal",
        "exec of its user 'a' needs a terminal",
    ),
    "proxy": ({"proxy-url": "ftp://a"}, None, {}, "unsupported scheme", "its proxy-url is 'ftp:"),
    "authority": (
        {"certificate-authority": "ca.pem", "insecure-skip-tls-verify": True},
        None,
        {},
        "not allowed",
        "its cluster 'a' has an authority, and wants none to be checked",
    ),
    "data": (
        {"certificate-authority-data": "%"},
        None,
        {},
        "illegal base64",
        "certificate-authority-data of its cluster 'a' is not base64",
    ),
    "provider": (
        None,
        {"auth-provider": {"name": "azure"}},
        {},
        "azure",
        "the auth-provider 'azure'; there is only oidc",
    ),
    "context": (None, None, {"current-context": "b"}, "was not found", "it has no context 'b'"),
    "twice": (
        None,
        None,
        {"users": [{"name": "a", "user": {"token": "t"}}] * 2},
        "duplicate name",
        "two of its users are named 'a'",
    ),
    "type": (None, {"token": 7}, {}, "cannot unmarshal number", "'token' of its user 'a' must be"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_a_kubeconfig_that_kubectl_refuses_is_refused_in_one_line(
    place: Place, monkeypatch: pytest.MonkeyPatch, case: Any
) -> None:
    cluster, user, more, kubectls, ours = case
    environment = named(monkeypatch, place.write(cluster=cluster, user=user, **more))

    code, told = await kubectl(environment)
    assert code == 1
    assert kubectls in told
    with pytest.raises(ConnectionConfigError) as raised:
        await _ours()
    assert ours in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        ({"token": 5}, "'token' of status of it must be text, not of type int"),
        ({"token": ["t"]}, "'token' of status of it must be text, not of type list"),
        ({"clientCertificateData": 1, "clientKeyData": 2}, "must be text, not of type int"),
        (
            {"token": "t", "expirationTimestamp": "2020-01-01T00:00:00"},
            "expirationTimestamp '2020-01-01T00:00:00' has no time zone",
        ),
        ({"token": "t", "expirationTimestamp": "soon"}, "soon"),
        ("t", "'status' of it must be a mapping"),
    ],
    ids=str,
)
async def test_a_plugins_answer_that_is_not_a_credential_is_refused(
    place: Place, status: Any, ours: str
) -> None:
    said = {"apiVersion": PLUGIN_USER["apiVersion"], "kind": "ExecCredential", "status": status}
    (place.directory / "credential").write_text(json.dumps(said), encoding="utf-8")
    plugin = place.directory / "plugin"
    plugin.write_text(f"#!/bin/sh\ncat {place.directory}/credential", encoding="utf-8")
    path = place.write(user={"exec": PLUGIN_USER})

    code, told = await kubectl({"KUBECONFIG": str(path)})
    assert code == 1, told
    with pytest.raises(ConnectionConfigError) as raised:
        await (await Connection.find(path)).authorization()
    assert "its plugin gave no ExecCredential" in str(raised.value)
    assert ours in str(raised.value)


async def test_a_plugin_is_asked_again_only_when_its_token_has_expired(place: Place) -> None:
    plugin = place.directory / "plugin"
    said = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "%s"%s}}'
    past = ', "expirationTimestamp": "2020-01-01T00:00:00Z"'
    counting = f"#!/bin/sh\necho x >> {place.directory}/count\necho '{said}'\n"
    path = place.write(user={"exec": PLUGIN_USER})

    async def asked(times: int, more: str) -> int:
        (place.directory / "count").unlink(missing_ok=True)
        plugin.write_text(counting % ("t", more), encoding="utf-8")
        connection = await Connection.find(path)
        for _ in range(times):
            await connection.authorization()
        return len((place.directory / "count").read_text(encoding="utf-8").splitlines())

    assert await asked(3, "") == 1
    assert await asked(3, past) > 3


async def test_a_token_file_is_read_again_for_each_request(place: Place) -> None:
    connection = await Connection.find(place.write(user={"tokenFile": "token"}))
    (place.directory / "token").write_text("renewed\n", encoding="utf-8")

    assert await connection.authorization() == [("Authorization", "Bearer renewed")]


async def test_credentials_that_are_gone_leave_a_request_unsent(place: Place) -> None:
    connection = await Connection.find(place.write(user={"tokenFile": "token"}))
    (place.directory / "token").unlink()

    async with Api(connection) as api:
        with pytest.raises(
            UnreachableError, match=r"GET /api/v1/pods: not sent\. .* cannot be read"
        ):
            await api.get(PODS)
    assert place.asked == []
