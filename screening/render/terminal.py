"""Reports as text: for people on a terminal, and the same words without colour or folding when piped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from screening.render.summary import VERDICTS, Summary
from screening.report import Report, RuleResult

MARKS = {
    "pass": "✓",
    "warn": "!",
    "fail": "✗",
    "unassessed": "?",
    "not_run": "·",
    "unsure": "?",
    "error": "✗",
}
PLAIN_MARKS = MARKS | {"pass": "+", "fail": "x", "not_run": "-", "error": "x"}
STYLES = {
    "pass": "green",
    "warn": "yellow",
    "fail": "red",
    "unassessed": "magenta",
    "not_run": "dim",
    "unsure": "magenta",
    "error": "red",
}
WORDS = {"pass": "PASS", "fail": "FAIL", "unsure": "UNSURE", "error": "ERROR"}
_FOLDED = (("pass", "pass"), ("not_run", "not run"))
"""Statuses whose rules share one line when not verbose."""


Detail = Literal["compact", "normal", "verbose"]


def printable(text: str) -> str:
    """The text without control characters: names and profiles come from strangers, and a terminal obeys escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.3f}"


class Terminal:
    """Prints reports on a console.

    compact: only what does not pass; normal: also names the rules that pass; verbose: every rule with its measures.
    """

    def __init__(self, console: Console, detail: Detail = "normal") -> None:
        self.console = console
        self.detail = detail
        unicode = (console.encoding or "").lower().replace("-", "").startswith("utf")
        self._marks = MARKS if unicode else PLAIN_MARKS
        self._arrow = "→" if unicode else "->"
        self._dot = " · " if unicode else ", "

    def report(self, report: Report) -> None:
        """The verdict, then the rules that do not pass with what is wrong and what to do."""
        self._print(self._heading(report))
        if report.error is not None:
            self._print(Text("  " + printable(report.error[1])))
            return
        table = self._grid() if self.console.is_terminal else None
        for rule in report.rules:
            if self.detail == "verbose" or rule.status in ("warn", "fail"):
                self._rule(rule, table)
        if self.detail != "verbose":
            self._unassessed(report, table)
        if self.detail == "normal":
            self._folded(report, table)
        if table is not None and table.row_count:
            self._print(Padding(table, (0, 0, 0, 2)))
        for line in self._rest(report):
            self._print(line)

    def summary(self, summary: Summary) -> None:
        """Totals, then a line per rule that some photo did not keep."""
        self._print(self._totals(summary))
        rows = [(i, c) for i, c in summary.statuses.items() if c["fail"] or c["warn"] or c["unassessed"]]
        if rows:
            table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
            table.add_column("Rule")
            for heading in ("fail", "warn", "unassessed", "pass"):
                table.add_column(heading, justify="right")
            table.add_column("share failing", justify="right")
            for rule_id, counts in sorted(rows, key=lambda r: (-r[1]["fail"], -r[1]["warn"])):
                judged = counts["fail"] + counts["warn"] + counts["pass"]
                share = f"{counts['fail'] / judged:.1%}" if judged else ""
                cells = [
                    Text(str(counts[s] or "-"), style=STYLES[s] if counts[s] else "dim")
                    for s in ("fail", "warn", "unassessed", "pass")
                ]
                table.add_row(rule_id, *cells, share)
            self._print(table)
        for code, count in summary.errors.most_common():
            self._print(Text(f"{count} not screened: {code}", style="red"))

    def _print(self, thing: RenderableType) -> None:
        if isinstance(thing, Text) and not self.console.is_terminal:
            self.console.print(thing, soft_wrap=True)
        else:
            self.console.print(thing)

    def _heading(self, report: Report) -> Text:
        style = STYLES[report.verdict]
        text = Text.assemble(
            (f"{self._marks[report.verdict]} {WORDS[report.verdict]}", f"bold {style}"),
            "  ",
            (printable(report.name), "bold"),
        )
        facts = report.image
        if facts is not None:
            total = report.timings_ms.get("total")
            parts = [f"{facts.width} x {facts.height} {facts.format}"]
            ran = sum(r.status != "not_run" for r in report.rules)
            parts += [f"{ran} of {len(report.rules)} rules"] if ran < len(report.rules) else []
            parts += [f"{total / 1000:.2f} s"] if total else []
            text.append("  " + self._dot.join(parts), style="dim")
        return text

    def _grid(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        return table

    def _rule(self, rule: RuleResult, table: Table | None) -> None:
        mark, style = self._marks[rule.status], STYLES[rule.status]
        reason = printable(rule.reason)
        fix = f"{self._arrow} {printable(rule.fix)}" if rule.fix else ""
        measures = self._measures(rule) if self.detail == "verbose" else ""
        if table is None:
            self._print(Text(f"  {mark} {rule.id}: {reason}{' ' + fix if fix else ''}"))
            if measures:
                self._print(Text(f"      {measures}"))
            return
        table.add_row(Text(mark, style=f"bold {style}"), Text(rule.id, style=style), Text(reason))
        if fix:
            table.add_row("", "", Text(fix, style="cyan"))
        if measures:
            table.add_row("", "", Text(measures, style="dim"))

    def _unassessed(self, report: Report, table: Table | None) -> None:
        """A line per reason: without a face, say, half of the rules have the same one."""
        reasons: dict[str, list[str]] = {}
        for rule in report.rules:
            if rule.status == "unassessed":
                reasons.setdefault(rule.reason, []).append(rule.id)
        mark, style = self._marks["unassessed"], STYLES["unassessed"]
        for reason, ids in reasons.items():
            names = ", ".join(ids)
            if table is None:
                self._print(Text(f"  {mark} {names}: {printable(reason)}"))
            elif len(ids) == 1:
                table.add_row(Text(mark, style=style), Text(names, style=style), Text(printable(reason)))
            else:
                table.add_row(
                    Text(mark, style=style), Text("unassessed", style=style), Text(names, style=style)
                )
                table.add_row("", "", Text(printable(reason)))

    def _folded(self, report: Report, table: Table | None) -> None:
        for status, word in _FOLDED:
            ids = ", ".join(r.id for r in report.rules if r.status == status)
            if ids and table is None:
                self._print(Text(f"  {self._marks[status]} {word}: {ids}"))
            elif ids and table is not None:
                table.add_row(
                    *(Text(part, style=STYLES[status]) for part in (self._marks[status], word, ids))
                )

    def _measures(self, rule: RuleResult) -> str:
        parts = []
        for m in rule.measures:
            unit = f" {m.unit}" if m.unit and m.unit != "probability" else ""
            limits = [
                f"{word} {sign} {limit:g}"
                for word, sign, limit in (
                    ("fail", ">", m.fail_above), ("fail", "<", m.fail_below),
                    ("warn", ">", m.warn_above), ("warn", "<", m.warn_below),
                )
                if limit is not None
            ]  # fmt: skip
            parts.append(f"{m.name} {_number(m.value)}{unit}" + (f" ({', '.join(limits)})" if limits else ""))
        return "; ".join(parts)

    def _rest(self, report: Report) -> Iterator[Text]:
        if report.crop is not None:
            box, mends = report.crop.box, " and ".join(report.crop.mends)
            size = f"{box.width:.0f} x {box.height:.0f} at ({box.left:.0f}, {box.top:.0f})"
            yield Text(f"  A crop of {size} mends {mends}: screening fix makes it.", style="cyan")
        if self.detail == "verbose" and report.image is not None:
            for note in report.image.notes:
                yield Text(f"  {printable(note)}", style="dim")

    def _totals(self, summary: Summary) -> Text:
        text = Text(f"{summary.photos} photo{'' if summary.photos == 1 else 's'}: ", style="bold")
        counts = [(v, summary.verdicts[v]) for v in VERDICTS if summary.verdicts[v]]
        for i, (name, count) in enumerate(counts):
            text.append(self._dot if i else "", style="not bold")
            text.append(f"{count} {name}", style=f"bold {STYLES[name]}")
        return text
