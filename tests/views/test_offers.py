"""Which handlers the connected workers of a type have together, and when that is news."""

from grctl_operator.views.offers import Offers
from tests.runtime.played_worker import catalogue, hello

GROUP = ("shop", "Order")
OLD, NEW = catalogue("Order", "approve"), catalogue("Order", "approve", "refund")


def test_the_first_worker_of_a_type_is_news() -> None:
    assert Offers().on_hello(hello(OLD)) == (GROUP,)


def test_another_worker_of_the_same_version_is_not_news() -> None:
    offers = Offers()
    offers.on_hello(hello(OLD, instance="a"))
    assert offers.on_hello(hello(OLD, instance="b")) == ()
    assert offers.on_disconnect("a") == ()


def test_a_rollout_is_news_when_the_first_comes_and_when_the_last_leaves() -> None:
    offers = Offers()
    offers.on_hello(hello(NEW, instance="a"))
    assert offers.on_hello(hello(OLD, instance="b")) == ()
    assert offers.on_disconnect("a") == (GROUP,)
    assert offers.on_hello(hello(NEW, instance="c")) == (GROUP,)


def test_a_type_that_loses_its_last_worker_is_not_news_nor_is_the_same_version_after_it() -> None:
    offers = Offers()
    offers.on_hello(hello(OLD, instance="a"))
    assert offers.on_disconnect("a") == ()
    assert offers.on_hello(hello(OLD, instance="b")) == ()
    assert offers.on_disconnect("b") == ()
    assert offers.on_hello(hello(NEW, instance="c")) == (GROUP,)


def test_a_worker_that_says_hello_again_counts_once() -> None:
    offers = Offers()
    offers.on_hello(hello(NEW, instance="a"))
    offers.on_hello(hello(OLD, instance="b"))
    assert offers.on_hello(hello(NEW, instance="a")) == ()
    assert offers.on_disconnect("a") == (GROUP,)


def test_each_namespace_has_workers_of_its_own() -> None:
    offers = Offers()
    offers.on_hello(hello(OLD, instance="a"))
    assert offers.on_hello(hello(OLD, instance="b", namespace="other")) == (("other", "Order"),)


def test_a_worker_that_never_said_hello_leaves_without_news() -> None:
    assert Offers().on_disconnect("nobody") == ()
