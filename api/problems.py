"""Errors on the wire: RFC 9457 problem documents, and the vendor's plain JSON on the vendor-shaped paths."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from screening.errors import ModelError, ScreeningError
from screening.report import Report

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:problem:screening:"
"""A problem's `type` is this and its code, and stays so."""

_STATUS = {
    "too_large_bytes": 413,
    "url_refused": 422,
    "url_failed": 422,
    "policy_invalid": 422,
    "busy": 503,
    "timeout": 504,
    "model_missing": 503,
    "model_altered": 503,
    "internal": 500,
}
ENDS = {"Connection": "close"}
"""For answers that come before the body has: the rest of it is not waited for."""
NOTHING_HERE = (
    "There is nothing at this path; /openapi.json says what there is, and the vendor's other paths need the gate "
    "(SCREENING_GATE_UPSTREAM)."
)
_log = logging.getLogger("screening.service")


class Problem(Exception):
    """An answer that is an error. `code` is one of the design's, or of those that only HTTP has."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})
        self.extra = extra


def bad_request(detail: str) -> Problem:
    """400: the request itself cannot be made out."""
    return Problem(400, "bad_request", detail)


def invalid(detail: str) -> Problem:
    """422: understood, but it asks for something that is not there."""
    return Problem(422, "invalid_request", detail)


def of_error(code: str, message: str) -> Problem:
    """The problem of one of the design's codes; those about a photo's bytes are 422."""
    headers = {"busy": {"Retry-After": "1"}, "too_large_bytes": ENDS}.get(code)
    return Problem(_STATUS.get(code, 422), code, message, headers)


def screened(report: Report) -> Report:
    """The report, unless the bytes were no photo: that is a problem."""
    if report.error is not None:
        raise of_error(*report.error)
    return report


def response(problem: Problem, vendor: bool) -> JSONResponse:
    """`vendor`: `{"error", "message"}` and the extras, as code written for the vendor's API reads it."""
    if vendor:
        body = {"error": problem.detail, "message": problem.detail, "code": problem.code} | problem.extra
        return JSONResponse(body, problem.status, problem.headers)
    body = {
        "type": TYPE + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    } | problem.extra
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def path_of(scope: Mapping[str, Any]) -> str:
    """The request's path below the one that a proxy serves this under."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path


def is_vendor(path: str) -> bool:
    return path == "/v2" or path.startswith("/v2/")


def _answer(request: Request, problem: Problem) -> JSONResponse:
    request.scope["problem_code"] = problem.code
    return response(problem, is_vendor(path_of(request.scope)))


def from_exception(error: Exception) -> Problem:
    """The problem of anything raised; what was not foreseen is logged and becomes `internal`."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ModelError):
        _log.error("networks unusable", extra={"fields": {"code": error.code}})
        return of_error(error.code, error.message)
    if isinstance(error, ScreeningError):
        return of_error(error.code, error.message)
    if isinstance(error, RequestValidationError):
        parts = [f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors()]
        return invalid("; ".join(parts) + ".")
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return Problem(404, "not_found", NOTHING_HERE)
        code = {405: "method_not_allowed", 401: "unauthorized"}.get(error.status_code, "bad_request")
        return Problem(error.status_code, code, f"{error.detail}.", error.headers)
    _log.error("unforeseen error", exc_info=error)
    return Problem(
        500, "internal", "Something went wrong here that should not have; the log of the service says what."
    )


def install(app: FastAPI) -> None:
    """Every exception of a route becomes a problem. Unforeseen ones are caught by the middleware, innermost."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return _answer(request, from_exception(error))

    for kind in (Problem, ScreeningError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
