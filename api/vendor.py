"""The vendor's image validator, by shape: code written for it works by changing its base URL.

The vendor's list of checks is not public, so the check ids are our rules' ids.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from screening.errors import TooLargeBytes
from screening.report import Report, RuleResult

from . import body
from .problems import Problem, bad_request, screened
from .schemas import VALIDATION_EXAMPLES, ValidationBody, ValidationOut, problems
from .service import service_of

router = APIRouter(prefix="/v2", tags=["vendor-shaped"])

MAX_BODY = 30 * 2**20
MAX_BASE64 = 28 * 2**20
POLICIES = {"phoenix-4": "tavus-phoenix-4", "phoenix-4.5": "tavus-phoenix-4.5"}
_MIME = {"image/jpeg": "JPEG", "image/jpg": "JPEG", "image/png": "PNG"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": ValidationBody.model_json_schema(),
                "examples": VALIDATION_EXAMPLES,
            }
        },
    }
}
_RESPONSES = problems(400, 408, 413, 415, 422, 503, 504, vendor=True)


@router.post(
    "/faces/image-validation", response_model=ValidationOut, responses=_RESPONSES, openapi_extra=_BODY
)
async def faces(request: Request) -> Any:
    """The vendor's "Validate Face Image", by shape."""
    return await _validate(request, "pose_suitable_for_face")


@router.post(
    "/replicas/image-validation", response_model=ValidationOut, responses=_RESPONSES, openapi_extra=_BODY
)
async def replicas(request: Request) -> Any:
    """Its older path; the pose is told as `pose_suitable_for_replica`."""
    return await _validate(request, "pose_suitable_for_replica")


async def _validate(request: Request, pose: str) -> dict[str, Any]:
    service = service_of(request)
    if body.media_type(request) != "application/json":
        raise Problem(415, "unsupported_media_type", "Content-Type must be application/json.")
    with service.pool.admit() as slot:
        raw = await body.read(request, MAX_BODY, service.settings.upload_limit)
        asked, data = await asyncio.to_thread(_parse, raw)
        policy = service.engine.check_policy(POLICIES[asked.model])
        report = screened(await service.screen(slot, data, "photo", policy))
    return answer(report, asked, pose)


def _parse(raw: bytes) -> tuple[ValidationBody, bytes]:
    try:
        asked = ValidationBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise bad_request(f"Bad Request. {where or 'body'}: {first['msg']}.") from error
    if len(asked.imageBase64) > MAX_BASE64:
        raise TooLargeBytes(f"imageBase64 is longer than the {MAX_BASE64:,} characters allowed.")
    if asked.imageBase64.startswith("data:"):
        raise bad_request("imageBase64 must be the base64 alone, without a data: prefix.")
    if not asked.mimeType.startswith("image/"):
        raise bad_request("mimeType must be an image's, such as image/jpeg.")
    return asked, body.base64_bytes(asked.imageBase64, "imageBase64")


def answer(report: Report, asked: ValidationBody, pose: str) -> dict[str, Any]:
    """The vendor's answer for a report. A rule that could not be assessed has not passed."""
    ran = [r for r in report.rules if r.status != "not_run"]
    details: dict[str, Any] = {
        "model": asked.model,
        pose: any(r.id == "pose" and _kept(r) for r in ran),
        "verdict": report.verdict,
        "policy": report.policy,
        "rules": {r.id: {"status": r.status, "reason": r.reason, "fix": r.fix} for r in ran},
    }
    found = None if report.image is None else report.image.format
    if found is not None and _MIME.get(asked.mimeType.lower()) not in (None, found):
        details["notes"] = [f"The photo is a {found}, not what mimeType says."]
    return {
        "passed": report.passed,
        "checks": [{"id": r.id, "label": r.title, "passed": _kept(r)} for r in ran],
        "details": details,
    }


def _kept(rule: RuleResult) -> bool:
    return rule.status in ("pass", "warn")
