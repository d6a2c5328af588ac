"""The gate, against an upstream on loopback that counts what reaches it."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.fetch import Fetched, Fetcher
from api.gate import plain_path
from api.gate_check import expiry, expiry_warning
from api.gate_store import Answer, Store, call_id
from screening.errors import UrlFailed

from .conftest import FAIL, GARBAGE, PASS, UNSURE, Running, Start, until

KEY = {"x-api-key": "callers-key"}
PHOTOS = {
    "good.jpg": PASS,
    "bad.jpg": FAIL,
    "unsure.jpg": UNSURE,
    "garbage.jpg": GARBAGE,
    "slow.jpg": b"\xff\xd8 slow good",
}


class Photos(Fetcher):
    """In place of the web: https://p.example/NAME gives a photo, other names answer 404."""

    def __init__(self) -> None:
        super().__init__(allow_http=False, max_bytes=1000, seconds=5)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> Fetched:
        self.check(url)
        self.fetched.append(url)
        name = url.split("?")[0].rsplit("/", 1)[-1]
        if name not in PHOTOS:
            raise UrlFailed("The photo's address answered 404.")
        return Fetched(PHOTOS[name], name)


class Vendor:
    """The upstream. `how` is what it does with the next requests."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, str], bytes]] = []
        self.how = "accepts"
        self.hold = threading.Event()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("transfer-encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                headers = {k.lower(): v for k, v in self.headers.items()}
                vendor.calls.append((self.command, self.path, headers, body))
                if vendor.how == "trickles":
                    self.send_response(200)
                    self.end_headers()
                    while not vendor.hold.wait(0.02):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            return
                if vendor.how == "hangs":
                    vendor.hold.wait(20)
                if vendor.how in ("hangs", "drops"):
                    self.close_connection = True
                    return
                status = {"accepts": 200, "moved": 307, "refuses": 402, "breaks": 500}[vendor.how]
                out = gzip.compress(
                    json.dumps({"replica_id": f"r{len(vendor.calls)}", "status": "started"}).encode()
                )
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Encoding", "gzip")
                self.send_header("X-Vendor", "yes")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out if self.command != "HEAD" else b"")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    found = Vendor()
    yield found
    found.close()


@pytest.fixture
def gate(start: Start, vendor: Vendor, tmp_path: Path) -> Running:
    return start(
        fetcher=Photos(),
        gate_upstream=vendor.base,
        gate_fetch=True,
        gate_db=tmp_path / "gate.sqlite3",
        gate_limit=5,
    )


def wanted(photo: str = "good.jpg", **more: Any) -> dict[str, Any]:
    body = {
        "train_image_url": f"https://p.example/{photo}",
        "voice_name": "anna",
        "replica_name": "me",
    } | more
    return {k: v for k, v in body.items() if v is not None}


def create(gate: Running, body: Any, path: str = "/v2/replicas", **headers: str) -> httpx.Response:
    return gate.client.post(path, json=body, headers=KEY | headers)


@pytest.mark.parametrize("path", ["/v2/replicas", "/v2/faces"])
def test_what_passes_is_forwarded_and_the_answer_comes_back_unchanged(
    gate: Running, vendor: Vendor, path: str
) -> None:
    raw = b'{"voice_name":"anna",  "train_image_url":"https://p.example/good.jpg", "extra": [1.50]}'
    headers = KEY | {"content-type": "application/json", "x-other": "kept"}
    with gate.client.stream("POST", path, content=raw, headers=headers) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.status_code == 200
    assert json.loads(gzip.decompress(body)) == {"replica_id": "r1", "status": "started"}
    assert answer.headers["x-vendor"] == "yes"
    assert "likeness" in answer.headers["screening-notice"]
    [(method, where, sent, content)] = vendor.calls
    assert (method, where, content) == ("POST", path, raw)
    assert sent["x-api-key"] == "callers-key"
    assert sent["x-other"] == "kept"
    assert sent["host"] == vendor.base.removeprefix("http://")


FAILING = {
    "photo fails": wanted("bad.jpg"),
    "photo unsure": wanted("unsure.jpg"),
    "no photo": wanted("garbage.jpg"),
    "not reachable": wanted("gone.jpg"),
    "http": wanted(train_image_url="http://p.example/good.jpg"),
    "no url": wanted(train_image_url=""),
    "url is no text": wanted(train_image_url=["https://p.example/good.jpg"]),
    "no voice": wanted(voice_name=None),
    "voice is no slug": wanted(voice_name="Anna Smith"),
    "voice is no text": wanted(voice_name=7),
    "voice ends oddly": wanted(voice_name="anna\n"),
    "two voices": wanted(default_voice_id="v1"),
    "video too": wanted(train_video_url="https://p.example/v.mp4"),
}


@pytest.mark.parametrize("path", ["/v2/replicas", "/v2/faces"])
def test_no_failing_call_ever_reaches_the_upstream(gate: Running, vendor: Vendor, path: str) -> None:
    for why, body in FAILING.items():
        answer = create(gate, body, path)
        assert answer.status_code == 422, why
        told = answer.json()
        assert told["passed"] is False, why
        assert told["problems"], why
        assert told["error"], why
        assert "affirms" in told["notice"], why
    assert vendor.calls == []


def test_the_refusal_carries_the_report(gate: Running, vendor: Vendor) -> None:
    told = create(gate, wanted("bad.jpg")).json()
    assert told["report"]["verdict"] == "fail"
    assert told["problems"] == [
        {"code": "photo_refused", "message": "The photo does not pass: You wear glasses. Take them off."}
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"train_image_url": "https://p.example/good.jpg", "train_image_url": "https://p.example/bad.jpg",'
        b' "voice_name": "anna"}',
        b'{"a": {"b": 1, "b": 2}}',
        b"[" * 5000,
    ],
)
def test_bodies_that_two_readers_could_take_differently(gate: Running, vendor: Vendor, raw: bytes) -> None:
    answer = gate.client.post("/v2/replicas", content=raw, headers=KEY | {"content-type": "application/json"})
    assert answer.status_code == 400
    assert vendor.calls == []


@pytest.mark.parametrize(
    "path",
    [
        "/v2/replicas/", "/v2//replicas", "/v2/./replicas", "/v2/x/../replicas", "/v2/x/%2e%2e/replicas",
        "/v2/%72eplicas", "/v2/Replicas", "/v2/replicas%2f", "/v2/replicas;a", "/v2/%2572eplicas",
        "/v2/x%2f..%2freplicas", "/v2/\\replicas",
    ],
)  # fmt: skip
def test_other_spellings_of_the_path_are_gated_too(gate: Running, vendor: Vendor, path: str) -> None:
    connection = http.client.HTTPConnection(gate.base.removeprefix("http://"), timeout=10)
    body = json.dumps(wanted("bad.jpg")).encode()
    connection.request("POST", path, body, KEY | {"Content-Type": "application/json"})
    assert connection.getresponse().status in (404, 422)
    connection.close()
    assert vendor.calls == []


def test_other_ways_around(gate: Running, vendor: Vendor) -> None:
    bad = json.dumps(wanted("bad.jpg")).encode()
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ):
        assert gate.client.post("/v2/replicas", content=bad, headers=KEY | headers).status_code == 415
    assert gate.client.post("/v2/replicas", json=wanted()).status_code == 401
    assert gate.client.post("/v2/replicas", content=b" " * 2_000_000 + bad, headers=KEY).status_code in (
        413,
        415,
    )
    assert vendor.calls == []
    gate.client.put("/v2/other", content=bad, headers=KEY | {"x-http-method-override": "POST"})
    assert "x-http-method-override" not in vendor.calls[0][2]


def test_plain_path() -> None:
    assert plain_path("/V2//x/%252e%252e/Replicas/;v=1") == "/v2/replicas"
    assert plain_path("/v2/replicas/r1") == "/v2/replicas/r1"


def test_video_and_other_requests_go_through_untouched(gate: Running, vendor: Vendor) -> None:
    video = {"train_video_url": "https://p.example/v.mp4", "callback_url": ""}
    assert create(gate, video).json()["status"] == "started"
    # Without a key, too: it is the upstream's to miss.
    assert gate.client.post("/v2/faces", json=video).status_code == 200
    assert gate.client.get("/v2/replicas/r1?verbose=true", headers=KEY).headers["x-vendor"] == "yes"
    assert gate.client.delete("/v2/replicas/r1", headers=KEY).status_code == 200
    assert gate.client.patch("/v2/replicas/r1/name", content=b"{}", headers=KEY).status_code == 200
    assert gate.client.post("/v2/conversations", content=iter([b"a", b"b"]), headers=KEY).status_code == 200
    assert [c[:2] for c in vendor.calls] == [
        ("POST", "/v2/replicas"),
        ("POST", "/v2/faces"),
        ("GET", "/v2/replicas/r1?verbose=true"),
        ("DELETE", "/v2/replicas/r1"),
        ("PATCH", "/v2/replicas/r1/name"),
        ("POST", "/v2/conversations"),
    ]
    assert json.loads(vendor.calls[0][3]) == video
    assert vendor.calls[5][3] == b"ab"


@pytest.mark.parametrize("path", ["/v2/replicas", "/v2/conversations"])
def test_no_header_is_added_or_lost(gate: Running, vendor: Vendor, path: str) -> None:
    """A caller that does not take gzip must not get it because of what stands between."""
    connection = http.client.HTTPConnection(gate.base.removeprefix("http://"), timeout=10)
    sent = {"content-type": "application/json", "content-length": "0", "x-api-key": "k", "x-two": "a, b"}
    body = json.dumps(wanted()).encode()
    sent["content-length"] = str(len(body))
    connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": "here.example", "Connection": "x-hop", "x-hop": "1", **sent}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    assert connection.getresponse().status == 200
    connection.close()
    assert vendor.calls[0][2] == sent | {"host": vendor.base.removeprefix("http://")}
    assert vendor.calls[0][3] == body


def test_validation_is_answered_here(gate: Running, vendor: Vendor) -> None:
    body = {"imageBase64": "/9ggZ29vZA==", "mimeType": "image/jpeg"}
    assert gate.client.post("/v2/faces/image-validation", json=body, headers=KEY).json()["passed"] is True
    assert vendor.calls == []


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}])
def test_a_retry_is_not_paid_for_twice(gate: Running, vendor: Vendor, headers: dict[str, str]) -> None:
    first = create(gate, wanted(), **headers)
    again = create(gate, wanted(), **headers)
    assert len(vendor.calls) == 1
    assert again.status_code == first.status_code == 200
    assert again.json() == first.json() == {"replica_id": "r1", "status": "started"}
    assert "not sent again" in again.headers["screening-repeated"]
    assert "screening-repeated" not in first.headers


def test_what_makes_calls_different(gate: Running, vendor: Vendor) -> None:
    create(gate, wanted())
    reordered = dict(reversed(wanted().items()))
    create(gate, reordered)
    assert len(vendor.calls) == 1
    create(gate, wanted(replica_name="another"))
    create(gate, wanted(), **{"x-api-key": "another-caller"})
    create(gate, wanted(), path="/v2/faces")
    create(gate, wanted(), **{"Idempotency-Key": "new"})
    assert len(vendor.calls) == 5
    clash = create(gate, wanted(replica_name="third"), **{"Idempotency-Key": "new"})
    assert clash.status_code == 422
    assert clash.json()["code"] == "idempotency_key_reused"
    assert len(vendor.calls) == 5


def test_simultaneous_retries_are_sent_once(gate: Running, vendor: Vendor) -> None:
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: create(gate, wanted()), range(8)))
    assert len(vendor.calls) == 1
    assert {a.status_code for a in answers} <= {200, 409}
    assert any(a.status_code == 200 for a in answers)


def test_two_services_share_the_memory(start: Start, gate: Running, vendor: Vendor, tmp_path: Path) -> None:
    other = start(
        fetcher=Photos(), gate_upstream=vendor.base, gate_fetch=True, gate_db=tmp_path / "gate.sqlite3"
    )
    create(gate, wanted())
    assert create(other, wanted()).json() == {"replica_id": "r1", "status": "started"}
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(("how", "status"), [("refuses", 402), ("moved", 307)])
def test_a_call_that_the_upstream_refuses_may_be_made_again(
    gate: Running, vendor: Vendor, how: str, status: int
) -> None:
    vendor.how = how
    assert create(gate, wanted()).status_code == status
    vendor.how = "accepts"
    assert create(gate, wanted()).status_code == 200
    assert len(vendor.calls) == 2


def test_a_dead_upstream_is_said_and_may_be_tried_again(start: Start, tmp_path: Path) -> None:
    vendor = Vendor()
    vendor.close()
    settings = {"gate_upstream": vendor.base, "gate_fetch": True, "gate_db": tmp_path / "g"}
    gate = start(fetcher=Photos(), **settings)
    for _ in range(2):
        answer = create(gate, wanted())
        assert answer.status_code == 502
        assert answer.json()["code"] == "upstream_unreachable"
        assert "was not sent" in answer.json()["error"]
    assert gate.client.get("/v2/replicas", headers=KEY).status_code == 502


@pytest.mark.parametrize("how", ["hangs", "trickles"])
def test_a_slow_upstream(start: Start, vendor: Vendor, tmp_path: Path, how: str) -> None:
    vendor.how = how
    settings = {
        "gate_upstream": vendor.base,
        "gate_fetch": True,
        "gate_db": tmp_path / "g",
        "gate_limit": 1,
    }
    gate = start(fetcher=Photos(), **settings)
    answer = create(gate, wanted())
    assert answer.status_code == 504
    assert "may have been carried out" in answer.json()["error"]
    vendor.hold.set()
    vendor.how = "accepts"
    unknown(gate, vendor)


@pytest.mark.parametrize(("how", "status"), [("drops", 502), ("breaks", 500)])
def test_a_lost_answer_is_said_and_not_guessed(gate: Running, vendor: Vendor, how: str, status: int) -> None:
    vendor.how = how
    answer = create(gate, wanted())
    assert answer.status_code == status
    if how == "breaks":
        assert answer.headers["screening-upstream"] == "answered 500"
        assert answer.json()["status"] == "started"
    vendor.how = "accepts"
    unknown(gate, vendor)


def unknown(gate: Running, vendor: Vendor) -> None:
    """A retry of a call whose fate is open is not sent; with a new key it is."""
    before = len(vendor.calls)
    again = create(gate, wanted())
    assert again.status_code == 409
    assert again.json()["code"] == "call_outcome_unknown"
    assert "new Idempotency-Key" in again.json()["error"]
    assert len(vendor.calls) == before
    assert create(gate, wanted(), **{"Idempotency-Key": "again"}).status_code == 200
    assert len(vendor.calls) == before + 1


def test_the_answer_is_kept_when_the_caller_goes_away(gate: Running, vendor: Vendor) -> None:
    vendor.how = "hangs"
    with pytest.raises(httpx.ReadTimeout):
        gate.client.post("/v2/replicas", json=wanted(), headers=KEY, timeout=0.3)
    until(lambda: len(vendor.calls) == 1)
    answer = create(gate, wanted())
    assert answer.status_code == 409
    assert answer.json()["code"] == "call_in_progress"
    vendor.hold.set()
    until(lambda: create(gate, wanted()).json()["code"] == "call_outcome_unknown")
    assert len(vendor.calls) == 1


def test_memory_over_time(tmp_path: Path) -> None:
    now = [1000.0]
    store = Store(tmp_path / "a" / "g", keep=3600, sending=60, clock=lambda: now[0])
    call, body = call_id("/v2/faces", "key", None, {"a": 1})
    assert store.begin(call, body).state == "new"
    assert store.begin(call, body).state == "sending"
    now[0] += 61
    assert store.begin(call, body).state == "unknown"  # the process that sent it is gone
    now[0] += 3600
    assert store.begin(call, body).state == "new"
    answer = Answer(201, (("x", "y"),), b"\0\xff")
    store.answered(call, answer)
    assert store.look(call, body).answer == answer
    assert Store(tmp_path / "a" / "g", 3600, 60, lambda: now[0]).look(call, body).answer == answer
    assert store.look(call, "other").state == "different"


def test_nothing_of_the_call_itself_is_stored(gate: Running, tmp_path: Path) -> None:
    create(gate, wanted(replica_name="a-name-to-look-for"))
    stored = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert b"replica_id" not in stored or b"a-name-to-look-for" not in stored
    for secret in (b"a-name-to-look-for", b"callers-key", b"p.example", b"good photo"):
        assert secret not in stored


def test_voices(start: Start, vendor: Vendor, gate: Running, tmp_path: Path) -> None:
    unknown = create(gate, wanted(voice_name="some-other-voice"))
    assert unknown.status_code == 200
    assert "none of the vendor's examples" in unknown.headers["screening-warnings"]
    assert create(gate, wanted(voice_name=None, default_voice_id="v123")).status_code == 200
    strict = start(
        fetcher=Photos(),
        gate_upstream=vendor.base,
        gate_fetch=True,
        gate_db=tmp_path / "s",
        gate_voices="anna,liam",
    )
    assert create(strict, wanted(voice_name="ivy")).status_code == 422
    assert create(strict, wanted(voice_name="liam")).status_code == 200


def test_without_its_switch_nothing_is_fetched_and_nothing_forwarded(
    start: Start, vendor: Vendor, tmp_path: Path
) -> None:
    photos = Photos()
    gate = start(fetcher=photos, fetch=True, gate_upstream=vendor.base, gate_db=tmp_path / "g")
    answer = create(gate, wanted())
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["code"] == "url_refused"
    assert photos.fetched == []
    assert vendor.calls == []


def test_busy_is_not_a_refusal_of_the_photo(start: Start, vendor: Vendor, tmp_path: Path) -> None:
    settings = {
        "gate_upstream": vendor.base,
        "gate_fetch": True,
        "gate_db": tmp_path / "g",
        "threads": 1,
        "queue": 0,
    }
    gate = start(fetcher=Photos(), **settings)
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(create, gate, wanted("slow.jpg"))
        until(lambda: gate.app.state.service.pool.running == 1)
        answer = create(gate, wanted())
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        gate.engine.go.set()
        assert held.result().status_code == 200
    assert len(vendor.calls) == 1


def test_preflight_gives_the_same_answer_without_forwarding(
    start: Start, gate: Running, vendor: Vendor
) -> None:
    fails = gate.client.post("/v1/preflight", json=wanted("bad.jpg"))
    assert fails.status_code == 422
    same = {k: v for k, v in create(gate, wanted("bad.jpg")).json().items() if k not in ("error", "message")}
    assert fails.json() == same
    good = gate.client.post("/v1/preflight", json=wanted(voice_name="odd-voice"))
    assert good.status_code == 200
    assert good.json()["passed"] is True
    assert good.json()["report"]["verdict"] == "pass"
    assert [w["code"] for w in good.json()["warnings"]] == ["voice_unknown"]
    assert vendor.calls == []
    alone = start(fetcher=Photos(), gate_fetch=True)
    assert alone.client.post("/v1/preflight", json=wanted()).status_code == 200
    assert alone.client.post("/v1/preflight", json={"voice_name": "anna"}).status_code == 422


NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "hours"),
    [
        ("X-Amz-Date=20260102T100000Z&X-Amz-Expires=7200&X-Amz-Signature=0", 0),
        ("X-Amz-Date=20260102T100000Z&X-Amz-Expires=604800", 166),
        ("X-Goog-Date=20260102T120000Z&X-Goog-Expires=3600", 1),
        (f"Signature=x&Expires={int((NOW + timedelta(hours=5)).timestamp())}", 5),
        ("se=2026-01-03T13%3A00%3A00Z&sig=x", 25),
        ("Expires=soon", None),
        ("X-Amz-Expires=5", None),
        ("a=b", None),
    ],
)
def test_expiry_of_presigned_urls(query: str, hours: int | None) -> None:
    url = f"https://bucket.example/a.jpg?{query}"
    assert expiry(url) == (None if hours is None else NOW + timedelta(hours=hours))
    assert bool(expiry_warning(url, NOW)) == (hours is not None and hours < 24)


def test_a_url_that_ends_soon_warns(gate: Running, vendor: Vendor) -> None:
    soon = int((datetime.now(UTC) + timedelta(hours=2)).timestamp())
    answer = create(gate, wanted(f"good.jpg?Expires={soon}"))
    assert answer.status_code == 200
    assert "stops working" in answer.headers["screening-warnings"]
    assert len(vendor.calls) == 1
