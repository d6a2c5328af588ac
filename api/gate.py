"""The gate before the paid call: what fails is never forwarded, what was sent is not sent again.

A create call with a photo is checked, then sent once. Its fate is remembered by the caller's `Idempotency-Key`, or by
its body: a repetition gets the first answer. Where the answer was lost, nobody can know whether the vendor carried the
call out; a repetition is told so (409) and only a new `Idempotency-Key` sends it again.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from . import body, gate_check
from .gate_check import NOTICE, Checked
from .gate_store import Answer, Remembered, Store, call_id
from .problems import Problem
from .schemas import CREATE_EXAMPLES, CreateBody, PreflightOut, problems
from .service import Service, service_of
from .upstream import AnswerLost, NotSent, Upstream

router = APIRouter(tags=["gate"])
preflight_router = APIRouter(prefix="/v1", tags=["gate"])

MAX_BODY = 2**20
_CREATE = {"/v2/replicas", "/v2/faces"}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": CreateBody.model_json_schema(), "examples": CREATE_EXAMPLES}
        },
    }
}

_WOULD_BE_REFUSED = {
    "description": "Would be refused; a problem where there is no train_image_url to look at",
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/PreflightOut"}},
        **problems(422)[422]["content"],
    },
}


class Gate:
    """The upstream and the calls that were sent to it."""

    def __init__(self, upstream: Upstream, store: Store) -> None:
        self.upstream, self.store = upstream, store


def _gate_of(request: Request) -> Gate:
    return cast(Gate, request.app.state.gate)


def plain_path(path: str) -> str:
    """A path as a lenient server might read it: decoded again, without doubled, trailing or relative parts, small."""
    parts: list[str] = []
    for part in re.split(r"[\\/]+", unquote(unquote(path)).split(";")[0]):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part.strip().lower())
    return "/" + "/".join(parts)


@preflight_router.post(
    "/preflight",
    response_model=PreflightOut,
    responses=problems(400, 408, 413, 415, 503, 504) | {422: _WOULD_BE_REFUSED},
    openapi_extra=_BODY,
)
async def preflight(request: Request) -> Response:
    """The gate's answer for a create call, without forwarding it."""
    checked = await _checked(service_of(request), await _read(request))
    return JSONResponse(checked.to_dict(), 200 if checked.passed else 422)


@router.api_route("/v2/{path:path}", methods=_METHODS, include_in_schema=False)
async def through(request: Request, path: str) -> Response:
    """Everything under /v2/ that this service does not answer itself."""
    if (
        request.method == "POST"
        and plain_path(request.url.path.removeprefix(request.scope.get("root_path", ""))) in _CREATE
    ):
        return await _create(request)
    return await _gate_of(request).upstream.passed_on(request)


async def _read(request: Request) -> tuple[bytes, dict[str, Any]]:
    if body.media_type(request) != "application/json":
        raise Problem(415, "unsupported_media_type", "Content-Type must be application/json.")
    raw = await body.read(request, MAX_BODY, service_of(request).settings.upload_limit)
    return raw, gate_check.parse(raw)


async def _checked(service: Service, read: tuple[bytes, dict[str, Any]]) -> Checked:
    if not gate_check.is_photo_call(read[1]):
        raise Problem(422, "invalid_request", "train_image_url is missing: there is no photo to look at.")
    with service.pool.admit() as slot:
        return await gate_check.check(service, slot, read[1])


async def _create(request: Request) -> Response:
    service, gate = service_of(request), _gate_of(request)
    raw, wanted = await _read(request)
    if not gate_check.is_photo_call(wanted):
        return await gate.upstream.passed_on(request, raw)
    key = request.headers.get("x-api-key", "")
    if not key:
        raise Problem(401, "unauthorized", "The upstream's x-api-key header is missing.")
    path = plain_path(request.url.path)
    call, body_hash = call_id(path, key, request.headers.get("idempotency-key"), wanted)
    known = await asyncio.to_thread(gate.store.look, call, body_hash)
    if known.state != "new":
        return _again(service, known)
    checked = await _checked(service, (raw, wanted))
    if not checked.passed:
        service.metrics.gate.labels("refused").inc()
        sentence = " ".join(message for _, message in checked.problems)
        return JSONResponse({"error": sentence, "message": sentence} | checked.to_dict(), 422)
    # Shielded: once the call is out, its answer is recorded even if the caller goes away.
    answer = await asyncio.shield(asyncio.ensure_future(_send(service, gate, request, raw, call, body_hash)))
    return _with_notice(answer, checked)


async def _send(
    service: Service, gate: Gate, request: Request, raw: bytes, call: str, body_hash: str
) -> Response:
    known = await asyncio.to_thread(gate.store.begin, call, body_hash)
    if known.state != "new":
        return _again(service, known)
    try:
        answer = await gate.upstream.create(request, raw)
    except NotSent as error:
        await asyncio.to_thread(gate.store.forget, call)
        service.metrics.gate.labels("unreachable").inc()
        raise Problem(502, error.code, error.message) from error
    except AnswerLost as error:
        await asyncio.to_thread(gate.store.lost, call, error.message)
        service.metrics.gate.labels("lost").inc()
        detail = f"{error.message} It may have been carried out: look in the vendor's list before sending it again."
        raise Problem(504 if error.slow else 502, error.code, detail) from error
    if answer.status >= 500:
        await asyncio.to_thread(gate.store.lost, call, f"the upstream answered {answer.status}")
        service.metrics.gate.labels("upstream_error").inc()
    elif answer.status >= 300:
        await asyncio.to_thread(gate.store.forget, call)
        service.metrics.gate.labels("upstream_refused").inc()
    else:
        await asyncio.to_thread(gate.store.answered, call, answer)
        service.metrics.gate.labels("forwarded").inc()
    return _response(answer, {"Screening-Upstream": f"answered {answer.status}"})


def _again(service: Service, known: Remembered) -> Response:
    """The answer to a call that was made before."""
    service.metrics.gate.labels("repeated").inc()
    when = datetime.fromtimestamp(known.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if known.answer is not None:
        return _response(
            known.answer, {"Screening-Repeated": f"this call was answered at {when}; not sent again"}
        )
    if known.state == "different":
        raise Problem(
            422, "idempotency_key_reused", "This Idempotency-Key was used for a call with another body."
        )
    if known.state == "sending":
        raise Problem(
            409,
            "call_in_progress",
            "The same call is being made now; wait for its answer.",
            {"Retry-After": "5"},
        )
    raise Problem(
        409,
        "call_outcome_unknown",
        f"The same call was sent at {when}, and whether it was carried out is not known ({known.why}). Look in the "
        "vendor's list; to send it again, use a new Idempotency-Key.",
    )


def _response(answer: Answer, extra: dict[str, str]) -> Response:
    response = Response(answer.body, answer.status)
    headers = (*answer.headers, *extra.items(), ("content-length", str(len(answer.body))))
    response.raw_headers = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
    return response


def _with_notice(response: Response, checked: Checked) -> Response:
    response.headers["Screening-Notice"] = NOTICE
    if checked.warnings:
        said = " ".join(message for _, message in checked.warnings)
        response.headers["Screening-Warnings"] = said.encode("ascii", "replace").decode()
    return response
