"""Which proxy a request to the API server goes through, found as Go's clients find it.

1. The kubeconfig's `proxy-url` comes first, also for a server on this machine.
2. Then `$HTTPS_PROXY` or `$https_proxy`; for an `http:` server `$HTTP_PROXY` or `$http_proxy`. They
   do not count for a server on this machine, and for one that `$NO_PROXY` or `$no_proxy` names.

Pure: the environment is an argument.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from grctl.serving.loopback import is_loopback

PROXY_SCHEMES = frozenset({"http", "https"})
DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_of(server: str, configured: str, environment: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy to a server, or None.

    Args:
        server: URL of the API server.
        configured: The kubeconfig's `proxy-url`; empty if it has none.
        environment: The environment's variables.

    Raises:
        ValueError: the proxy cannot be used; the message says where it was found.

    Example:
        >>> proxy_of("https://api.example.com", "", {"HTTPS_PROXY": "proxy:3128"})
        'http://proxy:3128'
    """
    if configured:
        return _checked(configured, "its proxy-url")
    parts = urlsplit(server)
    variable = f"{parts.scheme}_proxy"
    url = environment.get(variable.upper()) or environment.get(variable) or ""
    no_proxy = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if not url or is_loopback(parts.hostname or "") or _is_excluded(parts, no_proxy):
        return None
    return _checked(url if "://" in url else f"http://{url}", f"${variable.upper()}")


def _checked(url: str, where: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in PROXY_SCHEMES or not parts.hostname:
        shown = f"{parts.scheme}://..." if parts.scheme in {"socks5", "socks5h"} else repr(url)
        raise ValueError(f"{where} is {shown}; a proxy is written http://HOST:PORT or https://...")
    return url


def _is_excluded(server: SplitResult, names: str) -> bool:
    return any(_matches(server, name.strip().lower()) for name in names.split(",") if name.strip())


def _matches(server: SplitResult, name: str) -> bool:
    """Whether an entry of `$NO_PROXY` (all, a network, a host, a domain) matches a server."""
    host = (server.hostname or "").lower()
    if name == "*":
        return True
    if "/" in name:
        return _is_within(host, name)
    named, port = _split_port(name)
    if port and port != str(server.port or DEFAULT_PORTS.get(server.scheme)):
        return False
    if named.startswith("*."):
        named = named[1:]
    if named.startswith("."):
        return host.endswith(named)
    return host == named or host.endswith(f".{named}")


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _split_port(name: str) -> tuple[str, str]:
    if name.startswith("["):  # an IPv6 address with a port
        host, _, port = name[1:].partition("]")
        return host, port.removeprefix(":")
    host, colon, port = name.rpartition(":")
    return (host, port) if colon and ":" not in host else (name, "")
