"""Puts the service together. `create()` is what the server calls in each process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

from . import catalogue, gate, openapi, problems, routes, vendor
from .engine import Engine, Library, software
from .fetch import Fetcher
from .gate_store import Store
from .logs import configure
from .middleware import Guard, Observe
from .pool import Pool
from .service import Service
from .settings import Settings, load
from .upstream import Upstream

WEB = Path(__file__).parent / "web"


def check_policies(settings: Settings, engine: Engine) -> None:
    """Raises PolicyInvalid where the settings name a policy that is not there."""
    for name in (settings.policy, settings.gate_policy):
        engine.check_policy(name)


def create() -> FastAPI:
    """The application as the environment says."""
    settings = load()
    configure(settings.log_level)
    return create_app(settings)


def create_app(settings: Settings, engine: Engine | None = None, fetcher: Fetcher | None = None) -> FastAPI:
    """The application. `engine` and `fetcher` are there for tests to stand in for the library and the network."""
    service = Service(
        settings,
        engine or Library(settings.policy_files, settings.max_bytes),
        Pool(settings.threads_each, settings.queue, settings.time_limit),
        fetcher
        or Fetcher(
            allow_http=settings.fetch_http, max_bytes=settings.max_bytes, seconds=settings.fetch_limit
        ),
    )
    check_policies(settings, service.engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        test = asyncio.create_task(asyncio.to_thread(service.self_test))
        yield
        await test
        await service.pool.close()
        if settings.gate_upstream:
            await app.state.gate.upstream.close()

    app = FastAPI(
        title="screening",
        summary="Looks at a portrait photo before a paid replica-from-one-photo call, rule by rule.",
        version=software(),
        docs_url=None,  # its pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
        root_path=settings.root_path,
    )
    app.state.service = service
    problems.install(app)
    for router in (routes.router, catalogue.router, gate.preflight_router, vendor.router, catalogue.health):
        app.include_router(router)
    if settings.gate_upstream:
        store = Store(settings.gate_db, settings.gate_hours * 3600, settings.gate_limit + 60)
        app.state.gate = gate.Gate(Upstream(settings.gate_upstream, settings.gate_limit), store)
        app.include_router(gate.router)

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html", headers={"cache-control": "no-cache"})

    app.mount("/web", StaticFiles(directory=WEB), name="web")
    app.add_middleware(Guard, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "x-api-key", "authorization"],
            expose_headers=["retry-after", "screening-verdict", "screening-failed", "screening-actions"],
        )
    app.add_middleware(Observe, metrics=service.metrics)
    openapi.install(app)
    return app
