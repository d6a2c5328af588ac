"""A Model Context Protocol server: an assistant checks a photo before it makes the paid call. `screening mcp`.

Speaks over standard input and output, reads photos from this computer's files, sends nothing anywhere.
"""

from __future__ import annotations

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from screening._version import __version__
from screening.errors import ScreeningError
from screening.policy import Policy, policy_names
from screening.report import Report
from screening.rules.base import ORDER, registry
from screening.screener import Screener

INSTRUCTIONS = (
    "Checks portrait photos, offline, before a paid 'replica from one photo' training call. Call check_photo first; "
    "make the vendor's call only where passed is true, and tell the user each reason and fix where it is not."
)


def server() -> MCPServer[Any]:
    """The server with its three tools; networks are loaded at the first photo."""
    screeners: dict[str, Screener] = {}
    made: MCPServer[Any] = MCPServer(
        "screening", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING"
    )

    @made.tool(structured_output=True)
    def check_photo(path: str, policy: str = "tavus-image") -> dict[str, Any]:
        """Check a photo file on this computer, rule by rule.

        Returns the verdict (pass, fail, unsure or error), what is wrong with the fix for each, and what to look at.
        """
        try:
            if policy not in policy_names():
                raise ToolError(f"There is no policy {policy!r}; there are {', '.join(policy_names())}.")
            if policy not in screeners:
                screeners[policy] = Screener(policy)
            return brief(screeners[policy].screen(path))
        except ScreeningError as error:
            raise ToolError(error.message) from error

    @made.tool(structured_output=True)
    def explain_rule(rule: str) -> dict[str, Any]:
        """What a rule measures, why, its limits and blind spots. The rules: see list_policies."""
        found = registry()
        if rule not in found:
            raise ToolError(f"There is no rule {rule!r}; there are {', '.join(ORDER)}.")
        return {"id": rule, "title": found[rule].title, "documentation": found[rule].doc}

    @made.tool(structured_output=True)
    def list_policies() -> dict[str, Any]:
        """The policies a photo can be checked against, each with the rules that it has on."""
        loaded = [Policy.load(name) for name in policy_names()]
        return {
            "policies": [
                {"name": p.name, "title": p.title, "rules": [i for i in ORDER if p.rules[i].enabled]}
                for p in loaded
            ]
        }

    return made


def brief(report: Report) -> dict[str, Any]:
    """What an assistant needs of a report."""

    def of(*statuses: str) -> list[dict[str, str]]:
        return [
            {"rule": r.id, "title": r.title, "reason": r.reason, "fix": r.fix}
            for r in report.rules
            if r.status in statuses
        ]

    return {
        "passed": report.passed,
        "verdict": report.verdict,
        "policy": report.policy,
        "failed": of("fail"),
        "warnings": of("warn"),
        "not_assessed": of("unassessed") if report.error is None else [],
        "crop": None
        if report.crop is None
        else {"box": list(report.crop.box.corners()), "mends": list(report.crop.mends)},
        "error": None if report.error is None else {"code": report.error[0], "message": report.error[1]},
    }


def main() -> None:
    """Serve until standard input ends."""
    server().run("stdio")
