"""Kubeconfigs that a stock kubectl refuses: our client refuses them too, in one line."""

import json
from typing import Any

import pytest

from grctl.kube import Connection, ConnectionConfigError
from tests.kube.conftest import PLUGIN_USER, Kubeconfigs, list_pods, set_kubeconfig
from tests.kube.peer import run_kubectl

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
        await list_pods()
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
