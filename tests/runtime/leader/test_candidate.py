from pathlib import Path

import pytest

from grctl_operator.runtime.leader import candidate as module
from grctl_operator.runtime.leader.candidate import make_candidate
from grctl_operator.runtime.settings import Settings

HERE = Settings()
EVERYWHERE = "0.0.0.0"  # noqa: S104  nothing is bound
POD = {"POD_NAME": "grctl-7d9f-x2x", "POD_IP": "10.1.2.3"}


def test_the_same_address_on_the_same_machine_is_the_same_operator() -> None:
    assert make_candidate(HERE, {}, 8700).identity == make_candidate(HERE, {}, 8700).identity


def test_another_port_or_host_is_another_operator() -> None:
    other = Settings(dispatcher_host="127.0.0.2")
    identities = {
        make_candidate(HERE, {}, 8700).identity,
        make_candidate(HERE, {}, 8701).identity,
        make_candidate(other, {}, 8700).identity,
    }
    assert len(identities) == 3


def test_another_boot_is_another_operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = make_candidate(HERE, {}, 8700).identity
    boot = tmp_path / "boot_id"
    boot.write_text("another", encoding="ascii")
    monkeypatch.setattr(module, "BOOT", boot)
    assert make_candidate(HERE, {}, 8700).identity != before


def test_each_process_is_another_operator_if_the_kernel_tells_no_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BOOT", Path("/nowhere"))
    assert make_candidate(HERE, {}, 8700).identity != make_candidate(HERE, {}, 8700).identity


def test_a_pod_has_its_own_name_unless_an_identity_is_set() -> None:
    assert make_candidate(HERE, POD, 8700).identity == "grctl-7d9f-x2x"
    assert make_candidate(Settings(identity="me"), POD, 8700).identity == "me"


@pytest.mark.parametrize(
    ("settings", "environment", "url"),
    [
        (Settings(), {}, "http://127.0.0.1:8700"),
        (Settings(dispatcher_host=EVERYWHERE), POD, "http://10.1.2.3:8700"),
        (Settings(dispatcher_host="::"), {"POD_IP": "fd00::7"}, "http://[fd00::7]:8700"),
        (Settings(tls_cert="tls.crt", tls_key="tls.key"), {}, "https://127.0.0.1:8700"),
        (Settings(advertise_url="http://operator-0"), POD, "http://operator-0"),
    ],
)
def test_workers_are_sent_to_the_address_of_the_port_or_to_the_one_that_is_set(
    settings: Settings, environment: dict[str, str], url: str
) -> None:
    assert make_candidate(settings, environment, 8700).url == url
