"""The client's address: the peer's own, unless the peer is a forwarder that we trust."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address nearest to us that no trusted forwarder stands at.

    Walks `X-Forwarded-For` from the right; an entry that is no address ends the walk at
    the hop before it, since whatever is left of it may be made up (authentik
    CVE-2024-47070 skipped its checks there).
    """
    address = _parse(peer)
    if address is None:
        return peer
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    while hops and any(address in network for network in trusted):
        text = hops.pop()
        hop = _parse(text)
        # A zone means something on one machine alone, and may be any text (RFC 4007 section 11.2).
        if hop is None or "%" in text:
            break
        address = hop
    return str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
