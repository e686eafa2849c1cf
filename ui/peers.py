"""Host names and peers: what counts as this machine, and who counts as one visitor of the network."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a bind address or host name can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def peer_of(address: str) -> str:
    """Who counts as one peer: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(ip, "ipv4_mapped", None)
    if ip.version == 4 or mapped:
        return str(mapped or ip)
    return str(ipaddress.ip_network((ip, 64), strict=False))


def host_name(netloc: str) -> str:
    """The host of "host:port" or "[::1]:port" in lower case; "" where it cannot be read."""
    try:
        return (urlsplit("//" + netloc).hostname or "").lower()
    except ValueError:
        return ""
