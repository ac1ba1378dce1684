"""The chart gives its ServiceAccounts exactly the rights that they used while the suite ran."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.installation import NAMESPACE, RELEASE, Installation
from tests.charts.rendering import OPERATOR, Json, merged
from tests.charts.rendering import objects as rendered

Right = tuple[str, str, str]
"""API group, resource, verb."""

ACCOUNTS = ("grctl-operator", "grctl-let-go")
PREFIX = f"system:serviceaccount:{NAMESPACE}:"


def used_rights(log: Path) -> dict[str, set[Right]]:
    """Return the rights that each ServiceAccount of the installation used, by the audit log."""
    found: dict[str, set[Right]] = {account: set() for account in ACCOUNTS}
    for entry in map(json.loads, log.read_text(encoding="utf-8").splitlines()):
        account = entry["user"]["username"].removeprefix(PREFIX)
        if account in found and "resource" in entry.get("objectRef", {}):
            found[account].add(right(entry["objectRef"], entry["verb"]))
    return found


def right(reference: Json, verb: str) -> Right:
    subresource = reference.get("subresource")
    resource = reference["resource"] + (f"/{subresource}" if subresource else "")
    return reference.get("apiGroup", ""), resource, verb


def given_rights(found: list[Json], account: str) -> set[Right]:
    """Return the rights of a ServiceAccount, by the chart."""
    roles = {(each["kind"], each["metadata"]["name"]): each for each in found}
    rights: set[Right] = set()
    for each in found:
        names = {subject["name"] for subject in each.get("subjects", ())}
        if account in names:
            reference = each["roleRef"]
            rights |= set(rights_of(roles[reference["kind"], reference["name"]]))
    return rights


def rights_of(role: Json) -> Iterator[Right]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


@pytest.mark.audits
@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_right_is_missing_and_none_is_unused(installation: Installation, account: str) -> None:
    log = installation.settings.audit_log
    assert log is not None
    chart = rendered(OPERATOR, merged(installation.values(), {"fullnameOverride": RELEASE}))

    done, may = used_rights(log)[account], given_rights(chart, account)

    assert (sorted(done - may), sorted(may - done)) == ([], [])
