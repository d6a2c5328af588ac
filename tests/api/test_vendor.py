"""The vendor's validator by shape."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import FAIL, GARBAGE, PASS, RULES, UNSURE, Running, Start

PATHS = ("/v2/faces/image-validation", "/v2/replicas/image-validation")


def asked(photo: bytes, **more: Any) -> dict[str, Any]:
    return {"imageBase64": base64.b64encode(photo).decode(), "mimeType": "image/jpeg"} | more


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("photo", "passed"), [(PASS, True), (FAIL, False), (UNSURE, False)])
def test_shape(service: Running, path: str, photo: bytes, passed: bool) -> None:
    answer = service.client.post(path, json=asked(photo), headers={"x-api-key": "theirs"})
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["passed", "checks", "details"]
    assert body["passed"] is passed
    assert [c["id"] for c in body["checks"]] == list(RULES)
    assert {c["id"]: c["passed"] for c in body["checks"]} == {"format": True, "pose": True, "glasses": passed}
    assert all(set(c) == {"id", "label", "passed"} for c in body["checks"])
    pose = "pose_suitable_for_face" if "faces" in path else "pose_suitable_for_replica"
    assert body["details"][pose] is True
    assert sum(k.startswith("pose_suitable") for k in body["details"]) == 1


def test_model_chooses_the_policy(service: Running) -> None:
    service.client.post(PATHS[0], json=asked(PASS))
    service.client.post(PATHS[0], json=asked(PASS, model="phoenix-4.5"))
    assert [seen[2] for seen in service.engine.seen] == ["tavus-phoenix-4", "tavus-phoenix-4.5"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"mimeType": "image/png"}, 400),
        ({"imageBase64": "AAAA"}, 400),
        (asked(PASS, model="phoenix-9"), 400),
        ({"imageBase64": "data:image/png;base64,AAAA", "mimeType": "image/png"}, 400),
        ({"imageBase64": "%%%", "mimeType": "image/png"}, 400),
        (asked(PASS, mimeType="text/plain"), 400),
        (asked(GARBAGE), 422),
        ([1], 400),
    ],
)
def test_errors_have_the_vendors_shape(service: Running, body: Any, status: int) -> None:
    answer = service.client.post(PATHS[0], json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == answer.json()["message"]
    assert "type" not in answer.json()


def test_limits(service: Running) -> None:
    over = {"imageBase64": "A" * (28 * 2**20 + 4), "mimeType": "image/jpeg"}
    assert service.client.post(PATHS[0], json=over).status_code == 413
    much = b'{"imageBase64": "' + b" " * (30 * 2**20)
    answer = service.client.post(PATHS[0], content=much, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert "error" in answer.json()


def test_a_photo_near_the_limit_goes_through(service: Running) -> None:
    photo = PASS + b"x" * (20 * 2**20)
    assert service.client.post(PATHS[0], json=asked(photo)).json()["passed"] is True


def test_key_is_ours_where_keys_are_configured(start: Start) -> None:
    service = start(api_keys="ours")
    answer = service.client.post(PATHS[0], json=asked(PASS), headers={"x-api-key": "theirs"})
    assert answer.status_code == 401
    assert answer.json()["error"]
    assert service.client.post(PATHS[0], json=asked(PASS), headers={"x-api-key": "ours"}).status_code == 200


def test_other_vendor_paths_are_not_there_without_the_gate(service: Running) -> None:
    answer = service.client.post("/v2/replicas", json={})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
