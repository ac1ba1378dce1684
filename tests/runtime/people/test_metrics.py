import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grctl.json.raw_json import RawJson
from grctl.kube import Request
from grctl.models import EventPhase, EventReason, HandlerKind, RunPhase, RunStatus
from grctl.models.run import Stall, Step
from grctl_operator.runtime.people.metrics import PHASE_OF, REQUESTS, Metrics
from grctl_operator.views.runs import RunCache
from tests.views.test_runs import run

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
NAMED_BY_USERS = {"run", "event", "worker", "namespace", "workflow", "type", "execution"}


def samples(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    """Return the labels of each series of grctl."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            if sample.name.startswith("grctl_"):
                found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def exercised() -> Metrics:
    """Return metrics in which each series was touched that can grow."""
    metrics = Metrics()
    for resource, verbs in REQUESTS.items():
        for verb in (*verbs, "escalate"):
            for status in (0, 200, 409, 418, 500):
                metrics.on_request(Request(verb, resource), status)
    metrics.on_request(Request("get", "pods"), 200)
    metrics.tasks.on_write(RunStatus(), RunStatus(journal={"entries": {"a": {}}}))
    for reason in (*EventReason, "OfTomorrow"):
        for phase in (EventPhase.PROCESSED, EventPhase.FAILED, EventPhase.REJECTED):
            metrics.on_settle(phase, reason)
    return metrics


def test_every_series_is_there_at_0_from_the_start() -> None:
    before, after = samples(Metrics()), samples(exercised())
    assert before == after
    metrics = Metrics()
    values = Counter(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("grctl_")
    )
    assert set(values) == {0.0}


def test_no_label_holds_a_name_that_users_choose() -> None:
    labels = {label for each in samples(Metrics()).values() for labels in each for label in labels}
    assert not labels & NAMED_BY_USERS


def test_operators_in_one_process_do_not_add_up() -> None:
    one, other = Metrics(), Metrics()
    one.commits.inc()
    assert other.value("grctl_commits_total") == 0


def test_an_unforeseen_request_is_counted_as_other() -> None:
    metrics = Metrics()
    metrics.on_request(Request("delete", "pods"), 200)
    metrics.on_request(Request("deletecollection", "workflowruns"), 418)
    one = {"verb": "other", "resource": "other", "code": "200"}
    assert metrics.value("grctl_api_requests_total", **one) == 1
    assert metrics.value("grctl_api_requests_total", **one | {"code": "other"}) == 1


def test_a_reason_of_another_version_is_counted_as_other() -> None:
    metrics = Metrics()
    metrics.on_settle(EventPhase.REJECTED, "OfTomorrow")
    labels = {"phase": "Rejected", "reason": "other"}
    assert metrics.value("grctl_events_settled_total", **labels) == 1


def test_every_reason_has_its_phase() -> None:
    assert set(PHASE_OF) == set(EventReason)


def test_runs_are_shown_by_their_phase() -> None:
    metrics, runs = Metrics(), RunCache()
    metrics.show(
        [],
        runs,
        NoCounts(),
        NoCounts(),
        NoCounts(),
        is_leader=lambda: False,
        namespaces_left_out=lambda: 0,
    )
    runs.on_answer(run(5))
    runs.on_answer(run(6, name="order-2", uid="u2"))
    assert metrics.value("grctl_runs", phase="Pending") == 2
    assert metrics.value("grctl_runs_stalled") == 0
    done = run(7)
    done["status"]["phase"] = "Completed"
    runs.on_answer(done)
    runs.on_change("DELETED", run(8, name="order-2", uid="u2"))
    assert metrics.value("grctl_runs", phase="Pending") == 0
    assert metrics.value("grctl_runs", phase="Completed") == 1
    assert sum(runs.count(phase) for phase in RunPhase) == len(runs)


def status(*entries: str, failures: int | None = None) -> RunStatus:
    """Return a status whose handler recorded some tasks, and failed some times."""
    due = Step(name="pay", kind=HandlerKind.STEP, since=NOON, failures=failures)
    journal = {"entries": {key: {"ok": RawJson(b"1")} for key in entries}} if entries else None
    return RunStatus(step=due, journal=journal)


def test_a_write_counts_the_entries_of_the_journal_that_are_new() -> None:
    metrics = Metrics()
    first, second = status("a", "b"), status("a", "b", "c")
    for before, after in ((status(), first), (first, first), (first, second), (second, status())):
        metrics.tasks.on_write(before, after)
    assert metrics.value("grctl_records_written_total") == 3


def test_a_write_counts_a_handler_that_is_tried_again_and_not_one_that_is_held() -> None:
    metrics = Metrics()
    once, twice = status(failures=1), status(failures=2)
    assert once.step is not None
    stall = Stall(reason="HandlerFailed", message="", since=NOON)
    held = once.model_copy(update={"step": once.step.model_copy(update={"stall": stall})})
    for before, after in ((status(), once), (once, once), (once, twice), (twice, held)):
        metrics.tasks.on_write(before, after)
    assert metrics.value("grctl_handler_retries_total") == 2


def test_the_guide_names_only_metrics_that_exist() -> None:
    guide = (ROOT / "docs" / "guide" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\bgrctl_(?!worker_)\w+", guide))
    there = {re.sub("_(bucket|count|sum)$", "", name) for name in samples(Metrics())}
    assert {name.removesuffix("_bucket") for name in named} <= there
    assert len(named) > 10


def test_an_unknown_series_is_an_error_and_not_0() -> None:
    with pytest.raises(KeyError, match="grctl_comits"):
        Metrics().value("grctl_comits")


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("*/*", "text/plain", b"\n"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", b"# EOF\n"),
    ],
)
def test_a_scraper_gets_a_format_that_it_reads(accept: str, content_type: str, end: bytes) -> None:
    body, format_ = Metrics().exposition(accept)
    assert format_.startswith(content_type)
    assert b"grctl_commits_total 0.0\n" in body
    assert body.endswith(end)


class NoCounts:
    inversions = 0
    connected = 0
    in_flight = 0
    waiting = 0
    without_handler = 0

    def __len__(self) -> int:
        return 0
