"""Whose address a request comes from, behind proxies too, and what of it tells visitors apart. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_address(text: str) -> Address | None:
    """Read an address, with or without brackets, port and zone; None if it is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> Address | None:
    """Return who sent the request: the peer, or, if that is a trusted proxy, whom it names in X-Forwarded-For.

    The header is read from its end as long as trusted proxies have written it: what stands before is anybody's claim.
    """
    address = parse_address(peer)
    for claim in reversed(forwarded_for.split(",")):
        if address is None or not any(address in network for network in trusted):
            break
        claimed = parse_address(claim)
        if claimed is None:
            break
        address = claimed
    return address


def household(address: Address) -> bytes:
    """Return what of an address stays when its owner's devices change theirs: of IPv6 the first 64 bits."""
    return address.packed[:8] if address.version == 6 else address.packed
