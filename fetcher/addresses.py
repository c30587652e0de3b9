"""Which addresses are private: loopback, local networks, and all that is not of the public one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

# What --deny-private refuses (RFC 6890 and its registry), and one metadata service on a public address.
PRIVATE: Final = tuple(
    ip_network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
GLOBAL6: Final = IPv6Network("2000::/3")  # all that is assigned to the public network, but for these:
SPECIAL6: Final = tuple(IPv6Network(block) for block in ("2001::/23", "2001:db8::/32", "3fff::/20"))
NAT64: Final = IPv6Network("64:ff9b::/96")


# What a load test may go to: this machine and local networks (RFC 1122, 1918, 6598, 3927, 4193, 4291).
LOCAL: Final = tuple(
    ip_network(block)
    for block in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
METADATA: Final = frozenset(  # what a cloud tells a machine about itself, and the secrets it gives it
    map(
        ip_address,
        (
            *("169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200"),
            *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
        ),
    )
)


def local(address: str) -> bool:
    """Whether a load test may go there unasked; in doubt not."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip not in METADATA and any(ip.version == block.version and ip in block for block in LOCAL)


def private(address: str) -> bool:
    """Whether --deny-private refuses this address; an IPv4 address inside an IPv6 one is judged itself."""
    ip: IPv4Address | IPv6Address | None = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None)
        if inner is None:
            return ip not in GLOBAL6 or any(ip in block for block in SPECIAL6)
        ip = inner
    return any(ip in block for block in PRIVATE)
