"""The OpenAPI document: FastAPI's, with the shared schemas, and examples that a test holds against real answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from .schemas import ProblemOut, ReportOut, VendorErrorOut


def install(app: FastAPI) -> None:
    made: dict[str, Any] = {}
    original = app.openapi

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(original())
            models = [(m, "serialization") for m in (ProblemOut, ReportOut, VendorErrorOut)]
            _, extra = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
            made["components"]["schemas"] |= extra["$defs"]
            made["components"]["securitySchemes"] = {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-api-key",
                    "description": "Where keys are configured",
                }
            }
            made["security"] = [{}, {"key": []}]
        return made

    app.openapi = openapi  # type: ignore[method-assign]
