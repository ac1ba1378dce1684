"""Which workers TokenAuth accepts, with an API server that reviews them."""

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


class AuthParts:
    """A TokenAuth, the accounts of a cluster, and a clock that the test moves."""

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
        """Wait until the API server knows the role: it learns of roles by watches."""
        auth = TokenAuth(self.cluster.api, "grctl.dev", self.now)
        identity = await auth.identify(await self.token())
        async with asyncio.timeout(PATIENCE):
            while not await auth._review_access(identity, workflow_type):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def revoke(self) -> None:
        await self.cluster.api.delete(BINDINGS.path(self.cluster.namespace, "executor"))


@pytest.fixture
async def parts(cluster: Cluster) -> AuthParts:
    made = AuthParts(cluster)
    await made.account()
    return made


async def test_a_token_names_the_account_and_its_namespace(parts: AuthParts) -> None:
    identity = await parts.auth.identify(await parts.token())
    assert identity.name == f"system:serviceaccount:{parts.cluster.namespace}:orders"
    assert identity.namespace == parts.cluster.namespace
    assert identity.expires is not None
    assert timedelta(seconds=590) < identity.expires - parts.now() <= timedelta(seconds=601)


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Bearer "])
async def test_a_worker_without_a_token_is_told_what_to_set(
    parts: AuthParts, header: str | None
) -> None:
    with pytest.raises(RefusedError, match="GRCTL_WORKER_TOKEN_FILE to one of the audience"):
        await parts.auth.identify(header)


async def test_a_token_of_another_audience_is_refused(parts: AuthParts) -> None:
    token = await parts.token(audience="vault")
    with pytest.raises(RefusedError, match=r"does not accept .* for the audience 'grctl.dev'"):
        await parts.auth.identify(token)


async def test_a_text_that_is_not_a_token_is_refused(parts: AuthParts) -> None:
    with pytest.raises(RefusedError, match="does not accept the worker's token"):
        await parts.auth.identify("Bearer a.b.c")


async def test_an_account_may_execute_the_types_that_it_was_granted(parts: AuthParts) -> None:
    await parts.grant("Order", "Refund")
    identity = await parts.auth.identify(await parts.token())
    await parts.auth.authorize(identity, parts.hello(ORDER, REFUND))


async def test_a_type_that_was_not_granted_is_refused_with_the_command_that_grants_it(
    parts: AuthParts, tmp_path: Path
) -> None:
    identity = await parts.auth.identify(await parts.token())
    with pytest.raises(RefusedError, match="may not execute Order, Refund") as refusal:
        await parts.auth.authorize(identity, parts.hello(ORDER, REFUND))
    command = str(refusal.value).partition("Grant it: ")[2].replace("kubectl", str(KUBECTL))
    environment = {"KUBECONFIG": parts.cluster.kubeconfig, "HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec("sh", "-c", command, env=environment)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    await parts.until_granted("Refund")
    parts.ahead = REFUSAL_KEPT_S
    await parts.auth.authorize(identity, parts.hello(ORDER, REFUND))


def left_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_the_command_that_grants_is_quoted_for_the_shell(
    parts: AuthParts, tmp_path: Path
) -> None:
    odd = "$(touch ran) `touch ran` 'x'; touch ran #"
    identity = await parts.auth.identify(await parts.token())
    with pytest.raises(RefusedError) as refusal:
        await parts.auth.authorize(identity, parts.hello(catalogue(odd)))
    command = str(refusal.value).partition("Grant it: ")[2].replace("kubectl", "echo kubectl")
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert f"--resource-name={odd}\n" in said.decode()
    assert left_in(tmp_path) == []


async def test_a_worker_serves_the_namespace_of_its_account_only(parts: AuthParts) -> None:
    await parts.grant("Order")
    identity = await parts.auth.identify(await parts.token())
    with pytest.raises(RefusedError, match=f"which is {parts.cluster.namespace}, not default"):
        await parts.auth.authorize(identity, parts.hello(namespace="default"))


async def test_a_revoked_permission_ends_after_the_time_for_which_answers_are_kept(
    parts: AuthParts,
) -> None:
    await parts.grant("Order")
    identity = await parts.auth.identify(await parts.token())
    await parts.auth.authorize(identity, parts.hello())
    await parts.revoke()
    await parts.auth.authorize(identity, parts.hello())
    parts.ahead = GRANT_KEPT_S
    with pytest.raises(RefusedError):
        await parts.auth.authorize(identity, parts.hello())


async def test_a_token_is_accepted_until_it_expires_at_the_latest(parts: AuthParts) -> None:
    token = await parts.token()
    parts.ahead = 590.0  # it has ten seconds
    await parts.auth.identify(token)
    await parts.cluster.api.delete(ACCOUNTS.path(parts.cluster.namespace, "orders"))
    await parts.auth.identify(token)
    parts.ahead = 602.0
    with pytest.raises(RefusedError):
        await parts.auth.identify(token)


async def test_a_worker_is_not_refused_for_good_while_the_api_server_is_away(
    parts: AuthParts,
) -> None:
    token = await parts.token()
    connection = replace(parts.cluster.api.connection, server="http://127.0.0.1:9", tls=None)
    async with Api(connection) as closed:
        auth = TokenAuth(closed, "grctl.dev", parts.now)
        with pytest.raises(NotHereError, match="try again"):
            await auth.identify(token)


async def test_permissions_are_reviewed_in_turn_until_some_are_refused(
    parts: AuthParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def may_not(_identity: Identity, workflow_type: str) -> bool:
        asked.append(workflow_type)
        return False

    monkeypatch.setattr(parts.auth, "_may_execute", may_not)
    offered = [catalogue(f"Type{number}") for number in range(150)]
    identity = Identity("system:serviceaccount:shop:orders", parts.cluster.namespace)
    with pytest.raises(RefusedError, match="may not execute Type0, Type1, "):
        await parts.auth.authorize(identity, parts.hello(*offered))
    assert asked == [f"Type{number}" for number in range(10)]


async def test_a_worker_that_offers_nothing_is_refused(parts: AuthParts) -> None:
    identity = Identity("system:serviceaccount:shop:orders", parts.cluster.namespace)
    nothing = hello(namespace=parts.cluster.namespace)
    with pytest.raises(RefusedError, match="offers no workflow type"):
        await parts.auth.authorize(identity, nothing)
