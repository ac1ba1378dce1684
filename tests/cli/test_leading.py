"""Options before the command, as with kubectl."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grctl.cli.leading import with_options_behind
from tests.cli.conftest import Grctl

VALUES = st.text(min_size=1)
LEADING = st.lists(
    st.tuples(st.sampled_from(["-n", "-o", "--context", "--kubeconfig"]), VALUES), max_size=4
)
WORDS = st.text(min_size=1).filter(lambda word: not word.startswith("-"))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("-n shop start T id", "start -n shop T id"),
        ("--namespace=shop --context c list -A", "list --namespace=shop --context c -A"),
        ("-nshop -ojson list -n bank", "list -nshop -ojson -n bank"),
        ("start -n shop T id", "start -n shop T id"),
        ("-n list", "-n list"),
        ("-n shop", "-n shop"),
        ("-n", "-n"),
        ("--version", "--version"),
        ("-n shop --help", "-n shop --help"),
        ("-n shop -A list", "-n shop -A list"),
        ("--namespaces=x list", "--namespaces=x list"),
        ("", ""),
    ],
)
def test_leading_options_are_put_behind_the_command(typed: str, read: str) -> None:
    assert with_options_behind(typed.split()) == read.split()


@given(LEADING, WORDS, st.lists(st.text()))
def test_the_order_stays_and_a_value_is_never_taken_for_the_command(
    leading: list[tuple[str, str]], verb: str, rest: list[str]
) -> None:
    options = [word for option in leading for word in option]
    assert with_options_behind([*options, verb, *rest]) == [verb, *options, *rest]


@pytest.mark.usefixtures("kubeconfig")
def test_the_line_that_the_workers_chart_prints_works(grctl: Grctl) -> None:
    done = grctl("-n", "default", "start", "ProcessOrder", "my-run", "--input", "{}")
    assert (done.exit_code, done.stdout) == (0, "Started my-run in namespace default\n")


def test_each_shared_option_may_lead(grctl: Grctl, kubeconfig: str) -> None:
    options = ("--kubeconfig", str(kubeconfig), "--context", "grctl-local", "-n", "kube-system")
    done = grctl(*options, "-o", "json", "start", "ProcessOrder", "order-1")
    assert json.loads(done.stdout)["namespace"] == "kube-system"


@pytest.mark.usefixtures("kubeconfig")
def test_an_option_behind_the_command_overrides_a_leading_one(grctl: Grctl) -> None:
    done = grctl("-n", "kube-system", "start", "ProcessOrder", "order-1", "-n", "default")
    assert done.stdout == "Started order-1 in namespace default\n"


def test_a_leading_option_overrides_a_variable(
    grctl: Grctl, monkeypatch: pytest.MonkeyPatch, kubeconfig: str
) -> None:
    monkeypatch.setenv("GRCTL_NAMESPACE", "nowhere")
    done = grctl("-n", "default", "--kubeconfig", str(kubeconfig), "start", "Order", "order-1")
    assert done.stdout == "Started order-1 in namespace default\n"


def test_a_command_without_such_an_option_refuses_it(grctl: Grctl) -> None:
    done = grctl("-n", "shop", "crds")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "No such option: -n" in done.stderr


@pytest.mark.parametrize("arguments", [["-n", "shop"], ["-n"], ["-n", "shop", "-A", "list"]])
def test_options_without_a_command_are_a_wrong_call(grctl: Grctl, arguments: list[str]) -> None:
    assert grctl(*arguments).exit_code == 2


def test_the_help_lists_the_leading_options(grctl: Grctl) -> None:
    shown = grctl("--help").output
    assert all(option in shown for option in ("-n, --namespace", "--context", "-o, --output"))


def test_a_command_of_the_first_grctl_says_what_to_write(grctl: Grctl) -> None:
    done = grctl("workflow", "start", "--type", "Hello")
    assert done.exit_code == 2
    assert "There is no command 'workflow': write `grctl start TYPE ID --input JSON`" in done.stderr
