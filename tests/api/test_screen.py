"""POST /v1/screen and /v1/fix: the forms a photo may come in, the options, and every refusal."""

from __future__ import annotations

import base64
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from screening.report import Report

from .conftest import FAIL, GARBAGE, PASS, PNG, UNSURE, Running, Start, until


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem document, checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:problem:screening:{code}"
    assert str(body["detail"]).endswith(".")
    assert body["title"]
    return body


def test_multipart(service: Running) -> None:
    answer = service.client.post("/v1/screen", files={"file": ("me.jpg", PASS)})
    assert answer.status_code == 200
    assert Report.from_dict(answer.json()).passed
    assert service.engine.seen == [(PASS, "me.jpg", "tavus-image", None)]


def test_raw_body(service: Running) -> None:
    answer = service.client.post("/v1/screen", content=FAIL, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert answer.json()["verdict"] == "fail"
    assert answer.json()["passed"] is False


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
def test_json_base64(service: Running, prefix: str) -> None:
    image = prefix + base64.b64encode(UNSURE).decode()
    answer = service.client.post("/v1/screen", json={"image_base64": image, "name": "dir/a.jpg"})
    assert answer.json()["verdict"] == "unsure"
    assert service.engine.seen[0][:2] == (UNSURE, "a.jpg")


def test_options_in_query_form_and_json(service: Running) -> None:
    post, jpeg = service.client.post, {"content-type": "image/jpeg"}
    post("/v1/screen?policy=tavus-phoenix-4&rules=pose,glasses", content=PASS, headers=jpeg)
    post("/v1/screen", files={"file": PASS}, data={"policy": "tavus-phoenix-4", "rules": "pose,glasses"})
    image = base64.b64encode(PASS).decode()
    post(
        "/v1/screen", json={"image_base64": image, "policy": "tavus-phoenix-4", "rules": ["pose", "glasses"]}
    )
    assert [seen[2:] for seen in service.engine.seen] == [("tavus-phoenix-4", ("pose", "glasses"))] * 3


def test_annotate(service: Running) -> None:
    picture = service.client.post("/v1/screen?annotate=png", files={"file": FAIL})
    assert picture.content == PNG
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["screening-verdict"] == "fail"
    assert picture.headers["screening-failed"] == "glasses"
    within = service.client.post("/v1/screen?annotate=json", files={"file": FAIL}).json()
    assert within["annotated"] == "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert within["verdict"] == "fail"


def test_fix(service: Running) -> None:
    mended = service.client.post("/v1/fix", files={"file": FAIL})
    assert mended.content == b"\xff\xd8 mended good"
    assert mended.headers["content-type"] == "image/jpeg"
    assert json.loads(mended.headers["screening-actions"]) == ["crop"]
    told = service.client.post("/v1/fix", files={"file": FAIL}, headers={"accept": "application/json"}).json()
    assert told["report"]["verdict"] == "pass"
    assert told["actions"] == ["crop"]


def test_not_an_image_is_a_problem(service: Running) -> None:
    body = problem(service.client.post("/v1/screen", files={"file": ("x.jpg", GARBAGE)}), 422, "not_an_image")
    assert "x.jpg" in str(body["detail"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "bad_request"),
        (b'{"image_base64": "!!!"}', 400, "bad_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"image_base64": "AA==", "image_url": "https://a.example/"}', 422, "invalid_request"),
        (b'{"image_base64": "AA==", "other": 1}', 422, "invalid_request"),
        (b'{"image_base64": 5}', 422, "invalid_request"),
        (b'{"image_url": "https://a.example/b.jpg"}', 422, "url_refused"),
        (b'{"image_base64": "/9g=", "policy": "none"}', 422, "policy_invalid"),
        (b'{"image_base64": "/9g=", "rules": ["none"]}', 422, "invalid_request"),
        (b'{"image_base64": "/9g=", "rules": []}', 422, "invalid_request"),
    ],
)
def test_bad_json(service: Running, body: bytes, status: int, code: str) -> None:
    answer = service.client.post("/v1/screen", content=body, headers={"content-type": "application/json"})
    problem(answer, status, code)


def test_bad_multipart(service: Running) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    problem(service.client.post("/v1/screen", content=b"no parts", headers=headers), 400, "bad_request")
    two = [("file", PASS), ("file", PASS)]
    problem(service.client.post("/v1/screen", files=two), 400, "bad_request")
    problem(service.client.post("/v1/screen", data={"policy": "x"}, files={}), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", ""])
def test_other_media_types(service: Running, kind: str) -> None:
    answer = service.client.post("/v1/screen", content=PASS, headers={"content-type": kind})
    problem(answer, 415, "unsupported_media_type")


def test_unknown_paths_and_methods(service: Running) -> None:
    problem(service.client.get("/v1/nothing"), 404, "not_found")
    problem(service.client.get("/v1/screen"), 405, "method_not_allowed")


def test_unforeseen_errors_say_nothing_of_themselves(service: Running) -> None:
    answer = service.client.post("/v1/screen", files={"file": b"\xff\xd8 crash"})
    problem(answer, 500, "internal")
    assert "log's reader" not in answer.text


@pytest.mark.parametrize("path", ["/v1/screen", "/v1/fix", "/v1/screen/batch", "/v2/faces/image-validation"])
def test_413_before_the_body_is_read(start: Start, path: str) -> None:
    """The answer comes although not one byte of the announced body was sent."""
    service = start(max_bytes=1000, batch_bytes=1000)
    host, port = service.base.removeprefix("http://").split(":")
    kind = "application/json" if "v2" in path else "multipart/form-data; boundary=b"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_413_while_an_unannounced_body_is_read(start: Start) -> None:
    """Chunked, without a length: the answer comes, and the connection ends, though the body has not."""
    service = start(max_bytes=1000)
    host, port = service.base.removeprefix("http://").split(":")
    head = b"POST /v1/screen HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(head + b"3e9\r\n" + b"x" * 1001 + b"\r\n")
        answer = b""
        while more := connection.recv(4096):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413")
    assert service.engine.seen == []


def test_largest_photo_is_taken_in_every_form(start: Start) -> None:
    photo = PASS + b"x" * (1000 - len(PASS))
    service = start(max_bytes=1000)
    assert service.client.post("/v1/screen", files={"f": photo}).status_code == 200
    assert (
        service.client.post("/v1/screen", content=photo, headers={"content-type": "image/jpeg"}).status_code
        == 200
    )
    image = base64.b64encode(photo).decode()
    assert service.client.post("/v1/screen", json={"image_base64": image}).status_code == 200
    large = photo + b"x"
    answer = service.client.post("/v1/screen", content=large, headers={"content-type": "image/jpeg"})
    problem(answer, 413, "too_large_bytes")
    # Within what an envelope may add the photo itself is still held to the limit.
    problem(service.client.post("/v1/screen", files={"f": large}), 413, "too_large_bytes")
    image = base64.b64encode(large).decode()
    problem(service.client.post("/v1/screen", json={"image_base64": image}), 413, "too_large_bytes")


def test_compressed_bodies_are_refused(service: Running) -> None:
    headers = {"content-type": "image/jpeg", "content-encoding": "gzip"}
    problem(service.client.post("/v1/screen", content=PASS, headers=headers), 415, "unsupported_media_type")


def test_slow_body_is_given_up(start: Start) -> None:
    service = start(upload_limit=0.05)
    host, port = service.base.removeprefix("http://").split(":")
    head = b"POST /v1/screen HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\nabc"
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 408"


def test_full_queue_is_503_with_retry_after(start: Start) -> None:
    service = start(threads=1, queue=1)
    slow = {"file": b"\xff\xd8 slow good"}
    with ThreadPoolExecutor(2) as callers:
        held = [callers.submit(service.client.post, "/v1/screen", files=slow) for _ in range(2)]
        until(lambda: service.app.state.service.pool.admitted == 2)
        refused = service.client.post("/v1/screen", files={"file": PASS})
        problem(refused, 503, "busy")
        assert int(refused.headers["retry-after"]) >= 1
        service.engine.go.set()
        assert [h.result().status_code for h in held] == [200, 200]
    until(lambda: service.app.state.service.pool.admitted == 0)
    assert service.client.post("/v1/screen", files={"file": PASS}).status_code == 200


def test_event_loop_answers_while_photos_are_screened(start: Start) -> None:
    service = start(threads=1)
    with ThreadPoolExecutor(1) as callers:
        held = callers.submit(service.client.post, "/v1/screen", files={"file": b"\xff\xd8 slow good"})
        until(lambda: service.app.state.service.pool.running == 1)
        assert service.client.get("/livez").status_code == 200
        service.engine.go.set()
        assert held.result().status_code == 200


def test_past_the_time_limit_is_504_and_the_slot_stays_taken(start: Start) -> None:
    service = start(threads=1, queue=0, time_limit=0.05)
    answer = service.client.post("/v1/screen", files={"file": b"\xff\xd8 slow good"})
    problem(answer, 504, "timeout")
    # The thread is still at it, so there is no place for another.
    problem(service.client.post("/v1/screen", files={"file": PASS}), 503, "busy")
    service.engine.go.set()
    until(lambda: service.app.state.service.pool.admitted == 0)
    assert service.client.post("/v1/screen", files={"file": PASS}).status_code == 200


def test_a_photo_that_waited_too_long_is_never_begun(start: Start) -> None:
    service = start(threads=1, queue=5, time_limit=0.2)
    with ThreadPoolExecutor(2) as callers:
        first = callers.submit(service.client.post, "/v1/screen", files={"file": b"\xff\xd8 slow good"})
        until(lambda: service.app.state.service.pool.running == 1)
        second = callers.submit(service.client.post, "/v1/screen", files={"file": ("late", PASS)})
        assert second.result().status_code == 504
        assert first.result().status_code == 504
    service.engine.go.set()
    until(lambda: service.app.state.service.pool.admitted == 0)
    assert [seen[1] for seen in service.engine.seen] == ["upload"]


def test_keys(start: Start) -> None:
    service = start(api_keys="alpha,beta")
    answer = service.client.get("/v1/rules")
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    problem(service.client.get("/v1/rules", headers={"x-api-key": "alph"}), 401, "unauthorized")
    assert service.client.get("/v1/rules", headers={"x-api-key": "beta"}).status_code == 200
    assert service.client.get("/v1/rules", headers={"authorization": "Bearer alpha"}).status_code == 200
    assert service.client.get("/metrics").status_code == 401
    assert [service.client.get(p).status_code for p in ("/", "/livez", "/readyz")] == [200, 200, 200]
    validator = service.client.post("/v2/faces/image-validation", json={})
    assert validator.status_code == 401
    assert validator.headers["content-type"] == "application/json"


def test_rate_limit(start: Start) -> None:
    service = start(rate=3)
    codes = [service.client.get("/v1/version").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    answer = service.client.get("/v1/version")
    problem(answer, 429, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 20
    assert service.client.get("/livez").status_code == 200


def test_security_headers_and_closed_cors(service: Running) -> None:
    for path in ("/", "/v1/rules", "/v1/nothing", "/web/main.js"):
        headers = service.client.get(path, headers={"origin": "https://elsewhere.example"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_cors_for_named_origins_only(start: Start) -> None:
    service = start(cors_origins="https://ours.example", api_keys="k")
    for origin, allowed in (("https://ours.example", True), ("https://elsewhere.example", False)):
        # Also on a refusal, else a page could not tell why it was refused.
        answer = service.client.get("/v1/rules", headers={"origin": origin})
        assert answer.status_code == 401
        assert ("access-control-allow-origin" in answer.headers) is allowed


def test_many_threads_share_the_pool(start: Start) -> None:
    service = start(threads=3, queue=50)
    barrier = threading.Barrier(3)
    screen = service.engine.screen

    def together(*args: object) -> Report:
        barrier.wait(20)  # only passes if three photos are on threads at once
        return screen(*args)  # type: ignore[arg-type]

    service.engine.screen = together  # type: ignore[method-assign, assignment]
    with ThreadPoolExecutor(6) as callers:
        jobs = [callers.submit(service.client.post, "/v1/screen", files={"file": PASS}) for _ in range(6)]
        assert [job.result().status_code for job in jobs] == [200] * 6
