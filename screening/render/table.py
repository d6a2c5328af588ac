"""A report as one flat row, shared by CSV and Parquet."""

from __future__ import annotations

from screening.report import Report

Value = str | int | float | bool | None

FACTS = ("sha256", "format", "width", "height", "bytes", "orientation")


def row(report: Report) -> dict[str, Value]:
    """Column name -> value; rules give `<id>` (status), `<id>_probability` and `<id>_margin`, in report order."""
    facts = report.image
    code, message = report.error or (None, None)
    values: dict[str, Value] = {
        "name": report.name,
        "verdict": report.verdict,
        "passed": report.passed,
        "failed": " ".join(r.id for r in report.rules if r.status == "fail"),
        "warned": " ".join(r.id for r in report.rules if r.status == "warn"),
        "unassessed": " ".join(r.id for r in report.rules if r.status == "unassessed"),
        "reasons": " ".join(f"{r.reason} {r.fix}".strip() for r in report.rules if r.status == "fail"),
        "error_code": code,
        "error": message,
        "policy": report.policy,
        "policy_sha256": report.policy_sha256,
        "software": report.software,
    }
    values |= {name: None if facts is None else getattr(facts, name) for name in FACTS}
    for rule in report.rules:
        values[rule.id] = rule.status
        values[f"{rule.id}_probability"] = _rounded(rule.probability)
        values[f"{rule.id}_margin"] = _rounded(rule.margin)
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
