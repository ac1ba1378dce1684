"""Whom the token auth lets in, asked of an API server."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from grctl.kube import Api, Resource
from grctl_operator.runtime.workers.leader_gate import NotHereError
from grctl_operator.runtime.workers.worker_auth import (
    GRANT_KEPT_S,
    REFUSAL_KEPT_S,
    Identity,
    RefusedError,
    TokenAuth,
)
from tests.lab.kubectl import KUBECTL
from tests.runtime.conftest import PATIENCE, Cluster
from tests.runtime.played_worker import catalogue, hello

ACCOUNTS = Resource("/api/v1", "serviceaccounts")
ROLES = Resource("/apis/rbac.authorization.k8s.io/v1", "roles")
BINDINGS = Resource("/apis/rbac.authorization.k8s.io/v1", "rolebindings")
ORDER, REFUND = catalogue("Order", "approve"), catalogue("Refund")


class Bench:
    """A auth, and time that the test moves."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ahead = 0.0
        self.auth = TokenAuth(cluster.api, "grctl.dev", self.now, lambda: self.ahead)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def hello(self, *catalogues: Any, namespace: str | None = None) -> Any:
        return hello(*(catalogues or (ORDER,)), namespace=namespace or self.cluster.namespace)

    async def account(self, name: str = "orders") -> None:
        path = ACCOUNTS.path(self.cluster.namespace)
        await self.cluster.api.create(path, {"metadata": {"name": name}})

    async def token(self, name: str = "orders", audience: str = "grctl.dev") -> str:
        path = ACCOUNTS.path(self.cluster.namespace, name, "token")
        spec = {"audiences": [audience], "expirationSeconds": 600}
        answer = await self.cluster.api.create(path, {"spec": spec})
        return f"Bearer {answer['status']['token']}"

    async def grant(self, *types: str) -> None:
        namespace, name = self.cluster.namespace, "executor"
        rule = {
            "apiGroups": ["grctl.dev"],
            "resources": ["workflowruns"],
            "resourceNames": list(types),
            "verbs": ["execute"],
        }
        role = {"metadata": {"name": name}, "rules": [rule]}
        await self.cluster.api.create(ROLES.path(namespace), role)
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": "orders", "namespace": namespace}
        binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
        await self.cluster.api.create(BINDINGS.path(namespace), binding)
        await self.until_granted(types[0])

    async def until_granted(self, workflow_type: str) -> None:
        """Wait until the API server has taken notice: it learns of roles by watches."""
        auth = TokenAuth(self.cluster.api, "grctl.dev", self.now)
        identity = await auth.identify(await self.token())
        async with asyncio.timeout(PATIENCE):
            while not await auth._review_access(identity, workflow_type):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def revoke(self) -> None:
        await self.cluster.api.delete(BINDINGS.path(self.cluster.namespace, "executor"))


@pytest.fixture
async def bench(cluster: Cluster) -> Bench:
    made = Bench(cluster)
    await made.account()
    return made


async def test_a_token_says_which_account_of_which_namespace_comes(bench: Bench) -> None:
    identity = await bench.auth.identify(await bench.token())
    assert identity.name == f"system:serviceaccount:{bench.cluster.namespace}:orders"
    assert identity.namespace == bench.cluster.namespace
    assert identity.expires is not None
    assert timedelta(seconds=590) < identity.expires - bench.now() <= timedelta(seconds=601)


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer "])
async def test_who_brings_no_token_is_told_what_to_set(bench: Bench, header: str | None) -> None:
    with pytest.raises(RefusedError, match="GRCTL_WORKER_TOKEN_FILE to one of the audience"):
        await bench.auth.identify(header)


async def test_a_token_of_another_audience_is_refused(bench: Bench) -> None:
    token = await bench.token(audience="vault")
    with pytest.raises(RefusedError, match=r"does not accept .* for the audience 'grctl.dev'"):
        await bench.auth.identify(token)


async def test_what_is_no_token_is_refused(bench: Bench) -> None:
    with pytest.raises(RefusedError, match="does not accept the worker's token"):
        await bench.auth.identify("Bearer a.b.c")


