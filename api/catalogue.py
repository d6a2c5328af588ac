"""What there is: rules, policies, versions; and whether this process is well."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from .engine import software
from .problems import Problem
from .schemas import HealthOut, PoliciesOut, PolicyOut, RuleDocOut, RulesOut, VersionOut, problems
from .service import service_of

router = APIRouter(prefix="/v1", tags=["catalogue"])
health = APIRouter(tags=["health"])


@router.get("/rules", response_model=RulesOut, responses=problems())
async def rules(request: Request) -> Any:
    """Every rule with its documentation, in the report's order."""
    return {"rules": service_of(request).engine.rules()}


@router.get("/rules/{id}", response_model=RuleDocOut, responses=problems(404))
async def rule(request: Request, id: str) -> Any:
    """One rule: what it measures, why, its limits and blind spots."""
    found = {r["id"]: r for r in service_of(request).engine.rules()}
    if id not in found:
        raise Problem(404, "not_found", f"There is no rule {id[:40]!r}; there are {', '.join(found)}.")
    return found[id]


@router.get("/policies", response_model=PoliciesOut, responses=problems())
async def policies(request: Request) -> Any:
    """The policies a request can name."""
    service = service_of(request)
    return {"default": service.settings.policy, "policies": service.engine.policies()}


@router.get("/policies/{name}", response_model=PolicyOut, responses=problems(404))
async def policy(request: Request, name: str) -> Any:
    """A policy's limits and sentences."""
    engine = service_of(request).engine
    names = [p["name"] for p in engine.policies()]
    if name not in names:
        raise Problem(
            404, "not_found", f"There is no policy called {name[:40]!r}; there are {', '.join(names)}."
        )
    return engine.policy(name)


@router.get("/version", response_model=VersionOut, responses=problems())
async def version(request: Request) -> Any:
    """This software's version and its networks' hashes."""
    software_ = {"name": "screening", "version": software()}
    return {"software": software_, "models": service_of(request).engine.models()}


@health.get("/livez", response_model=HealthOut)
async def livez() -> Any:
    """The process answers."""
    return {"status": "ok", "detail": ""}


@health.get(
    "/readyz", response_model=HealthOut, responses={503: {"model": HealthOut, "description": "Not ready"}}
)
async def readyz(request: Request) -> Response:
    """The networks are loaded and have passed their self-test."""
    detail = service_of(request).ready
    return JSONResponse({"status": "not ready" if detail else "ok", "detail": detail}, 503 if detail else 200)


@health.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **problems()}
)
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    service = service_of(request)
    service.metrics.admitted.set(service.pool.admitted)
    service.metrics.running.set(service.pool.running)
    return Response(await asyncio.to_thread(service.metrics.render), media_type=CONTENT_TYPE_LATEST)
