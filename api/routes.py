"""Screening: one photo, many, and mending."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from screening.report import Report

from . import batch, body
from .body import File
from .engine import data_url
from .problems import Problem, bad_request, invalid, screened
from .schemas import SCREEN_EXAMPLES, Annotate, FixOut, ReportOut, ScreenBody, problems
from .service import Service, service_of

router = APIRouter(prefix="/v1", tags=["screening"])

PolicyQuery = Annotated[str | None, Query(description="Policy; the service's default without it")]
RulesQuery = Annotated[str | None, Query(description="Ids of the rules to run, by comma")]
AnnotateQuery = Annotated[
    Annotate | None,
    Query(
        description="`png`: answer with the picture, evidence drawn; `json`: add it to the report as a data URL"
    ),
]
_BINARY = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_FILE = {"schema": {"type": "object", "properties": {"file": _BINARY["schema"]}, "required": ["file"]}}
_PNG = {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}}
PHOTO_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _FILE,
            "image/*": _BINARY,
            "application/json": {"schema": ScreenBody.model_json_schema(), "examples": SCREEN_EXAMPLES},
        },
    }
}


class Options:
    """Query parameters, which a body's fields of the same names yield to."""

    def __init__(
        self, policy: PolicyQuery = None, rules: RulesQuery = None, annotate: AnnotateQuery = None
    ) -> None:
        self.policy, self.rules, self.annotate = policy, rules, annotate

    def fill(self, policy: str | None, rules: str | None, annotate: str | None) -> None:
        self.policy = self.policy if self.policy is not None else policy
        self.rules = self.rules if self.rules is not None else rules
        if self.annotate is None and annotate is not None:
            if annotate not in ("no", "json", "png"):
                raise invalid("annotate must be no, json or png.")
            self.annotate = annotate  # type: ignore[assignment]


async def photo_of(request: Request, service: Service, options: Options) -> File:
    """The photo of a request in any of the three forms; options found in the body go to `options`."""
    file = await _photo_of(request, service, options)
    if len(file.data) > service.settings.max_bytes:
        raise body.too_large(service.settings.max_bytes)
    return file


