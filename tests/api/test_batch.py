"""POST /v1/screen/batch: order, streaming, ZIPs of every kind."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from screening.report import Report

from .conftest import FAIL, GARBAGE, PASS, Running, Start, until


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    found = [json.loads(line) for line in answer.text.splitlines()]
    for report in found:
        Report.from_dict(report)
    return found


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def test_files_come_back_in_order_with_errors_in_their_place(service: Running) -> None:
    files = [("files", (f"{i}.jpg", (PASS, FAIL, GARBAGE)[i % 3])) for i in range(30)]
    found = lines(service.client.post("/v1/screen/batch?policy=tavus-phoenix-4", files=files))
    assert [r["image"]["name"] for r in found] == [f"{i}.jpg" for i in range(30)]
    assert [r["verdict"] for r in found] == ["pass", "fail", "error"] * 10
    assert found[2]["error"]["code"] == "not_an_image"
    assert {seen[2] for seen in service.engine.seen} == {"tavus-phoenix-4"}


def test_first_lines_come_before_the_last_photo_is_done(start: Start) -> None:
    service = start(threads=1)
    files = [("files", ("a", PASS)), ("files", ("b", FAIL)), ("files", ("c", b"\xff\xd8 slow good"))]
    with service.client.stream("POST", "/v1/screen/batch", files=files) as answer:
        stream = answer.iter_lines()
        assert [json.loads(next(stream))["image"]["name"] for _ in range(2)] == ["a", "b"]
        service.engine.go.set()
        assert json.loads(next(stream))["image"]["name"] == "c"


@pytest.mark.parametrize("how", ["body", "file"])
def test_zip(service: Running, how: str) -> None:
    data = zipped(
        ("in/a.jpg", PASS), ("__MACOSX/in/._a.jpg", b"x"), ("in/.hidden", b"x"), ("b.jpg", FAIL), ("in/", b"")
    )
    if how == "body":
        answer = service.client.post(
            "/v1/screen/batch", content=data, headers={"content-type": "application/zip"}
        )
    else:
        answer = service.client.post("/v1/screen/batch", files={"files": ("photos.zip", data)})
    assert [(r["image"]["name"], r["verdict"]) for r in lines(answer)] == [
        ("a.jpg", "pass"),
        ("b.jpg", "fail"),
    ]


def test_bombs_and_large_members(start: Start) -> None:
    service = start(max_bytes=1000, batch_bytes=5000, batch_files=3)
    post, kind = service.client.post, {"content-type": "application/zip"}
    bomb = zipped(*((f"{i}.jpg", PASS + bytes(900)) for i in range(3)), ("d", b"\0" * 4000))
    assert post("/v1/screen/batch", content=bomb, headers=kind).status_code == 413
    many = zipped(*((f"{i}", b"") for i in range(4)))
    assert post("/v1/screen/batch", content=many, headers=kind).status_code == 413
    found = lines(post("/v1/screen/batch", content=zipped(("big", bytes(2000)), ("a", PASS)), headers=kind))
    assert found[0]["error"]["code"] == "too_large_bytes"
    assert found[1]["passed"] is True
    found = lines(post("/v1/screen/batch", files=[("f", ("big", bytes(2000))), ("f", ("a", PASS))]))
    assert [r["verdict"] for r in found] == ["error", "pass"]


def test_a_zip_that_lies_about_its_sizes(start: Start) -> None:
    """The unpacked size in the directory is the attacker's word: reading stops at the limit all the same."""
    service = start(max_bytes=1000)
    data = bytearray(zipped(("a", bytes(50_000))))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = (10).to_bytes(4, "little")
    answer = service.client.post(
        "/v1/screen/batch", content=bytes(data), headers={"content-type": "application/zip"}
    )
    assert lines(answer)[0]["verdict"] == "error"
    assert all(len(seen[0]) <= 1000 for seen in service.engine.seen)


def test_what_cannot_be_unpacked(service: Running) -> None:
    post, kind = service.client.post, {"content-type": "application/zip"}
    assert post("/v1/screen/batch", content=b"PK no zip", headers=kind).json()["code"] == "bad_request"
    assert post("/v1/screen/batch", content=zipped(), headers=kind).json()["code"] == "bad_request"
    damaged = bytearray(zipped(("a.jpg", PASS * 50), ("b.jpg", PASS)))
    at = damaged.index(b"a.jpg") + 8
    damaged[at : at + 4] = b"\xff\xff\xff\xff"
    found = lines(post("/v1/screen/batch", content=bytes(damaged), headers=kind))
    assert [r["verdict"] for r in found] == ["error", "pass"]


def test_a_crash_on_one_photo_leaves_the_others_their_answers(service: Running) -> None:
    files = [("f", ("a", PASS)), ("f", ("b", b"\xff\xd8 crash")), ("f", ("c", FAIL))]
    found = lines(service.client.post("/v1/screen/batch", files=files))
    assert [r["verdict"] for r in found] == ["pass", "error", "fail"]
    assert found[1]["error"]["code"] == "internal"


def test_other_bodies(service: Running) -> None:
    assert service.client.post("/v1/screen/batch", content=PASS).status_code == 415
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert service.client.post("/v1/screen/batch", content=b"--b--\r\n", headers=headers).status_code == 400
    assert service.client.post("/v1/screen/batch?policy=no", files={"f": PASS}).status_code == 422


def test_slot_comes_back_when_the_caller_leaves(start: Start) -> None:
    service = start(threads=1)
    pool = service.app.state.service.pool
    files = [("f", ("a", PASS)), ("f", ("b", b"\xff\xd8 slow good")), *[("f", ("c", FAIL))] * 9]
    with service.client.stream("POST", "/v1/screen/batch", files=files) as answer:
        next(answer.iter_lines())
        assert pool.admitted == 1
    service.engine.go.set()
    until(lambda: pool.admitted == 0)
    assert len(service.engine.seen) < 11
