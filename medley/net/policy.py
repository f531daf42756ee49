"""Which URLs and which addresses may be asked on a stranger's word.

A name says nothing: what counts is the address that it has at the moment of connecting
(`medley.net.pinned`). Everything that is not plainly out in the internet is refused, unless an
operator has listed its network.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import ClassVar, Self
from urllib.parse import unquote

import httpx2

from medley.errors import CallerError
from medley.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_URL = 2048  #: characters
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: Where IPv6 addresses of the internet lie. Mapped, translated (NAT64) and site-local ones do not.
_UNICAST = ip_network("2000::/3")
#: What `is_global` lets pass, and still is no address of a stranger's server.
_NEVER = tuple(
    ip_network(name)
    for name in (
        "192.0.0.0/24",  # protocol assignments; one provider's metadata service
        "192.88.99.0/24",  # relays to 6to4
        "168.63.129.16/32",  # one provider's machine agent
        "2001::/23",  # Teredo and other tunnels
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


class UrlRefused(CallerError):
    """This URL is not asked: its form, its port or its address is not allowed."""

    code: ClassVar[str] = "url_refused"
    status: ClassVar[int] = 422


class UrlFailed(CallerError):
    """The URL was asked, and nothing usable came of it."""

    code: ClassVar[str] = "url_failed"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is allowed. `networks` are open beside the internet; no `ports` means any port.

    `plain`: http:// is asked wherever it leads; otherwise only inside `networks`.
    """

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset(_DEFAULT_PORTS.values())
    plain: bool = True

    @classmethod
    def of(cls, settings: Settings, *, plain: bool = True) -> Self:
        """The operator's policy."""
        return cls(
            networks=tuple(settings.url_networks), ports=frozenset(settings.url_ports), plain=plain
        )

    def check_url(self, text: str) -> httpx2.URL:
        """The URL, if its form is allowed. Raises `UrlRefused`.

        An address in it is checked at once; a name only when it is asked.
        """
        if not 1 <= len(text) <= MAX_URL:
            raise UrlRefused(f"A URL has 1 to {MAX_URL} characters.")
        if not text.isprintable() or any(sign.isspace() or sign == "\\" for sign in text):
            raise UrlRefused("A URL has no spaces, control characters or backslashes.")
        try:
            url = httpx2.URL(text)
            text.encode()
        except (httpx2.InvalidURL, UnicodeError, ValueError):
            raise UrlRefused("This is no URL.") from None
        if url.scheme not in _DEFAULT_PORTS:
            raise UrlRefused("The URL must begin with https:// or http://.")
        if url.userinfo:
            raise UrlRefused("A URL with a user name or password in it is not asked.")
        if not url.host or unquote(url.host) != url.host:
            raise UrlRefused("The URL names no host.")
        if self.ports and port_of(url) not in self.ports:
            allowed = ", ".join(str(port) for port in sorted(self.ports))
            raise UrlRefused(f"Port {port_of(url)} is not allowed; allowed: {allowed}.")
        if url.scheme == "http" and not self.plain and not self.networks:
            raise UrlRefused("The URL must begin with https://.")
        if (address := _literal(url.host)) is not None:
            self.check_addresses([address], plain=url.scheme == "http")
        return url

    def check_addresses(self, found: Collection[Address], *, plain: bool) -> list[Address]:
        """Those of the addresses that may be asked, in order. Raises `UrlRefused` if none may.

        The message names no address: it would tell a stranger what a name means in here.
        """
        allowed = [address for address in found if self._listed(address) or is_outside(address)]
        if not allowed:
            raise UrlRefused("The URL leads to an address that is not asked from here.")
        if plain and not self.plain:
            allowed = [address for address in allowed if self._listed(address)]
            if not allowed:
                raise UrlRefused("The URL must begin with https://.")
        return allowed

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


def is_outside(address: Address) -> bool:
    """Whether this is an ordinary address of the internet.

    False for private, loopback, link-local, shared (CGNAT), multicast, reserved and unspecified
    ones, for metadata services, and for IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64,
    Teredo).
    """
    if any(address in network for network in _NEVER):
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def port_of(url: httpx2.URL) -> int:
    """The port that the URL means."""
    return url.port if url.port is not None else _DEFAULT_PORTS[url.scheme]


def _literal(host: str) -> Address | None:
    try:
        return ip_address(unquote(host))
    except ValueError:
        return None
