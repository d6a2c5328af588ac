"""Fetching URLs: every refusal, on loopback servers and a resolver that stands in for the network's."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
import pytest
import trustme

from api.fetch import Fetched, Fetcher, connect_system, is_public
from screening.errors import UrlError, UrlFailed, UrlRefused

from .conftest import PASS, Start

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.254 127.0.0.1 127.9.9.9
    169.254.169.254 172.16.0.1 192.0.0.8 192.0.2.1
    192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.7 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
    64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1
    2002:7f00:1:: 2002:a00:1:: 2002:c0a8:101:: 2001:0:1::1 2001:db8::1 fc00::1 fd12::1 fe80::1 fe80::1%eth0 fec0::1
    ff02::1 ff0e::1 100::1 3fff::1 5f00::1 not-an-address 2130706433 0x7f.1""".split(),
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


class Web:
    """A web server on loopback, and a resolver and connector that pretend it is `PUBLIC`."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []
        self.resolved: list[str] = []
        self.names: dict[str, list[list[str]]] = {}
        self.hold = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append(self.headers["Host"] + self.path)
                path = self.path.split("?")[0]
                if path == "/hangs":
                    web.hold.wait(20)
                status, headers, body = web.answers.get(path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        answers = self.names.get(host, [[PUBLIC]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, address: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
        self.connected.append((address, port))
        assert address == PUBLIC, "only the checked address may be connected to"
        return await connect_system("127.0.0.1", self.server.server_port, timeout)

    def fetcher(self, max_bytes: int = 10_000, seconds: float = 10, allow_http: bool = True) -> Fetcher:
        return Fetcher(
            allow_http=allow_http,
            max_bytes=max_bytes,
            seconds=seconds,
            resolve=self.resolve,
            connect=self.connect,
        )

    def fetch(self, url: str, **options: float) -> Fetched:
        return asyncio.run(self.fetcher(**options).fetch(url))  # type: ignore[arg-type]


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    found.answers["/photo.jpg"] = (200, {"Content-Type": "image/jpeg"}, PASS)
    yield found
    found.hold.set()
    found.server.shutdown()
    found.server.server_close()


def refused(act: Callable[[], object], kind: type[UrlError], words: str) -> None:
    with pytest.raises(kind, match=words):
        act()


def test_fetches(web: Web) -> None:
    assert web.fetch("http://photos.example/photo.jpg?sig=a%20b#x") == Fetched(PASS, "photo.jpg")
    assert web.asked == ["photos.example/photo.jpg?sig=a%20b"]
    assert web.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://a.example/x", "must start with"),
        ("file:///etc/passwd", "must start with"),
        ("//a.example/x", "must start with"),
        ("https:///x", "no host"),
        ("https://user@a.example/x", "user name"),
        ("https://user:secret@a.example/x", "user name"),
        ("https://a.example:22/x", "port 443"),
        ("http://a.example:443/x", "port 80"),
        ("https://a.example:99999/x", "well-formed"),
        ("https://a.example/a b", "well-formed"),
        ("https://a.example/\nHost: b", "well-formed"),
        ("https://a.example\\@b.example/", "well-formed"),
        ("https://bücher.example/x", "ASCII"),
        ("https://a.example/" + "x" * 9000, "well-formed"),
        ("http://[::1/x", "well-formed"),
    ],
)
def test_forms_of_url_that_are_refused(web: Web, url: str, words: str) -> None:
    refused(lambda: web.fetch(url), UrlRefused, words)
    assert web.connected == []


def test_http_only_where_allowed(web: Web) -> None:
    refused(lambda: web.fetch("http://a.example/photo.jpg", allow_http=False), UrlRefused, "https://")


@pytest.mark.parametrize(
    "private", ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "100.64.0.1", "ff02::1"]
)
def test_every_address_of_a_name_must_be_public(web: Web, private: str) -> None:
    web.names["mixed.example"] = [[PUBLIC, private]]
    refused(lambda: web.fetch("http://mixed.example/photo.jpg"), UrlRefused, "not on the public internet")
    assert web.connected == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:7f00:1]", "0x7f.1", "2130706433", "localhost"]
)
def test_addresses_as_hosts_with_the_systems_resolver(web: Web, host: str) -> None:
    fetcher = Fetcher(allow_http=True, max_bytes=100, seconds=5, connect=web.connect)
    with pytest.raises(UrlError):
        asyncio.run(fetcher.fetch(f"http://{host}/photo.jpg"))
    assert web.connected == []


def test_no_rebinding(web: Web) -> None:
    """A name that is public when checked and private a moment later: it is resolved once, that address is used."""
    web.names["turns.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert web.fetch("http://turns.example/photo.jpg").data == PASS
    assert web.resolved == ["turns.example"]
    assert web.connected == [(PUBLIC, 80)]


def test_redirects_are_followed_and_checked(web: Web) -> None:
    web.answers["/1"] = (302, {"Location": "/2"}, b"")
    web.answers["/2"] = (307, {"Location": "http://other.example/3"}, b"")
    web.answers["/3"] = (301, {"Location": "photo.jpg"}, b"")
    assert web.fetch("http://a.example/1").data == PASS
    assert web.resolved == ["a.example", "a.example", "other.example", "other.example"]
    web.answers["/0"] = (302, {"Location": "/1"}, b"")
    refused(lambda: web.fetch("http://a.example/0"), UrlRefused, "more than 3")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://inside.example/photo.jpg", "public internet"),
        ("http://127.0.0.1/photo.jpg", "public internet"),
        ("file:///etc/passwd", "must start with"),
        ("http://u:p@a.example/photo.jpg", "user name"),
        ("http://a.example:8080/photo.jpg", "port 80"),
    ],
)
def test_redirects_to_where_a_url_may_not_lead(web: Web, location: str, words: str) -> None:
    web.names |= {"inside.example": [["10.0.0.5"]], "127.0.0.1": [["127.0.0.1"]]}
    web.answers["/1"] = (302, {"Location": location}, b"")
    refused(lambda: web.fetch("http://a.example/1"), UrlRefused, words)
    assert len(web.connected) == 1


def test_size_is_limited_announced_or_not(web: Web) -> None:
    web.answers["/announced"] = (200, {"Content-Length": "100000"}, b"x" * 100)
    web.answers["/not"] = (200, {}, b"x" * 100_000)
    refused(lambda: web.fetch("http://a.example/announced"), UrlFailed, "larger than the 10,000")
    refused(lambda: web.fetch("http://a.example/not"), UrlFailed, "larger than the 10,000")


def test_time_is_limited(web: Web) -> None:
    refused(lambda: web.fetch("http://a.example/hangs", seconds=0.1), UrlFailed, "within 0.1 seconds")


def test_failures_are_told_apart(web: Web) -> None:
    refused(lambda: web.fetch("http://a.example/none"), UrlFailed, "answered 404")
    web.answers["/z"] = (200, {"Content-Encoding": "gzip"}, b"x")
    refused(lambda: web.fetch("http://a.example/z"), UrlFailed, "compressed")

    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    lost = Fetcher(allow_http=True, max_bytes=9, seconds=5, resolve=nowhere)
    refused(lambda: asyncio.run(lost.fetch("http://gone.example/")), UrlFailed, "cannot be found")

    async def broken(address: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("refused")

    dead = Fetcher(allow_http=True, max_bytes=9, seconds=5, resolve=web.resolve, connect=broken)
    refused(lambda: asyncio.run(dead.fetch("http://a.example/")), UrlFailed, "connection failed")


def test_an_address_that_nothing_leads_to_is_passed_over(web: Web) -> None:
    """Such as one of IPv6 where the network has none; every one of them was checked before."""
    web.names["two.example"] = [["2606:4700::1111", PUBLIC]]

    async def connect(address: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
        if ":" in address:
            raise httpcore.ConnectError("no route")
        return await web.connect(address, port, timeout)

    fetcher = Fetcher(allow_http=True, max_bytes=10_000, seconds=5, resolve=web.resolve, connect=connect)
    assert asyncio.run(fetcher.fetch("http://two.example/photo.jpg")).data == PASS
    assert web.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize(("name", "trusted"), [("a.example", True), ("b.example", False)])
def test_over_https_the_certificate_is_held_against_the_name(web: Web, name: str, trusted: bool) -> None:
    """The connection goes to an address, but the certificate must be for the name that the URL has."""
    authority, server, client = (
        trustme.CA(),
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(),
    )
    authority.issue_cert(name).configure_cert(server)
    authority.configure_trust(client)
    web.server.socket = server.wrap_socket(web.server.socket, server_side=True)
    fetcher = Fetcher(
        allow_http=False,
        max_bytes=10_000,
        seconds=5,
        resolve=web.resolve,
        connect=web.connect,
        context=client,
    )
    if trusted:
        assert asyncio.run(fetcher.fetch("https://a.example/photo.jpg")).data == PASS
    else:
        refused(
            lambda: asyncio.run(fetcher.fetch("https://a.example/photo.jpg")), UrlFailed, "connection failed"
        )
        assert web.asked == []


def test_nothing_is_fetched_in_the_clear_where_https_fails(web: Web) -> None:
    refused(lambda: web.fetch("https://a.example/photo.jpg"), UrlFailed, "connection failed")
    assert web.connected == [(PUBLIC, 443)]
    assert web.asked == []


def test_image_url_through_the_service(start: Start, web: Web) -> None:
    service = start(fetcher=web.fetcher(), fetch=True)
    answer = service.client.post("/v1/screen", json={"image_url": "http://photos.example/photo.jpg"})
    assert answer.json()["verdict"] == "pass"
    assert answer.json()["image"]["name"] == "photo.jpg"
    web.names["inside.example"] = [["10.0.0.5"]]
    answer = service.client.post("/v1/screen", json={"image_url": "http://inside.example/photo.jpg"})
    assert answer.status_code == 422
    assert answer.json()["code"] == "url_refused"
