"""Fetching a photo's URL without reaching where it should not (server-side request forgery).

Every address that the name resolves to must be public; the connection goes to the address that was checked, so that
a name which resolves differently a moment later changes nothing. Redirects are checked like the first URL.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

import httpcore

from screening.errors import UrlFailed, UrlRefused

from .body import plain_name

MAX_REDIRECTS = 3
MAX_URL = 8192
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"https": 443, "http": 80}
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
Connect = Callable[[str, int, float | None], Awaitable[httpcore.AsyncNetworkStream]]

# Special-purpose ranges that some of the supported Pythons call global.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(n)
    for n in (
        "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b:1::/48", "100::/64", "2001::/23",
        "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
    )
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether a numeric address may be connected to: global, not multicast, also what it embeds."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return False
        inner = _embedded(ip)
        if inner is not None:
            ip = inner
    special = any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not special


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside a mapped, compatible, 6to4 or NAT64 one. (Teredo is refused whole, with 2001::/23.)"""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip in _NAT64 or int(ip) >> 32 == 0:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched file and the last part of its URL's path."""

    data: bytes
    name: str


async def resolve_system(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def connect_system(address: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
    return await httpcore.AnyIOBackend().connect_tcp(address, port, timeout)


class _Guarded(httpcore.AsyncNetworkBackend):
    """Resolves, checks every address, and connects to the first of those checked that answers."""

    def __init__(self, resolve: Resolve, connect: Connect) -> None:
        self._resolve, self._connect = resolve, connect

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise UrlFailed(f"The address's host {host[:100]!r} cannot be found.") from error
        if not addresses:
            raise UrlFailed(f"The address's host {host[:100]!r} cannot be found.")
        if not all(is_public(a) for a in addresses):
            raise UrlRefused(f"The address's host {host[:100]!r} is not on the public internet.")
        for address in addresses[:-1]:
            # A host may announce an address of a kind that this network has no way to.
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._connect(address, port, timeout)
        return await self._connect(addresses[-1], port, timeout)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Fetcher:
    """Fetches photos' URLs. `resolve` and `connect` are there for tests to stand in for the network."""

    def __init__(
        self,
        *,
        allow_http: bool,
        max_bytes: int,
        seconds: float,
        resolve: Resolve = resolve_system,
        connect: Connect = connect_system,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_http, self._max_bytes, self._seconds = allow_http, max_bytes, seconds
        self._backend = _Guarded(resolve, connect)
        self._context = context or ssl.create_default_context()

    def check(self, url: str) -> str:
        """The URL, if its form is one that may be fetched. Raises UrlRefused."""
        if len(url) > MAX_URL or not url.isprintable() or any(c in url for c in ' \\"<>'):
            raise UrlRefused("The photo's address is not a well-formed URL.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise UrlRefused("The photo's address is not a well-formed URL.") from error
        schemes = ("https", "http") if self._allow_http else ("https",)
        if parts.scheme not in schemes:
            raise UrlRefused(
                f"The photo's address must start with {' or '.join(s + '://' for s in schemes)}."
            )
        if not parts.hostname:
            raise UrlRefused("The photo's address names no host.")
        if parts.username is not None or parts.password is not None:
            raise UrlRefused("The photo's address must not carry a user name or password.")
        if port not in (None, _PORTS[parts.scheme]):
            raise UrlRefused(f"The photo's address must use port {_PORTS[parts.scheme]}.")
        return url

    async def fetch(self, url: str) -> Fetched:
        """The file at the URL. Raises UrlRefused, UrlFailed."""
        try:
            async with asyncio.timeout(self._seconds):
                for _ in range(MAX_REDIRECTS + 1):
                    found, data = await self._get(self.check(url))
                    if data is not None:
                        return Fetched(data, plain_name(unquote(urlsplit(url).path)))
                    url = urljoin(url, found)
        except TimeoutError as error:
            raise UrlFailed(
                f"The photo's address did not answer within {self._seconds:g} seconds."
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise UrlFailed("The photo's address could not be fetched: the connection failed.") from error
        raise UrlRefused(f"The photo's address redirects more than {MAX_REDIRECTS} times.")

    async def _get(self, url: str) -> tuple[str, bytes | None]:
        """Where a redirect leads, or the body."""
        headers: Mapping[bytes | str, bytes | str] = {
            "Host": urlsplit(url).netloc,
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "User-Agent": "screening",
        }
        try:
            ascii_url = httpcore.URL(url.split("#")[0].encode("ascii"))
        except UnicodeEncodeError as error:
            raise UrlRefused("The photo's address must be percent-encoded ASCII.") from error
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._context, network_backend=self._backend) as pool,
            pool.stream("GET", ascii_url, headers=headers) as answer,
        ):
            named = {k.lower(): v.decode("latin-1") for k, v in answer.headers}
            if answer.status in _REDIRECTS and b"location" in named:
                return named[b"location"], None
            if answer.status != 200:
                raise UrlFailed(
                    f"The photo's address answered {answer.status}, so nobody else can fetch it either."
                )
            if named.get(b"content-encoding", "identity").lower() != "identity":
                raise UrlFailed("The photo's address answers compressed, which images need not be.")
            length = named.get(b"content-length", "0")
            if length.isdigit() and int(length) > self._max_bytes:
                raise self._too_large()
            parts, total = [], 0
            async for chunk in answer.aiter_stream():
                total += len(chunk)
                if total > self._max_bytes:
                    raise self._too_large()
                parts.append(chunk)
            return "", b"".join(parts)

    def _too_large(self) -> UrlFailed:
        return UrlFailed(
            f"The file at the photo's address is larger than the {self._max_bytes:,} bytes allowed."
        )