async def _photo_of(request: Request, service: Service, options: Options) -> File:
    settings, kind = service.settings, body.media_type(request)
    if kind == "multipart/form-data":
        files, fields = await body.read_form(request, settings.max_bytes, settings.upload_limit, 2)
        if len(files) != 1:
            raise bad_request(
                f"One photo is needed as a file field, not {len(files)}; /v1/screen/batch takes several."
            )
        options.fill(fields.get("policy"), fields.get("rules"), fields.get("annotate"))
        return files[0]
    if kind.startswith("image/"):
        return File(await body.read(request, settings.max_bytes, settings.upload_limit), "photo")
    if kind == "application/json":
        # Base64 is 4/3 of the bytes; the rest is for the other fields.
        raw = await body.read(request, settings.max_bytes * 4 // 3 + 64 * 1024, settings.upload_limit)
        return await _json_photo(raw, service, options)
    raise Problem(
        415,
        "unsupported_media_type",
        "Send the photo as multipart/form-data, as image/* or in application/json.",
    )


async def _json_photo(raw: bytes, service: Service, options: Options) -> File:
    parsed = await asyncio.to_thread(parse_json, raw)
    if (parsed.image_base64 is None) == (parsed.image_url is None):
        raise invalid("Exactly one of image_base64 and image_url is needed.")
    annotate = (
        {True: "json", False: "no"}[parsed.annotate] if isinstance(parsed.annotate, bool) else parsed.annotate
    )
    options.fill(parsed.policy, None if parsed.rules is None else ",".join(parsed.rules), annotate)
    if parsed.image_url is not None:
        data, name = await service.fetched(parsed.image_url)
    else:
        text = parsed.image_base64 or ""
        if text.startswith("data:"):
            text = text.partition(",")[2]
        data, name = await asyncio.to_thread(body.base64_bytes, text, "image_base64"), "photo"
    return File(data, body.plain_name(parsed.name) if parsed.name else name)


def parse_json(raw: bytes) -> ScreenBody:
    try:
        return ScreenBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise bad_request("The body is not valid JSON.") from error
        where = ".".join(str(p) for p in first["loc"])
        raise invalid(f"{where or 'The body'}: {first['msg']}.") from error


def summary(report: Report) -> dict[str, str]:
    """Headers that tell the verdict where the body is a picture."""
    failed = ",".join(r.id for r in report.rules if r.status == "fail")
    return {"Screening-Verdict": report.verdict} | ({"Screening-Failed": failed} if failed else {})


@router.post(
    "/screen",
    response_model=ReportOut,
    responses={
        200: {"content": _PNG, "description": "Screened; the verdict is in the body"},
        **problems(400, 408, 413, 415, 422, 503, 504),
    },
    openapi_extra=PHOTO_BODY,
)
async def screen(
    request: Request, policy: PolicyQuery = None, rules: RulesQuery = None, annotate: AnnotateQuery = None
) -> Response:
    """Screen one photo: a multipart file, a raw `image/*` body, or JSON with `image_base64` or `image_url`."""
    service, options = service_of(request), Options(policy, rules, annotate)
    with service.pool.admit() as slot:
        file = await photo_of(request, service, options)
        name, ids = service.options(options.policy, options.rules)
        if options.annotate in ("json", "png"):
            report, png = await service.pool.run(
                slot, service.engine.annotated, file.data, file.name, name, ids
            )
            service.metrics.report(report)
        else:
            report, png = await service.screen(slot, file.data, file.name, name, ids), None
        wire = screened(report).to_dict()
    if options.annotate == "png":
        return Response(png, media_type="image/png", headers=summary(report))
    return JSONResponse(wire | ({"annotated": data_url(png)} if png else {}))


@router.post(
    "/fix",
    response_model=FixOut,
    responses={
        200: {
            "content": {"image/png": _PNG["image/png"], "image/jpeg": _BINARY},
            "description": "The mended photo; as JSON, with its report, where Accept asks for application/json",
        },
        **problems(400, 408, 413, 415, 422, 503, 504),
    },
    openapi_extra=PHOTO_BODY,
)
async def fix(request: Request, policy: PolicyQuery = None) -> Response:
    """Mend what can be mended without inventing pixels. The photo is sent as to `/v1/screen`."""
    service, options = service_of(request), Options(policy)
    with service.pool.admit() as slot:
        file = await photo_of(request, service, options)
        name, _ = service.options(options.policy, None)
        mended = await service.pool.run(slot, service.engine.fix, file.data, file.name, name)
    service.metrics.report(mended.report)
    if "application/json" in request.headers.get("accept", ""):
        image = data_url(mended.data, mended.media_type)
        return JSONResponse(
            {"image": image, "actions": list(mended.actions), "report": mended.report.to_dict()}
        )
    headers = summary(mended.report) | {"Screening-Actions": json.dumps(list(mended.actions))}
    return Response(mended.data, media_type=mended.media_type, headers=headers)


_ZIP_OR_FILES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"files": {"type": "array", "items": _BINARY["schema"]}},
                }
            },
            "application/zip": _BINARY,
        },
    }
}


@router.post(
    "/screen/batch",
    responses={
        200: {
            "description": "One report a line, in the order sent; a file that is no photo has its `error`",
            "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/ReportOut"}}},
        },
        **problems(400, 408, 413, 415, 422, 503),
    },
    response_class=Response,
    openapi_extra=_ZIP_OR_FILES,
)
async def screen_batch(request: Request, policy: PolicyQuery = None, rules: RulesQuery = None) -> Response:
    """Screen several photos, as multipart files or as a ZIP, and stream the reports back as JSON lines."""
    service = service_of(request)
    name, ids = service.options(policy, rules)
    slot = service.pool.admit()
    try:
        files = await batch.files_of(request, service.settings)
    except BaseException:
        slot.release()
        raise
    return batch.Streamed(batch.reports(service, slot, files, name, ids), slot)
