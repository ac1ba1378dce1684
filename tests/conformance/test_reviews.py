"""Reviews: whose a token is, and what a user may do.

A real API server learns of changed accounts and roles by watches. So the tests wait for the answer.
"""

from typing import Any

import pytest

from tests.conformance.client import Api, Json, eventually
from tests.lab.kubectl import Kubectl

CORE = "/api/v1/namespaces"
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
OUR_AUDIENCE = "conformance.example.com"


async def create_account(api: Api, namespace: str, name: str = "orders") -> str:
    path = f"{CORE}/{namespace}/serviceaccounts"
    (await api.post(path, {"metadata": {"name": name}})).expect(201)
    return f"{path}/{name}"


async def token_of(api: Api, account: str, *audiences: str) -> str:
    spec = {"audiences": list(audiences), "expirationSeconds": 600}
    answer = (await api.post(f"{account}/token", {"spec": spec})).expect(201)
    token: str = answer["status"]["token"]
    return token


async def review_token(api: Api, token: str, *audiences: str) -> Json:
    spec = {"token": token, "audiences": list(audiences)}
    answer = (await api.post(TOKEN_REVIEWS, {"spec": spec})).expect(201)
    status: Json = answer["status"]
    return status


async def test_a_review_of_a_token_names_its_account(api: Api, namespace: str) -> None:
    token = await token_of(api, await create_account(api, namespace), OUR_AUDIENCE)

    status = await review_token(api, token, OUR_AUDIENCE, "elsewhere.example.com")

    assert status["authenticated"] is True
    assert status["audiences"] == [OUR_AUDIENCE]
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:orders"
    assert set(status["user"]["groups"]) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }


async def test_a_token_is_not_valid_for_another_audience(api: Api, namespace: str) -> None:
    token = await token_of(api, await create_account(api, namespace), OUR_AUDIENCE)

    status = await review_token(api, token, "elsewhere.example.com")

    assert not status.get("authenticated")
    assert "audience" in status["error"]


@pytest.mark.parametrize("token", ["x", "a.b.c"])
async def test_a_text_that_is_not_a_token_is_not_authenticated(api: Api, token: str) -> None:
    status = await review_token(api, token, OUR_AUDIENCE)

    assert not status.get("authenticated")
    assert status["error"]


async def test_a_token_is_not_valid_after_its_account_is_deleted(api: Api, namespace: str) -> None:
    path = await create_account(api, namespace)
    token = await token_of(api, path, OUR_AUDIENCE)
    (await api.delete(path)).expect(200)

    async def is_rejected() -> bool:
        return not (await review_token(api, token, OUR_AUDIENCE)).get("authenticated")

    await eventually(is_rejected)


async def test_a_token_is_not_valid_for_a_new_account_of_the_same_name(
    api: Api, namespace: str
) -> None:
    path = await create_account(api, namespace)
    token = await token_of(api, path, OUR_AUDIENCE)
    (await api.delete(path)).expect(200)
    await create_account(api, namespace)

    async def is_rejected() -> bool:
        return not (await review_token(api, token, OUR_AUDIENCE)).get("authenticated")

    await eventually(is_rejected)


async def test_a_token_for_a_missing_account_is_not_made(api: Api, namespace: str) -> None:
    path = f"{CORE}/{namespace}/serviceaccounts/nobody/token"
    refusal = (await api.post(path, {"spec": {"audiences": [OUR_AUDIENCE]}})).expect(404)

    assert 'serviceaccounts "nobody" not found' in refusal["message"]


async def test_a_token_lifetime_below_ten_minutes_is_refused(api: Api, namespace: str) -> None:
    path = f"{await create_account(api, namespace)}/token"
    refusal = (await api.post(path, {"spec": {"expirationSeconds": 599}})).expect(422)

    assert "may not specify a duration less than 10 minutes" in refusal["message"]


def execute_access(namespace: str, name: str = "Order", **changes: str) -> Json:
    return {
        "namespace": namespace,
        "verb": "execute",
        "group": "grctl.dev",
        "resource": "workflowruns",
        "name": name,
        **changes,
    }


async def is_allowed(api: Api, namespace: str, access: Json, user: str = "orders") -> bool:
    spec = {
        "user": f"system:serviceaccount:{namespace}:{user}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"],
        "resourceAttributes": access,
    }
    answer = (await api.post(ACCESS_REVIEWS, {"spec": spec})).expect(201)
    return bool(answer["status"]["allowed"])


