"""What one process of the service holds, and how routes get at it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request

from screening.errors import ScreeningError, UrlRefused
from screening.report import Report

from .engine import Engine, Rules
from .fetch import Fetcher
from .metrics import Metrics
from .pool import Pool, Slot
from .problems import invalid
from .settings import Settings

_log = logging.getLogger("screening.service")


@dataclass
class Service:
    """One process's engine, queue and counters. `ready` is empty once the networks have passed their self-test."""

    settings: Settings
    engine: Engine
    pool: Pool
    fetcher: Fetcher
    metrics: Metrics = field(default_factory=Metrics)
    ready: str = "The networks are still loading."

    def self_test(self) -> None:
        """Runs on a thread at start; what fails is kept for /readyz."""
        try:
            self.engine.self_test()
            self.ready = ""
        except ScreeningError as error:
            self.ready = error.message
            _log.error("self-test failed", extra={"fields": {"code": error.code}})

    def options(self, policy: str | None, rules: str | None) -> tuple[str, Rules]:
        """Checked policy and rule ids. Raises PolicyInvalid, Problem 422."""
        name = self.engine.check_policy(policy or self.settings.policy)
        if rules is None:
            return name, None
        ids = tuple(dict.fromkeys(r.strip() for r in rules.split(",") if r.strip()))
        known = [r["id"] for r in self.engine.rules()]
        unknown = [i for i in ids if i not in known]
        if unknown or not ids:
            raise invalid(f"There is no rule {(unknown or [''])[0][:40]!r}; there are {', '.join(known)}.")
        return name, ids

    async def screen(self, slot: Slot, data: bytes, name: str, policy: str, rules: Rules = None) -> Report:
        report = await self.pool.run(slot, self.engine.screen, data, name, policy, rules)
        self.metrics.report(report)
        return report

    async def fetched(self, url: str) -> tuple[bytes, str]:
        """The photo at a URL and its name, for /v1. Raises UrlRefused where fetching is off."""
        if not self.settings.fetch:
            raise UrlRefused("This service does not fetch addresses; send the photo itself.")
        found = await self.fetcher.fetch(url)
        return found.data, found.name


def service_of(request: Request) -> Service:
    return cast(Service, request.app.state.service)
