"""The figures as Markdown, JSON and one HTML page."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.accuracy.figures import Bin, Figures, Reliability, RuleFigures, Share
from benchmarks.accuracy.limits import Fit

FEW = 10
"""Photos of a group below which its share is not shown."""

Table = list[list[str]]
"""Rows of cells; the first is the heading."""


def to_json(found: Figures, fits: Mapping[str, Fit]) -> str:
    """Stable: rounded, in the order of the rules. Holds figures only, nothing of any photo."""

    def plain(value: object) -> object:
        if isinstance(value, float):
            return round(value, 6)
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    data = asdict(found) | {"limits": {rule: asdict(fit) for rule, fit in fits.items()}}
    return json.dumps(plain(data), indent=1) + "\n"


def from_json(written: str) -> tuple[Figures, dict[str, Fit]]:
    """What `to_json` wrote."""
    data = json.loads(written)

    def rule(r: dict[str, Any]) -> RuleFigures:
        curve = r.pop("reliability")
        groups = {g: (Share(**missed), Share(**alarm)) for g, (missed, alarm) in r.pop("groups").items()}
        found = Reliability(
            tuple(Bin(**b | {"broken": Share(**b["broken"])}) for b in curve["bins"]), curve["brier"], curve["error"]
        ) if curve else None  # fmt: skip
        return RuleFigures(**{k: _share(v) for k, v in r.items()}, reliability=found, groups=groups)

    fits = {name: Fit(**{k: _share(v) for k, v in f.items()}) for name, f in data.pop("limits").items()}
    rules = {name: rule(r) for name, r in data.pop("rules").items()}
    groups = {name: Share(**g) for name, g in data.pop("groups").items()}
    return Figures(rules=rules, groups=groups, **{k: _share(v) for k, v in data.items()}), fits


def _share(value: Any) -> Any:
    return Share(**value) if isinstance(value, dict) else value


def text(s: Share) -> str:
    return "-" if s.share is None else f"{s.share:.3f} ({s.k:g}/{s.n}, {s.low:.2f}-{s.high:.2f})"


def short(s: Share) -> str:
    return "-" if s.share is None else f"{s.share:.3f} ({s.low:.2f}-{s.high:.2f})"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main_table(found: Figures) -> Table:
    head = [
        "rule",
        "recall",
        "false alarm",
        "balanced accuracy",
        "ROC-AUC",
        "average precision",
        "unassessed",
    ]
    return [head] + [
        [
            rule, text(r.recall), text(r.false_alarm), short(r.balanced_accuracy), number(r.auc),
            number(r.average_precision), text(r.unassessed),
        ]
        for rule, r in found.rules.items()
    ]  # fmt: skip


def through_table(found: Figures) -> Table:
    return [
        ["photos", "share"],
        ["clean, let through", text(found.let_through)],
        ["acceptable, let through", text(found.let_through_acceptable)],
        ["violating, stopped", text(found.stopped)],
    ]


def group_table(found: Figures) -> Table:
    """Per group: acceptable photos let through, then each rule's missed / false alarm shares."""
    rows = [["group", "let through", *found.rules]]
    for group, through in found.groups.items():
        cells = [_pair(r, group) for r in found.rules.values()]
        rows.append([group, text(through), *cells])
    return rows


def _pair(rule: RuleFigures, group: str) -> str:
    return " / ".join("-" if s.share is None or s.n < FEW else f"{s.share:.2f}" for s in rule.groups[group])


def limits_table(fits: Mapping[str, Fit]) -> Table:
    head = ["rule", "shift", "recall", "cross-validated", "false alarm", "cross-validated"]
    return [head] + [
        [
            rule,
            f"{f.shift:+.3f}",
            short(f.recall),
            short(f.recall_cv),
            short(f.false_alarm),
            short(f.false_alarm_cv),
        ]
        for rule, f in fits.items()
    ]


def calibration_table(found: Figures) -> Table:
    rows = [["rule", "expected calibration error", "Brier score"]]
    for rule, r in found.rules.items():
        if r.reliability is not None:
            rows.append([rule, number(r.reliability.error), number(r.reliability.brier)])
    return rows


