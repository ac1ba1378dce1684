import pytest

from grctl_operator.runtime.settings import Settings, SettingsError


def test_a_flag_beats_a_variable_and_a_variable_the_default() -> None:
    environment = {"GRCTL_NAMESPACE": "bank", "GRCTL_DISPATCHER_PORT": "9000"}
    settings = Settings.read({"namespace": "shop", "dispatcher_port": None}, environment)
    assert (settings.namespace, settings.dispatcher_port) == ("shop", 9000)
    assert settings.dispatcher_host == "127.0.0.1"


def test_an_empty_variable_is_none() -> None:
    assert Settings.read({}, {"GRCTL_NAMESPACE": ""}).namespace is None


def test_a_port_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="GRCTL_HTTP_PORT must be a port number, not 'x'"):
        Settings.read({}, {"GRCTL_HTTP_PORT": "x"})