def rule(**changes: Any) -> Json:
    return {
        "apiGroups": ["grctl.dev"],
        "resources": ["workflowruns"],
        "resourceNames": ["Order"],
        "verbs": ["execute"],
        **changes,
    }


async def bind(
    api: Api, namespace: str, *subjects: Json, rules: list[Json], kind: str = "Role"
) -> None:
    name = f"{namespace}-executor"
    scope = f"{RBAC}/namespaces/{namespace}"
    roles = f"{scope}/roles" if kind == "Role" else f"{RBAC}/clusterroles"
    (await api.post(roles, {"metadata": {"name": name}, "rules": rules})).expect(201)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    body = {"metadata": {"name": name}, "subjects": list(subjects), "roleRef": reference}
    (await api.post(f"{scope}/rolebindings", body)).expect(201)


ORDERS = {"kind": "ServiceAccount", "name": "orders"}


def orders_of(namespace: str) -> Json:
    return {**ORDERS, "namespace": namespace}


async def test_an_account_without_a_role_is_allowed_nothing(api: Api, namespace: str) -> None:
    assert not await is_allowed(api, namespace, execute_access(namespace))


async def test_a_role_allows_what_its_rule_says_and_no_more(api: Api, namespace: str) -> None:
    await bind(api, namespace, orders_of(namespace), rules=[rule()])

    await eventually(lambda: is_allowed(api, namespace, execute_access(namespace)))
    for refused in (
        execute_access(namespace, "Refund"),
        execute_access("default"),
        execute_access(namespace, verb="get"),
        execute_access(namespace, resource="workflowevents"),
        execute_access(namespace, group="example.com"),
        execute_access(namespace, subresource="status"),
    ):
        assert not await is_allowed(api, namespace, refused)
    assert not await is_allowed(api, namespace, execute_access(namespace), user="others")


async def test_a_rule_without_names_allows_all_names_and_a_star_everything(
    api: Api, namespace: str
) -> None:
    rules = [rule(resourceNames=[], apiGroups=["*"], verbs=["*"])]
    await bind(api, namespace, orders_of(namespace), rules=rules)

    await eventually(lambda: is_allowed(api, namespace, execute_access(namespace, "Refund")))
    assert await is_allowed(api, namespace, execute_access(namespace, verb="get"))


async def test_a_cluster_role_bound_in_a_namespace_counts_there(api: Api, namespace: str) -> None:
    await bind(api, namespace, orders_of(namespace), rules=[rule()], kind="ClusterRole")
    try:
        await eventually(lambda: is_allowed(api, namespace, execute_access(namespace)))
        assert not await is_allowed(api, namespace, execute_access("default"))
    finally:
        await api.delete(f"{RBAC}/clusterroles/{namespace}-executor")


async def test_all_accounts_of_a_namespace_are_a_group(api: Api, namespace: str) -> None:
    group = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Group",
        "name": f"system:serviceaccounts:{namespace}",
    }
    await bind(api, namespace, group, rules=[rule()])

    await eventually(lambda: is_allowed(api, namespace, execute_access(namespace), user="anyone"))


async def test_a_role_allows_nothing_after_its_binding_is_deleted(api: Api, namespace: str) -> None:
    await bind(api, namespace, orders_of(namespace), rules=[rule()])
    await eventually(lambda: is_allowed(api, namespace, execute_access(namespace)))
    path = f"{RBAC}/namespaces/{namespace}/rolebindings/{namespace}-executor"
    (await api.delete(path)).expect(200)

    async def is_refused() -> bool:
        return not await is_allowed(api, namespace, execute_access(namespace))

    await eventually(is_refused)


async def test_a_review_without_a_user_is_refused(api: Api, namespace: str) -> None:
    spec = {"resourceAttributes": execute_access(namespace)}
    refusal = (await api.post(ACCESS_REVIEWS, {"spec": spec})).expect(422)

    assert "at least one of user or group must be specified" in refusal["message"]


@pytest.mark.parametrize("path", [TOKEN_REVIEWS, ACCESS_REVIEWS])
async def test_reviews_are_not_stored(api: Api, path: str) -> None:
    assert (await api.get(path)).status == 405