EXPLAINED = {
    "Rules": "Recall: share of the broken photos that fail. False alarm: share of the kept ones that fail or could not "
    "be assessed. In brackets: counts and the 95 % interval (Wilson). ROC-AUC and average precision are of the margin.",
    "Photos": "Clean: nothing against any rule; acceptable: nothing clear against any; violating: at least one broken.",
    "Groups": f"Share of acceptable photos let through; then per rule missed / false alarm (from {FEW} photos on). "
    "`ita`: skin tone by the typology angle of the brighter cheek. `-`: not given.",
    "Calibration": "How well the learned rules' probabilities agree with the labels, borderline left out.",
    "Limits": "All limits of a rule moved together by `shift` margins, for the wished false-alarm rate: the fitted "
    "figures and, beside each, what cross-validation gives on photos that did not choose them.",
}


def tables(found: Figures, fits: Mapping[str, Fit]) -> dict[str, Table]:
    out = {
        "Rules": main_table(found),
        "Photos": through_table(found),
        "Groups": group_table(found),
        "Calibration": calibration_table(found),
    }
    return out | ({"Limits": limits_table(fits)} if fits else {})


def markdown(found: Figures, fits: Mapping[str, Fit]) -> str:
    parts = [f"# Accuracy on {found.photos} labelled photos\n"]
    for title, table in tables(found, fits).items():
        parts.append(f"## {title}\n\n{EXPLAINED[title]}\n\n{markdown_table(table)}\n")
    return "\n".join(parts)


def markdown_table(table: Table) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([lines[0], "|" + "---|" * len(table[0]), *lines[1:]])


def page(found: Figures, fits: Mapping[str, Fit], sheets: Mapping[str, str], settings: str) -> str:
    """HTML. `sheets`: title -> path of a contact sheet relative to the page; `settings`: what was measured, how."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Accuracy</title><style>{_STYLE}</style>",
        f"<h1>Accuracy on {found.photos} labelled photos</h1><p>{html.escape(settings)}</p>",
    ]
    for title, table in tables(found, fits).items():
        parts.append(f"<h2>{title}</h2><p>{html.escape(EXPLAINED[title])}</p>{_html_table(table)}")
        if title == "Calibration":
            curves = [
                curve(rule, r.reliability) for rule, r in found.rules.items() if r.reliability is not None
            ]
            parts.append(f"<div class=curves>{''.join(curves)}</div>")
    if sheets:
        parts.append("<h2>Mistakes</h2><p>With what the rule looked at, and the lookers' codes.</p>")
    parts += [
        f"<h3>{html.escape(title)}</h3><img loading=lazy src='{html.escape(path)}' alt='{html.escape(title)}'>"
        for title, path in sheets.items()
    ]
    return "\n".join(parts)


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
table { display: block; overflow-x: auto }
th, td { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; white-space: nowrap }
th { background: #f3f3f3 } img { max-width: 100% } .curves svg { width: 260px; height: auto }
"""


def _html_table(table: Table) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

    return "<table>" + row(table[0], "th") + "".join(row(r, "td") for r in table[1:]) + "</table>"


def curve(rule: str, found: Reliability) -> str:
    """SVG: mean probability against the share that breaks the rule, with its interval; bins of equal width."""
    mpl.rcParams["svg.hashsalt"] = "accuracy"  # equal figures give equal bytes
    figure = Figure(figsize=(3.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999", linewidth=0.8, linestyle="--")
    x = [b.mean for b in found.bins]
    y = [b.broken.k / b.broken.n for b in found.bins]
    down = [max(0.0, height - b.broken.low) for b, height in zip(found.bins, y, strict=True)]
    up = [max(0.0, b.broken.high - height) for b, height in zip(found.bins, y, strict=True)]
    axes.errorbar(x, y, [down, up], fmt="o-", color="#2a5d9f", markersize=3.5, linewidth=1, elinewidth=0.7)
    for b, height in zip(found.bins, y, strict=True):
        axes.annotate(str(b.broken.n), (b.mean, height), (3, -9), textcoords="offset points", fontsize=6)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="probability", ylabel="share broken", title=rule)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()[out.getvalue().index("<svg") :]
