"""Which proxy a request goes through: the same one as with Go's clients, and so with kubectl."""

import pytest

from grctl.kube.proxies import proxy_of

API = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("server", "environment", "proxy"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        (API, {"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        (API, {"https_proxy": "https://proxy"}, "https://proxy"),
        (API, {"HTTPS_PROXY": "http://a", "https_proxy": "http://b"}, "http://a"),
        (API, {"HTTPS_PROXY": "http://u:p@proxy"}, "http://u:p@proxy"),
        (API, {"HTTP_PROXY": "http://a"}, None),
        (API, {"ALL_PROXY": "http://a"}, None),
        ("http://api.example.com", {"HTTP_PROXY": "http://a"}, "http://a"),
        ("http://api.example.com", {"HTTPS_PROXY": "http://a"}, None),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://a"}, None),
        ("https://localhost:6443", {"HTTPS_PROXY": "http://a"}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": "http://a"}, None),
        ("https://10.0.0.1", {"HTTPS_PROXY": "http://a"}, "http://a"),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    server: str, environment: dict[str, str], proxy: str | None
) -> None:
    assert proxy_of(server, "", environment) == proxy


@pytest.mark.parametrize(
    ("server", "names", "is_direct"),
    [
        (API, "*", True),
        (API, "example.com", True),
        (API, ".example.com", True),
        (API, "*.example.com", True),
        (API, "API.EXAMPLE.COM", True),
        (API, "api.example.com:6443", True),
        (API, "api.example.com:443", False),
        (API, "other.com, example.com", True),
        (API, ".api.example.com", False),
        (API, "ample.com", False),
        (API, "", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://10.1.2.3", "192.168.0.0/16", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]:443", "[fd00::1]:443", True),
        (API, "10.0.0.0/8", False),
    ],
)
def test_a_server_that_no_proxy_names_is_asked_directly(
    server: str, names: str, *, is_direct: bool
) -> None:
    for variable in ("NO_PROXY", "no_proxy"):
        found = proxy_of(server, "", {"HTTPS_PROXY": "http://proxy", variable: names})
        assert (found is None) is is_direct


def test_the_kubeconfigs_proxy_comes_first() -> None:
    environment = {"HTTPS_PROXY": "http://b", "NO_PROXY": "*"}

    assert proxy_of(API, "http://a", environment) == "http://a"
    assert proxy_of("https://127.0.0.1:1", "http://a", environment) == "http://a"


@pytest.mark.parametrize("url", ["ftp://a", "socks5://a:1", "a:3128", "http://"])
def test_a_proxy_of_an_unsupported_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"its proxy-url is .*; a proxy is written http://HOST"):
        proxy_of(API, url, {})


def test_the_refusal_of_an_environments_proxy_names_the_variable() -> None:
    with pytest.raises(ValueError, match=r"\$HTTPS_PROXY is socks5://\.\.\.; a proxy is written"):
        proxy_of(API, "", {"https_proxy": "socks5://user:secret@a"})
