"""The OpenAPI document: valid, true to the answers, and what schemathesis finds against it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from .conftest import FAIL, GARBAGE, PASS, Running

FUZZ = """--mode all --phases examples,coverage,fuzzing --max-examples 15 --seed 1 --generation-database none
--checks all --exclude-checks positive_data_acceptance"""
"""Photos are not in the schema's power to describe, so that well-formed requests may still be refused."""


@pytest.fixture
def document(service: Running) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/openapi.json").json()
    return found


def conforms(document: dict[str, Any], name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def test_every_route_is_described(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == {
        "/v1/screen", "/v1/screen/batch", "/v1/fix", "/v1/preflight", "/v1/rules", "/v1/rules/{id}", "/v1/policies",
        "/v1/policies/{name}", "/v1/version", "/v2/faces/image-validation", "/v2/replicas/image-validation",
        "/livez", "/readyz", "/metrics",
    }  # fmt: skip
    references = str(document).split("'$ref': '#/components/schemas/")[1:]
    assert {r.split("'")[0] for r in references} <= set(document["components"]["schemas"])


def test_answers_are_as_described(service: Running, document: dict[str, Any]) -> None:
    post, get = service.client.post, service.client.get
    for photo in (PASS, FAIL):
        conforms(document, "ReportOut", post("/v1/screen?annotate=json", files={"f": photo}).json())
    conforms(document, "ProblemOut", post("/v1/screen", files={"f": GARBAGE}).json())
    conforms(
        document, "FixOut", post("/v1/fix", files={"f": FAIL}, headers={"accept": "application/json"}).json()
    )
    conforms(document, "RulesOut", get("/v1/rules").json())
    conforms(document, "PoliciesOut", get("/v1/policies").json())
    conforms(document, "VersionOut", get("/v1/version").json())
    conforms(document, "HealthOut", get("/livez").json())
    conforms(document, "VendorErrorOut", post("/v2/faces/image-validation", json={}).json())
    asked = {"imageBase64": "/9ggZ29vZA==", "mimeType": "image/jpeg"}
    conforms(document, "ValidationOut", post("/v2/faces/image-validation", json=asked).json())
    wanted = {"train_image_url": "https://p.example/a.jpg", "voice_name": "anna"}
    conforms(document, "PreflightOut", post("/v1/preflight", json=wanted).json())


def test_examples_are_true(service: Running, document: dict[str, Any]) -> None:
    """Each request body's example is understood: it is screened, or refused for its photo, not for its form."""
    seen = 0
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for example in content.get("application/json", {}).get("examples", {}).values():
            seen += 1
            answer = service.client.post(path, json=example["value"])
            assert answer.status_code in (200, 422), path
            if answer.headers["content-type"].startswith("image/"):
                continue
            assert answer.json().get("code") not in ("bad_request", "invalid_request"), answer.text
    assert seen >= 5


def test_schemathesis(service: Running, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.base}/openapi.json", *FUZZ.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