async def test_kubectl_grants_a_verb_of_our_own(api: Api, kubectl: Kubectl, namespace: str) -> None:
    await kubectl("create", "serviceaccount", "orders")
    said = await kubectl(
        "create",
        "role",
        "executor",
        "--verb=execute",
        "--resource=serviceaccounts",
        "--resource-name=Order",
    )
    await kubectl(
        "create",
        "rolebinding",
        "executor",
        "--role=executor",
        f"--serviceaccount={namespace}:orders",
    )
    access = execute_access(namespace, group="", resource="serviceaccounts")

    assert "role.rbac.authorization.k8s.io/executor created" in said
    await eventually(lambda: is_allowed(api, namespace, access))
    token = await kubectl("create", "token", "orders", f"--audience={OUR_AUDIENCE}")
    assert (await review_token(api, token.strip(), OUR_AUDIENCE))["authenticated"]


SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
OWN_ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
U1 = {"Impersonate-User": "u1"}


async def test_a_user_can_ask_for_its_own_name(api: Api) -> None:
    answer = (await api.request("POST", SELF, body={}, headers=U1)).expect(201)

    found = answer["status"]["userInfo"]
    assert (found["username"], found["groups"]) == ("u1", ["system:authenticated"])


async def test_an_impersonated_account_has_its_groups(api: Api, namespace: str) -> None:
    headers = {"Impersonate-User": f"system:serviceaccount:{namespace}:orders"}
    answer = (await api.request("POST", SELF, body={}, headers=headers)).expect(201)

    assert set(answer["status"]["userInfo"]["groups"]) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }


async def test_a_user_can_ask_what_it_may_do(api: Api, namespace: str) -> None:
    await bind(api, namespace, {"kind": "User", "name": "u1"}, rules=[rule()])

    async def may_access(access: Json, headers: dict[str, str]) -> bool:
        body = {"spec": {"resourceAttributes": access}}
        answer = await api.request("POST", OWN_ACCESS, body=body, headers=headers)
        return bool(answer.expect(201)["status"]["allowed"])

    await eventually(lambda: may_access(execute_access(namespace), U1))
    assert not await may_access(execute_access(namespace, "Refund"), U1)
    assert not await may_access(execute_access(namespace), {"Impersonate-User": "u2"})
    assert await may_access(execute_access(namespace, "Refund"), {})


async def test_an_impersonated_user_may_do_what_roles_allow_and_no_more(
    api: Api, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "list"]}]
    await bind(api, namespace, {"kind": "User", "name": "u1"}, rules=rules)
    path = f"{CORE}/{namespace}/configmaps"

    async def may_list() -> bool:
        return (await api.request("GET", path, headers=U1)).status == 200

    await eventually(may_list)
    body = {"metadata": {"name": "a"}}
    (await api.request("POST", path, body=body, headers=U1)).expect(201)
    refusals = [
        ("GET", f"{path}/a", "get", ' "a"'),
        ("PUT", f"{path}/a", "update", ' "a"'),
        ("DELETE", f"{path}/a", "delete", ' "a"'),
        ("DELETE", path, "deletecollection", ""),
    ]
    for method, where, verb, named in refusals:
        sent = {"kind": "ConfigMap", "apiVersion": "v1", **body} if method == "PUT" else None
        refusal = (await api.request(method, where, body=sent, headers=U1)).expect(403)
        assert refusal["reason"] == "Forbidden"
        assert refusal["message"] == (
            f'configmaps{named} is forbidden: User "u1" cannot {verb} resource "configmaps" in API'
            f' group "" in the namespace "{namespace}"'
        )
    elsewhere = (await api.request("GET", "/api/v1/namespaces", headers=U1)).expect(403)
    assert elsewhere["message"].endswith(
        'cannot list resource "namespaces" in API group "" at the cluster scope'
    )


async def test_kubectl_prints_the_user_and_what_it_may_do(
    kubectl: Kubectl, api: Api, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    await bind(api, namespace, {"kind": "User", "name": "u1"}, rules=rules)
    assert "u1" in await kubectl("auth", "whoami", "--as=u1")
    assert await kubectl("auth", "can-i", "delete", "configmaps") == "yes\n"

    async def may_list() -> bool:
        process = await kubectl.start("auth", "can-i", "list", "configmaps", "--as=u1")
        return (await process.communicate())[0] == b"yes\n"

    await eventually(may_list)
    assert "no" in await kubectl("auth", "can-i", "get", "configmaps", "--as=u1", fails=True)
    said = await kubectl("get", "configmap", "x", "--as=u1", fails=True)
    assert 'User "u1" cannot get resource "configmaps"' in said