async def test_an_account_may_execute_the_types_that_it_was_granted(bench: Bench) -> None:
    await bench.grant("Order", "Refund")
    identity = await bench.auth.identify(await bench.token())
    await bench.auth.authorize(identity, bench.hello(ORDER, REFUND))


async def test_a_type_that_was_not_granted_is_refused_with_the_command_that_grants_it(
    bench: Bench, tmp_path: Path
) -> None:
    identity = await bench.auth.identify(await bench.token())
    with pytest.raises(RefusedError, match="may not execute Order, Refund") as refusal:
        await bench.auth.authorize(identity, bench.hello(ORDER, REFUND))
    command = str(refusal.value).partition("Grant it: ")[2].replace("kubectl", str(KUBECTL))
    environment = {"KUBECONFIG": bench.cluster.kubeconfig, "HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec("sh", "-c", command, env=environment)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    await bench.until_granted("Refund")
    bench.ahead = REFUSAL_KEPT_S
    await bench.auth.authorize(identity, bench.hello(ORDER, REFUND))


def left_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_the_command_that_grants_has_nothing_that_a_shell_would_run(
    bench: Bench, tmp_path: Path
) -> None:
    odd = "$(touch ran) `touch ran` 'x'; touch ran #"
    identity = await bench.auth.identify(await bench.token())
    with pytest.raises(RefusedError) as refusal:
        await bench.auth.authorize(identity, bench.hello(catalogue(odd)))
    command = str(refusal.value).partition("Grant it: ")[2].replace("kubectl", "echo kubectl")
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert f"--resource-name={odd}\n" in said.decode()
    assert left_in(tmp_path) == []


async def test_a_worker_serves_the_namespace_of_its_account_only(bench: Bench) -> None:
    await bench.grant("Order")
    identity = await bench.auth.identify(await bench.token())
    with pytest.raises(RefusedError, match=f"which is {bench.cluster.namespace}, not default"):
        await bench.auth.authorize(identity, bench.hello(namespace="default"))


async def test_what_was_revoked_ends_when_the_answer_has_been_kept_long_enough(
    bench: Bench,
) -> None:
    await bench.grant("Order")
    identity = await bench.auth.identify(await bench.token())
    await bench.auth.authorize(identity, bench.hello())
    await bench.revoke()
    await bench.auth.authorize(identity, bench.hello())
    bench.ahead = GRANT_KEPT_S
    with pytest.raises(RefusedError):
        await bench.auth.authorize(identity, bench.hello())


async def test_a_token_counts_no_longer_than_until_it_expires(bench: Bench) -> None:
    token = await bench.token()
    bench.ahead = 590.0  # it has ten seconds
    await bench.auth.identify(token)
    await bench.cluster.api.delete(ACCOUNTS.path(bench.cluster.namespace, "orders"))
    await bench.auth.identify(token)
    bench.ahead = 602.0
    with pytest.raises(RefusedError):
        await bench.auth.identify(token)


async def test_while_the_api_server_is_away_nobody_is_refused_for_good(bench: Bench) -> None:
    token = await bench.token()
    connection = replace(bench.cluster.api.connection, server="http://127.0.0.1:9", tls=None)
    async with Api(connection) as closed:
        auth = TokenAuth(closed, "grctl.dev", bench.now)
        with pytest.raises(NotHereError, match="try again"):
            await auth.identify(token)


async def test_permissions_are_asked_for_in_turn_until_some_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def may_not(_identity: Identity, workflow_type: str) -> bool:
        asked.append(workflow_type)
        return False

    monkeypatch.setattr(bench.auth, "_may_execute", may_not)
    offered = [catalogue(f"Type{number}") for number in range(150)]
    identity = Identity("system:serviceaccount:shop:orders", bench.cluster.namespace)
    with pytest.raises(RefusedError, match="may not execute Type0, Type1, "):
        await bench.auth.authorize(identity, bench.hello(*offered))
    assert asked == [f"Type{number}" for number in range(10)]


async def test_who_offers_nothing_is_refused(bench: Bench) -> None:
    identity = Identity("system:serviceaccount:shop:orders", bench.cluster.namespace)
    nothing = hello(namespace=bench.cluster.namespace)
    with pytest.raises(RefusedError, match="offers no workflow type"):
        await bench.auth.authorize(identity, nothing)
