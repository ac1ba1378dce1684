"""Recognise the loopback: the hosts by which a machine reaches itself only."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Return whether a host, a name or an address, is the loopback of this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
