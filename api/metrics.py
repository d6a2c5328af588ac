"""What /metrics tells, for Prometheus; with several processes, through prometheus-client's shared files."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from screening.report import Report

SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
_MARGINS = (-2.0, -1.0, -0.5, -0.2, -0.1, 0.0, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "screening_requests", "Requests answered", ["method", "route", "status"], registry=r
        )
        self.seconds = Histogram(
            "screening_request_seconds",
            "Time to the end of the answer",
            ["route"],
            buckets=_SECONDS,
            registry=r,
        )
        self.photos = Counter("screening_photos", "Photos by verdict", ["policy", "verdict"], registry=r)
        self.rules = Counter("screening_rules", "Rules' results", ["rule", "status"], registry=r)
        self.margins = Histogram(
            "screening_rule_margin",
            "Margins; below 0 the rule is broken",
            ["rule"],
            buckets=_MARGINS,
            registry=r,
        )
        self.admitted = Gauge(
            "screening_queue",
            "Requests received, waiting or worked on",
            registry=r,
            multiprocess_mode="livesum",
        )
        self.running = Gauge(
            "screening_running", "Photos being screened now", registry=r, multiprocess_mode="livesum"
        )
        self.refused = Counter("screening_refused", "Requests refused, by code", ["code"], registry=r)
        self.gate = Counter("screening_gate", "What became of create calls", ["outcome"], registry=r)

    def report(self, report: Report) -> None:
        """Count one photo."""
        self.photos.labels(report.policy, report.verdict).inc()
        for rule in report.rules:
            if report.error is None:
                self.rules.labels(rule.id, rule.status).inc()
            if rule.margin is not None:
                self.margins.labels(rule.id).observe(rule.margin)

    def render(self) -> bytes:
        """The text format, over all processes of this service."""
        if os.environ.get(SHARED):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self.registry)
