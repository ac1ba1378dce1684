"""Our client and a stock kubectl use a kubeconfig alike: the same requests, as the same person."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from grctl.kube import Api, Connection, UnreachableError
from tests.kube.conftest import PLUGIN_USER, PODS, Kubeconfigs, list_pods, set_kubeconfig
from tests.kube.peer import NAME, run_kubectl, running_proxy


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

    await list_pods()

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
        await list_pods()


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
