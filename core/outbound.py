"""Addresses that others name, and that we go to: never into our own network.

A host is resolved once, each of its addresses is looked at, and the connection goes to one that was looked at: what a name
means a moment later does not matter. What is denied is listed, on the address that is meant in the end (an IPv4 address in the
clothes of an IPv6 one is that IPv4 address): `ipaddress` calls neither Alibaba's metadata service private nor a translated
loopback.
"""

import asyncio
import re
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import httpcore

from core.errors import Refused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_LENGTH_MAX = 2_048
RESOLVING_MAX = 32
PORTS = frozenset({443, 8443})

DENIED = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's metadata
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/128",
            "::1/128",
            "64:ff9b:1::/48",
            "100::/64",
            "2001:db8::/32",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
        ),
    )
)

_TRANSLATED = ip_network("64:ff9b::/96")
_TRANSLATED_HERE = ip_network("64:ff9b:1::/48")
_COMPATIBLE = ip_network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
_HOST = re.compile(r"[0-9A-Za-z_.-]+")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be gone to though it is ours: *names* of hosts, and *networks*; these without TLS and on any port too."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def read(cls, written: str) -> "Allowed":
        """Read names, addresses and networks, divided by commas. Raises `ValueError`."""
        names, networks = set(), []
        for each in filter(None, (part.strip() for part in written.split(","))):
            try:
                networks.append(ip_network(each))
            except ValueError:
                if not _HOST.fullmatch(each):
                    raise ValueError(f"{each} is neither a host nor a network") from None
                names.add(each.lower())
        return cls(frozenset(names), tuple(networks))

    def host(self, host: str) -> bool:
        """Whether *host*, a name or an address, is among them."""
        try:
            return self.address(ip_address(host))
        except ValueError:
            return host.lower() in self.names

    def address(self, address: Address) -> bool:
        """Whether *address* is in one of the networks."""
        return any(address in network for network in self.networks)


def check_url(url: str, allowed: Allowed) -> None:
    """Raise `Refused` for an address that is none to go to: without TLS, with a user, by number, on an unusual port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused("this is no address, or its port is none") from None
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_LENGTH_MAX:
        raise Refused(f"an address is up to {URL_LENGTH_MAX} characters of ASCII without spaces")
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
        raise Refused("an address is https://host/path, without user and fragment")
    if allowed.host(host):
        return
    if parts.scheme != "https":
        raise Refused("the address has to be https")
    if port not in (None, *PORTS):
        raise Refused("the port of an address is 443 or 8443")
    if not _HOST.fullmatch(host) or host.rstrip(".").rpartition(".")[2].isdigit() or _is_number(host):
        raise Refused("an address names its host by name")


def is_denied(address: Address) -> bool:
    """Whether *address* leads, in the end, to where nobody from outside may send us."""
    return any(each in network for each in _meant(address) for network in DENIED)


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects to addresses that are *allowed*, or not denied; raises `httpcore.ConnectError` for all others."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        # Threads of their own, and one for a host at a time: a name server that hangs keeps nothing waiting but its own hosts.
        self._resolving = ThreadPoolExecutor(RESOLVING_MAX, "resolving")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of *host* that answers, if each of them may be gone to."""
        addresses = await self._resolved(host, port)
        if not self._allowed.host(host):
            for each in addresses:
                if is_denied(each) and not self._allowed.address(each):
                    raise httpcore.ConnectError("the host leads into a network that is not to be reached from here")
        failure: httpcore.ConnectError | None = None
        for each in addresses:
            try:
                return await self._inner.connect_tcp(str(each), port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError("the host has no address")

    async def _resolved(self, host: str, port: int) -> list[Address]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        turn = self._turns.setdefault(host, asyncio.Lock())
        try:
            async with turn:
                found = await asyncio.get_running_loop().run_in_executor(self._resolving, ask)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the host cannot be found") from None
        return list(dict.fromkeys(ip_address(str(each[4][0]).partition("%")[0]) for each in found))

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        """Connect to no socket of this machine."""
        raise httpcore.ConnectError("sockets of this machine are not to be reached")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


def _meant(address: Address) -> list[Address]:
    """Return *address*, and the IPv4 addresses that it can stand for."""
    if isinstance(address, IPv4Address):
        return [address]
    meant: list[Address] = [address]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped:
        meant.append(address.ipv4_mapped)
    if address.sixtofour:
        meant.append(address.sixtofour)
    if address.teredo:
        meant.extend(address.teredo)
    if address in _TRANSLATED or address in _TRANSLATED_HERE or address in _COMPATIBLE:
        meant.append(low)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        meant.append(low)
    return meant


def _is_number(host: str) -> bool:
    return re.fullmatch(r"(0[xX][0-9a-fA-F]*|\d+)(\.(0[xX][0-9a-fA-F]*|\d+))*\.?", host) is not None
