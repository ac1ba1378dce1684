"""The name, the namespace and the operator of a worker."""

import re
import tempfile
from pathlib import Path

import pytest

from grctl.worker import identity


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPERATOR_URL", "NAMESPACE", "WORKER_NAME", "WORKER_TOKEN_FILE"):
        monkeypatch.delenv(f"GRCTL_{name}", raising=False)
    monkeypatch.setenv("HOSTNAME", "laptop")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(identity, "POD_NAMESPACE", tmp_path / "namespace")


def test_processes_on_one_machine_have_names_that_outlive_them() -> None:
    with identity.worker_name(None) as first, identity.worker_name(None) as second:
        assert (first, second) == ("laptop", "laptop-2")
    with identity.worker_name(None) as again:
        assert again == "laptop"


def test_a_machine_that_lets_nothing_be_written_gives_its_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "x"))
        with identity.worker_name(None) as name:
            assert name == "laptop"


def test_a_name_is_the_argument_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRCTL_WORKER_NAME", "from-env")

    with identity.worker_name("given") as given, identity.worker_name(None) as found:
        assert (given, found) == ("given", "from-env")


def test_the_namespace_is_the_arguments_the_environments_the_pods_or_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert identity.namespace(None) == "default"
    (tmp_path / "namespace").write_text("of-pod\n")
    assert identity.namespace(None) == "of-pod"
    monkeypatch.setenv("GRCTL_NAMESPACE", "of-env")
    assert identity.namespace(None) == "of-env"
    assert identity.namespace("given") == "given"


def test_the_operator_is_the_arguments_the_environments_or_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert identity.operator_url(None) == "http://127.0.0.1:8700"
    monkeypatch.setenv("GRCTL_OPERATOR_URL", "https://operator.example/")
    assert identity.operator_url(None) == "https://operator.example"
    assert identity.operator_url("http://given:1") == "http://given:1"


@pytest.mark.parametrize("wrong", ["operator:8700", "ftp://operator", "http://:80"])
def test_an_operator_url_that_is_not_an_address_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(wrong)) + ".* http://127.0.0.1:8700"):
        identity.operator_url(wrong)


def test_an_address_to_which_the_token_may_not_be_sent_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GRCTL_WORKER_TOKEN_FILE", "/var/run/token")
    with pytest.raises(ValueError, match="http://operator:8700 is not encrypted"):
        identity.operator_url("http://operator:8700")
