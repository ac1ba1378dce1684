"""How a Lease is read and written, with given times and no API server."""

from datetime import UTC, datetime
from typing import Any

from grctl_operator.runtime.leader.lease import (
    LEASE_DURATION_S,
    RENEW_DEADLINE_S,
    RENEW_EVERY_S,
    Candidate,
    LeaseTiming,
    Sighting,
    released_lease,
    renewed_lease,
    taken_lease,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = Candidate("one", "http://10.0.0.1:8700", "all")
TWO = Candidate("two", "http://10.0.0.2:8700", "all")
NOTHING = Sighting(None, 0.0)

Json = dict[str, Any]


def stored(body: Json, version: int) -> Json:
    """Return the Lease as the API server has it after a write."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


def held(by: Candidate = ONE, version: int = 1) -> Json:
    return stored(taken_lease(NOTHING, by, NOON, LeaseTiming()), version)


def test_a_holder_stops_writing_before_others_may_begin() -> None:
    assert 2 * RENEW_EVERY_S < RENEW_DEADLINE_S < LEASE_DURATION_S


def test_a_lease_that_does_not_exist_may_be_taken() -> None:
    assert NOTHING.seconds_until_free("one", now=0.0) == 0.0


def test_the_duration_of_a_lease_begins_when_it_was_seen_whatever_its_stamps_are() -> None:
    seen = NOTHING.next_sighting(held(), now=100.0)
    assert seen.seconds_until_free("two", now=100.0) == LEASE_DURATION_S
    assert seen.seconds_until_free("two", now=109.0) == 1.0
    assert seen.seconds_until_free("two", now=111.0) == 0.0


def test_a_renewal_begins_the_duration_anew_and_the_same_version_does_not() -> None:
    seen = NOTHING.next_sighting(held(), now=100.0)
    again = seen.next_sighting(held(), now=105.0)
    later = seen.next_sighting(stored(renewed_lease(held(), NOON, 3), 2), now=105.0)
    assert (again.seconds_until_free("two", 105.0), later.seconds_until_free("two", 105.0)) == (
        5.0,
        LEASE_DURATION_S,
    )


def test_the_duration_is_the_one_that_the_holder_wrote() -> None:
    slow = stored(taken_lease(NOTHING, ONE, NOON, LeaseTiming(duration=60.0)), 1)
    assert Sighting(slow, 100.0).seconds_until_free("two", now=100.0) == 60.0


def test_a_released_lease_may_be_taken_at_once_and_has_no_address() -> None:
    seen = Sighting(stored(released_lease(held(), NOON, 3), 2), 100.0)
    assert (seen.holder, seen.url, seen.seconds_until_free("two", now=100.0)) == (None, None, 0.0)


def test_a_lease_in_our_own_name_may_be_taken_at_once() -> None:
    assert Sighting(held(ONE), 100.0).seconds_until_free("one", now=100.0) == 0.0


def test_a_taken_lease_names_the_candidate_and_begins_a_term() -> None:
    first = Sighting(held(ONE), 100.0)
    second = Sighting(stored(taken_lease(first, TWO, NOON, LeaseTiming()), 2), 200.0)
    assert (first.holder, first.url, first.serves, first.term) == ("one", ONE.url, "all", 0)
    assert (second.holder, second.url, second.serves, second.term) == ("two", TWO.url, "all", 1)


def test_taking_a_lease_keeps_what_others_wrote_on_it_and_names_the_version() -> None:
    item = held(ONE, version=7)
    item["metadata"]["annotations"]["team"] = "payments"
    body = taken_lease(Sighting(item, 0.0), TWO, NOON, LeaseTiming())
    assert body["metadata"]["annotations"]["team"] == "payments"
    assert body["metadata"]["resourceVersion"] == "7"
    assert item["spec"]["holderIdentity"] == "one"


def test_a_renewal_changes_the_stamp_and_the_count_of_workers_and_nothing_else() -> None:
    item = held()
    body = renewed_lease(item, NOON.replace(second=3), 2)
    assert body["metadata"]["annotations"].pop("grctl.dev/workers") == "2"
    assert body["spec"].pop("renewTime") == "2026-11-23T12:00:03.000000Z"
    assert item["spec"].pop("renewTime") == "2026-11-23T12:00:00.000000Z"
    assert body == item


def test_a_taken_lease_keeps_the_number_of_workers_until_it_is_renewed() -> None:
    first = Sighting(stored(renewed_lease(held(), NOON, 3), 2), 100.0)
    second = Sighting(stored(taken_lease(first, TWO, NOON, LeaseTiming()), 3), 110.0)
    assert (NOTHING.workers, first.workers, second.workers) == (None, 3, 3)


def test_a_count_of_workers_that_is_not_a_number_is_ignored() -> None:
    item = held()
    item["metadata"]["annotations"]["grctl.dev/workers"] = "many"
    assert Sighting(item, 0.0).workers is None
