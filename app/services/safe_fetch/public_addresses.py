"""Which IP addresses a URL from outside may lead to."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

# Addresses that hand out a machine's credentials or settings to whoever asks from it: AWS, Google, Azure,
# Oracle, Alibaba, Scaleway, DigitalOcean and others. 168.63.129.16 is Azure's and lies in public space.
_METADATA: frozenset[Address] = frozenset(
    ip_address(text)
    for text in (
        "100.100.100.200",
        "168.63.129.16",
        "169.254.42.42",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "192.0.0.192",
        "fd00:42::42",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)

# The IANA registries of special-purpose addresses, and what stands in a sentence for each. What a person
# may own is private; the rest leads nowhere that a training set could lie.
_PRIVATE: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    (IPv4Network("10.0.0.0/8"), "a private address"),
    (IPv4Network("172.16.0.0/12"), "a private address"),
    (IPv4Network("192.168.0.0/16"), "a private address"),
    (IPv4Network("100.64.0.0/10"), "a private address of a provider's network"),
    (IPv4Network("127.0.0.0/8"), "a loopback address"),
    (IPv6Network("::1/128"), "a loopback address"),
    (IPv6Network("fc00::/7"), "a private address"),
)
_NOWHERE: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "an address of this machine itself"),
    (IPv4Network("169.254.0.0/16"), "a link-local address"),
    (IPv4Network("192.0.0.0/24"), "a reserved address"),
    (IPv4Network("192.0.2.0/24"), "a reserved address"),
    (IPv4Network("192.88.99.0/24"), "a reserved address"),
    (IPv4Network("198.18.0.0/15"), "a reserved address"),
    (IPv4Network("198.51.100.0/24"), "a reserved address"),
    (IPv4Network("203.0.113.0/24"), "a reserved address"),
    (IPv4Network("224.0.0.0/4"), "a multicast address"),
    (IPv4Network("240.0.0.0/4"), "a reserved address"),
    (IPv6Network("::/128"), "an address of this machine itself"),
    (IPv6Network("fe80::/10"), "a link-local address"),
    (IPv6Network("ff00::/8"), "a multicast address"),
    (IPv6Network("2001::/23"), "a reserved address"),
    (IPv6Network("2001:db8::/32"), "a reserved address"),
    (IPv6Network("2002::/16"), "an address inside a 6to4 tunnel"),
    (IPv6Network("3fff::/20"), "a reserved address"),
)
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP_MARKS = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


def literal_address(host: str) -> Address | None:
    """The address that `host` spells out, in any form that resolvers accept, or None for a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` all mean 127.0.0.1 to the C library.
    """
    text = host.rstrip(".")
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def why_refused(address: Address, *, allow_private: bool = False) -> str | None:
    """What is wrong with connecting to `address`, as the end of a sentence; None if nothing is.

    `allow_private` lets private and loopback addresses through. Link-local, metadata, multicast and
    reserved addresses are refused always, also where they are wrapped in an IPv6 address.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return "a link-local address"
        if IPv4Address(address.packed[12:]) in _METADATA:
            # An operator may choose any NAT64 prefix, so this wrapping is looked for everywhere.
            return "a cloud metadata address"
        for wrapped in _wrapped(address):
            if reason := why_refused(wrapped, allow_private=allow_private):
                return reason
    if address in _METADATA:
        return "a cloud metadata address"
    for network, reason in _NOWHERE:
        if address in network:
            return reason
    for network, reason in _PRIVATE:
        if address in network:
            return None if allow_private else reason
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST_V6 and not any(_wrapped(address)):
        return "a reserved address"
    return None


def _wrapped(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 address that connecting to `address` would end at, where it is only a wrapping of one."""
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address in _NAT64 or address.packed[8:12] in _ISATAP_MARKS:
        yield IPv4Address(address.packed[12:])
