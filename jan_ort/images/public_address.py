"""Which addresses a server may be sent to by a stranger: none of its own machine, network or cloud."""

from __future__ import annotations

import ipaddress
import socket

from jan_ort.images.image_errors import ImageError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def public_address(host: str, port: int) -> str:
    """Return an address of ``host`` to connect to. Raises: ImageError unless there are some, all of them public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ImageError(f"its host {host!r} has no address: {error}") from error
    addresses = [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]
    for address in addresses:
        if not is_public(ipaddress.ip_address(address)):
            raise ImageError(f"its host {host!r} is at {address}, which is not a public address")
    return addresses[0]


def is_public(address: Address) -> bool:
    """Say whether anybody may be sent to an address; one inside of another address counts, too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(each) for each in inner if each is not None):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
