import pytest

from grctl_operator.runtime.settings import Settings, SettingsError


def test_a_flag_beats_a_variable_and_a_variable_the_default() -> None:
    environment = {"GRCTL_NAMESPACE": "bank", "GRCTL_DISPATCHER_PORT": "9000"}
    settings = Settings.read({"namespaces": ["shop"], "dispatcher_port": None}, environment)
    assert (settings.namespaces, settings.dispatcher_port) == (("shop",), 9000)
    assert settings.dispatcher_host == "127.0.0.1"


def test_an_empty_variable_is_none() -> None:
    assert Settings.read({}, {"GRCTL_NAMESPACE": ""}).namespaces == ()


def test_namespaces_are_split_at_commas_each_once() -> None:
    from_variable = Settings.read({}, {"GRCTL_NAMESPACE": "shop, bank,shop"})
    from_flags = Settings.read({"namespaces": ["shop,bank", "mall"]}, {})
    assert from_variable.namespaces == ("shop", "bank")
    assert from_flags.namespaces == ("shop", "bank", "mall")


def test_a_list_without_a_name_is_refused_as_it_would_mean_all() -> None:
    with pytest.raises(SettingsError, match="Namespaces must be named, not ','"):
        Settings.read({}, {"GRCTL_NAMESPACE": ","})


@pytest.mark.parametrize("name", ["..", "a/b", "Shop", "-a", "a.b", "x" * 64, "größe"])
def test_a_namespace_that_none_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="is not a name of a namespace: --namespace"):
        Settings.read({"namespaces": ["shop", name]}, {})


def test_the_only_namespace_is_told_where_there_is_one() -> None:
    assert Settings(namespaces=("shop",)).only_namespace == "shop"
    assert Settings(namespaces=("shop", "bank")).only_namespace is None
    assert Settings().only_namespace is None


def test_a_port_that_is_no_number_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="GRCTL_HTTP_PORT must be a port number, not 'x'"):
        Settings.read({}, {"GRCTL_HTTP_PORT": "x"})


@pytest.mark.parametrize("port", [-1, 65_536, 10**30])
def test_a_port_that_there_is_not_is_refused_by_its_flag(port: int) -> None:
    with pytest.raises(SettingsError, match=f"from 0 to 65535, not {port}: --http-port"):
        Settings.read({"http_port": port}, {})
    with pytest.raises(SettingsError, match=f"not {port}: --port"):
        Settings.read({}, {"GRCTL_DISPATCHER_PORT": str(port)})


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(SettingsError, match="both a certificate and its key"):
        Settings.read({"tls_cert": "tls.crt"}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_workers_of_this_machine_need_no_token_unless_it_is_said(host: str) -> None:
    assert not Settings(dispatcher_host=host).authenticates
    assert Settings(dispatcher_host=host, worker_auth="token").authenticates


@pytest.mark.parametrize("host", ["10.0.0.7", "::", "operator"])
def test_workers_from_elsewhere_need_a_token_unless_it_is_said(host: str) -> None:
    assert Settings(dispatcher_host=host).authenticates
    assert not Settings(dispatcher_host=host, worker_auth="none").authenticates


def test_another_way_to_authenticate_is_refused_naming_those_there_are() -> None:
    with pytest.raises(SettingsError, match="by token or none, not 'password'"):
        Settings.read({}, {"GRCTL_WORKER_AUTH": "password"})


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("tls_cert", "--tls-cert"),
        ("dispatcher_host", "--host"),
        ("worker_audience", "--worker-audience"),
        ("lease_name", "--lease-name"),
        ("kubeconfig", "--kubeconfig"),
    ],
)
def test_a_flag_that_a_shell_gave_nothing_is_refused(name: str, flag: str) -> None:
    with pytest.raises(SettingsError, match=f"A value is empty: {flag}$"):
        Settings.read({name: ""}, {})


@pytest.mark.parametrize("name", ["..", "A B", "größe", "x" * 254, "a_b"])
def test_a_lease_that_none_can_be_called_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"No Lease can be called .*: --lease-name"):
        Settings.read({}, {"GRCTL_LEASE_NAME": name})
    with pytest.raises(SettingsError, match="is not a name of a namespace: --lease-namespace"):
        Settings.read({"lease_namespace": name}, {})
