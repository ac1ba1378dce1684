"""Our client and a stock kubectl use a kubeconfig alike: the same requests, as the same person."""

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
    Requests,
    recording_server,
    run_kubectl,
    running_proxy,
    write_kubeconfig,
)

PODS = "/api/v1/pods"
PLUGIN = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" > {directory}/told
echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
  "status": {{"token": "from-plugin"}}}}'
"""


@dataclass
class Kubeconfigs:
    """A directory of configs, and the recording server that they name."""

    directory: Path
    server: str
    requests: Requests
    certificate_names: list[str]
    """Name in the client certificate of each request that had one."""

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    def read(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def write_credential(self) -> None:
        """Write the output of a plugin that returns the certificate of `ann`."""
        certificate, key = self.read("client.pem"), self.read("client.key")
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        head = {"apiVersion": PLUGIN_USER["apiVersion"], "kind": "ExecCredential"}
        text = json.dumps({**head, "status": status})
        (self.directory / "credential").write_text(text, encoding="utf-8")

    def write(self, name: str = "config", **parts: Any) -> Path:
        return write_kubeconfig(self.directory / name, parts.pop("server", self.server), **parts)

    async def request_by_both(self, environment: dict[str, str]) -> list[tuple[str, str]]:
        """Send a request by kubectl and by our client. Return the credentials, which are equal."""
        code, errors = await run_kubectl(environment)
        assert code == 0, errors
        await _list_pods()
        (path, kubectls_message), (our_path, our_message) = self.requests[-2:]
        assert our_message == kubectls_message
        assert our_path == path
        return our_message


async def _list_pods() -> None:
    async with Api(await Connection.find()) as api:
        await api.get(PODS)


@pytest.fixture
async def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kubeconfigs]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN.format(directory=tmp_path), encoding="utf-8")
    plugin.chmod(0o700)
    (tmp_path / "token").write_text("from-file\n", encoding="utf-8")
    async with recording_server(tmp_path) as (server, asked, certificate_names):
        yield Kubeconfigs(tmp_path, server, asked, certificate_names)


def set_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, *paths: Path | str, **more: str
) -> dict[str, str]:
    """Set $KUBECONFIG and other variables for our client. Return them, for kubectl."""
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
async def test_our_client_sends_the_credentials_that_kubectl_sends(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch, user: Any, who: Any
) -> None:
    environment = set_kubeconfig(monkeypatch, configs.write(user=user))

    assert await configs.request_by_both(environment) == who


async def test_the_key_of_an_extra_is_escaped(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = {"as": "ann", "as-user-extra": {"example.com/why": ["x"]}}
    set_kubeconfig(monkeypatch, configs.write(user=user))

    await _list_pods()

    assert ("impersonate-extra-example.com%2fwhy", "x") in configs.requests[-1][1]


def contexts(name: str) -> dict[str, Any]:
    return {"contexts": [{"name": name, "context": {"cluster": "a", "user": "a"}}]}


async def test_several_files_are_merged_as_kubectl_merges_them(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, dashes = configs.directory / "empty", configs.directory / "dashes"
    empty.touch()
    dashes.write_text("---\n# nothing\n", encoding="utf-8")
    first = configs.write("first", user={"token": "one"})
    second = configs.write("second", user={"token": "two", "as": "zed"})
    of_others = configs.write(
        "sub/third", user={"tokenFile": "../token"}, **{"current-context": ""}
    )
    only_user = configs.directory / "user"
    only_user.write_text("users: [{name: a, user: {token: three}}]", encoding="utf-8")
    one, two = [("authorization", "Bearer one")], ("authorization", "Bearer two")

    async def by(*paths: Path | str) -> list[tuple[str, str]]:
        return await configs.request_by_both(set_kubeconfig(monkeypatch, *paths))

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
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch, more: str
) -> None:
    path = configs.write(user={"token": "t"})
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")

    assert await configs.request_by_both(set_kubeconfig(monkeypatch, path)) == [
        ("authorization", "Bearer t")
    ]


async def test_a_kubeconfig_may_be_json_indented_by_tabs(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configs.write(server=configs.server.replace("https", "HTTPS"))
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text("\ufeff" + json.dumps(content, indent="\t"), encoding="utf-8")

    assert await configs.request_by_both(set_kubeconfig(monkeypatch, path)) == [
        ("authorization", "Bearer t")
    ]


async def test_the_client_certificate_of_a_file_or_a_plugin_is_sent(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs.write_credential()
    key = base64.b64encode(configs.read("client.key").encode()).decode()
    of_file = {"client-certificate": "client.pem", "client-key-data": key}
    plugin = configs.directory / "plugin"
    plugin.write_text(f"#!/bin/sh\ncat {configs.directory}/credential", encoding="utf-8")

    for user in (of_file, {"exec": PLUGIN_USER}):
        await configs.request_by_both(set_kubeconfig(monkeypatch, configs.write(user=user)))

    assert configs.certificate_names == ["ann"] * 4


async def test_the_path_in_a_servers_url_is_kept(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configs.write(server=f"{configs.server}/k8s/clusters/c-1/", user={"token": "t"})

    await configs.request_by_both(set_kubeconfig(monkeypatch, path))

    assert configs.requests[-1][0] == f"/k8s/clusters/c-1{PODS}"


async def test_the_servers_certificate_may_have_another_name(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = {"certificate-authority": "ca.pem"}
    right = configs.write(cluster={**trusted, "tls-server-name": NAME})
    await configs.request_by_both(set_kubeconfig(monkeypatch, right))

    environment = set_kubeconfig(monkeypatch, configs.write("other", cluster=trusted))
    assert (await run_kubectl(environment))[0] == 1
    with pytest.raises(UnreachableError, match="certificate"):
        await _list_pods()


async def test_the_kubeconfigs_proxy_is_used_also_for_a_server_on_this_machine(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_proxy(configs.port) as (proxy, requests):
        cluster = {
            "certificate-authority": "ca.pem",
            "proxy-url": proxy.replace("//", "//ann:secret@"),
        }
        far = configs.write(cluster=cluster, server=f"https://{NAME}:6443")
        await configs.request_by_both(set_kubeconfig(monkeypatch, far))
        near = {"insecure-skip-tls-verify": True, "proxy-url": proxy}
        await configs.request_by_both(
            set_kubeconfig(monkeypatch, configs.write(cluster=near), NO_PROXY="*")
        )

    there = f"CONNECT {NAME}:6443 Proxy-Authorization: Basic YW5uOnNlY3JldA=="
    assert requests == [there, there, *[f"CONNECT 127.0.0.1:{configs.port}"] * 2]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
async def test_the_environments_proxy_is_not_used_for_a_server_on_this_machine(
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    async with running_proxy(configs.port) as (proxy, requests):
        cluster = {"certificate-authority": "ca.pem"}
        far = configs.write(cluster=cluster, server=f"https://{NAME}:6443")
        await configs.request_by_both(set_kubeconfig(monkeypatch, far, **{variable: proxy}))
        await configs.request_by_both(
            set_kubeconfig(monkeypatch, configs.write(), **{variable: proxy})
        )

    assert requests == [f"CONNECT {NAME}:6443"] * 2


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
    configs: Kubeconfigs, monkeypatch: pytest.MonkeyPatch, case: Any
) -> None:
    cluster, user, more, kubectls_message, our_message = case
    environment = set_kubeconfig(monkeypatch, configs.write(cluster=cluster, user=user, **more))

    code, errors = await run_kubectl(environment)
    assert code == 1
    assert kubectls_message in errors
    with pytest.raises(ConnectionConfigError) as raised:
        await _list_pods()
    assert our_message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "our_message"),
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
    configs: Kubeconfigs, status: Any, our_message: str
) -> None:
    answer = {"apiVersion": PLUGIN_USER["apiVersion"], "kind": "ExecCredential", "status": status}
    (configs.directory / "credential").write_text(json.dumps(answer), encoding="utf-8")
    plugin = configs.directory / "plugin"
    plugin.write_text(f"#!/bin/sh\ncat {configs.directory}/credential", encoding="utf-8")
    path = configs.write(user={"exec": PLUGIN_USER})

    code, errors = await run_kubectl({"KUBECONFIG": str(path)})
    assert code == 1, errors
    with pytest.raises(ConnectionConfigError) as raised:
        await (await Connection.find(path)).authorization()
    assert "its plugin gave no ExecCredential" in str(raised.value)
    assert our_message in str(raised.value)


async def test_a_plugin_is_asked_again_only_when_its_token_has_expired(
    configs: Kubeconfigs,
) -> None:
    plugin = configs.directory / "plugin"
    said = '{"apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "%s"%s}}'
    past = ', "expirationTimestamp": "2020-01-01T00:00:00Z"'
    counting = f"#!/bin/sh\necho x >> {configs.directory}/count\necho '{said}'\n"
    path = configs.write(user={"exec": PLUGIN_USER})

    async def asked(times: int, more: str) -> int:
        (configs.directory / "count").unlink(missing_ok=True)
        plugin.write_text(counting % ("t", more), encoding="utf-8")
        connection = await Connection.find(path)
        for _ in range(times):
            await connection.authorization()
        return len((configs.directory / "count").read_text(encoding="utf-8").splitlines())

    assert await asked(3, "") == 1
    assert await asked(3, past) > 3


async def test_a_token_file_is_read_again_for_each_request(configs: Kubeconfigs) -> None:
    connection = await Connection.find(configs.write(user={"tokenFile": "token"}))
    (configs.directory / "token").write_text("renewed\n", encoding="utf-8")

    assert await connection.authorization() == [("Authorization", "Bearer renewed")]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not UTF-8"])
async def test_a_request_without_usable_credentials_is_not_sent(
    configs: Kubeconfigs, content: bytes | None
) -> None:
    connection = await Connection.find(configs.write(user={"tokenFile": "token"}))
    (configs.directory / "token").unlink()
    if content is not None:
        (configs.directory / "token").write_bytes(content)

    async with Api(connection) as api:
        with pytest.raises(
            UnreachableError, match=r"GET /api/v1/pods: not sent\. .* cannot be read"
        ):
            await api.get(PODS)
    assert configs.requests == []
