"""The pages that are made from the code, as Markdown: rules, policies, networks, accuracy, defects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.limits import Fit
from benchmarks.accuracy.render import (
    EXPLAINED,
    FEW,
    Table,
    limits_table,
    main_table,
    markdown_table,
    number,
    short,
    tables,
    text,
)
from benchmarks.defects import DEFECTS
from screening.policy import MeasurePolicy, Policy, policy_names
from screening.rules.base import HEADINGS, Rule, registry

CARDS = Path(__file__).parents[1] / "models/cards"
Measured = tuple[Figures, Mapping[str, Fit]]


def index() -> str:
    rows = [["rule", "title", "kept when"]]
    for rule in registry().values():
        summary = rule.sections()[""].split("\n\n")[0].replace("\n", " ")
        rows.append([f"[`{rule.id}`](rule-{rule.id}.html)", rule.title, summary])
    return f"# screening\n\nOne page a rule:\n\n{markdown_table(rows)}\n"


def rule_page(rule: Rule, measured: Measured | None, pictures: Mapping[str, str]) -> str:
    """`pictures`: caption -> path of the example evidence and plots that belong to the rule."""
    sections = rule.sections()
    parts = [f"# {rule.title} (`{rule.id}`)\n\n{sections['']}"]
    parts += [f"## {heading}\n\n{sections[heading]}" for heading in HEADINGS if heading != "Blind spots"]
    parts.append(f"### By policy\n\n{markdown_table(limits_by_policy(rule))}")
    parts.append(f"## What is said\n\n{markdown_table(sentences(rule))}")
    parts.append(f"## How often it is right\n\n{figures_of(rule.id, measured)}")
    parts.append(f"## Blind spots\n\n{sections['Blind spots']}")
    if pictures:
        shown = "\n\n".join(f"![{caption}]({path})\n\n{caption}" for caption, path in pictures.items())
        parts.append(f"## Examples\n\n{shown}")
    return "\n\n".join(parts) + "\n"


def limits_by_policy(rule: Rule) -> Table:
    policies = [Policy.load(name) for name in policy_names()]
    rows = [["measure", *(p.name for p in policies)]]
    for measure in rule.measures:
        cells = []
        for policy in policies:
            settings = policy.rules[rule.id]
            limits = settings.measures.get(measure, MeasurePolicy())
            cells.append(_limits(limits) if settings.enabled else "off")
        rows.append([f"`{measure}`", *cells])
    return rows


def _limits(m: MeasurePolicy) -> str:
    words = [
        (m.fail_above, "fails above"), (m.fail_below, "fails below"), (m.warn_above, "warns above"),
        (m.warn_below, "warns below"),
    ]  # fmt: skip
    return "; ".join(f"{say} {limit:g}" for limit, say in words if limit is not None) or "not limited"


def sentences(rule: Rule) -> Table:
    """Those of the default policy."""
    settings = Policy.load(policy_names()[0]).rules[rule.id]
    rows = [["when", "sentence", "how to mend it"], ["kept", settings.ok, ""]]
    for name, m in settings.measures.items():
        rows += [
            [f"`{name}` {how}", said, m.fix] for how, said in (("fails", m.fail), ("warns", m.warn)) if said
        ]
    return rows


def figures_of(rule: str, measured: Measured | None) -> str:
    if measured is None or rule not in measured[0].rules:
        return "Not measured on labelled photos."
    found, fits = measured
    r = found.rules[rule]
    head = main_table(found)
    table = [head[0][1:], next(row[1:] for row in head if row[0] == rule)]
    parts = [f"On {found.photos} labelled photos. {EXPLAINED['Rules']}", markdown_table(table)]
    if rule in fits:
        fit = limits_table({rule: fits[rule]})
        parts.append(f"{EXPLAINED['Limits']}\n\n{markdown_table([row[1:] for row in fit])}")
    rows = [["group", "missed", "false alarm"]]
    rows += [
        [g, text(missed), text(alarm)]
        for g, (missed, alarm) in r.groups.items()
        if max(missed.n, alarm.n) >= FEW
    ]
    parts.append(markdown_table(rows))
    if r.reliability is not None:
        parts.append(
            f"Its probability: expected calibration error {number(r.reliability.error)}, Brier score "
            f"{number(r.reliability.brier)}.\n\n![reliability of {rule}](img/reliability-{rule}.svg)"
        )
    return "\n\n".join(parts)


def policies_page() -> str:
    parts = ["# The shipped policies"]
    for name in policy_names():
        policy = Policy.load(name)
        off = [i for i, r in policy.rules.items() if not r.enabled]
        rows = [["rule", "measure", "limits"]]
        for i, settings in policy.rules.items():
            if settings.enabled:
                rows += [
                    [f"[`{i}`](rule-{i}.html)", f"`{m}`", _limits(p)] for m, p in settings.measures.items()
                ]
        parts.append(f"## {policy.title} (`{name}`)\n\n{markdown_table(rows)}")
        if off:
            parts.append(f"Off: {', '.join(f'`{i}`' for i in off)}.")
    return "\n\n".join(parts) + "\n"


def networks_page() -> str:
    """The cards, their headings a level lower."""
    cards = [re.sub(r"^#", "##", card.read_text("utf-8"), flags=re.M) for card in sorted(CARDS.glob("*.md"))]
    return "\n\n".join(["# The networks trained here", *cards]) + "\n"


def accuracy_page(measured: Measured | None) -> str:
    if measured is None:
        return "# Accuracy\n\nNot measured: there is no docs/accuracy.json.\n"
    found, fits = measured
    parts = [
        f"# Accuracy on {found.photos} labelled photos",
        "Written by `python -m benchmarks.accuracy`, which measures any labelled folder the same way. "
        f"Of clean photos {short(found.let_through)} are let through, of violating ones {short(found.stopped)} "
        "stopped.",
    ]
    parts += [
        f"## {t}\n\n{EXPLAINED[t]}\n\n{markdown_table(rows)}" for t, rows in tables(found, fits).items()
    ]
    learned = [rule for rule, r in found.rules.items() if r.reliability is not None]
    parts.append("## Reliability curves")
    parts += [f"![reliability of {rule}](img/reliability-{rule}.svg)" for rule in learned]
    return "\n\n".join(parts) + "\n"


def defects_page(rows: Mapping[str, Mapping[str, object]]) -> str:
    """`rows`: what the rig found, by defect; see benchmarks/defects.py."""
    table = [["defect", "rule", "unit of the dose", "fails from", "expected", "other rules that fail"]]
    for name, row in rows.items():
        flips = ", ".join("never" if f is None else f"{f:g}" for f in _list(row["flips"]))
        expected = " to ".join(f"{e:g}" for e in _list(row["expected"]))
        others = ", ".join(str(o) for o in _list(row["others"]))
        said = DEFECTS[name].rule
        table.append(
            [
                name,
                f"[`{said}`](rule-{said}.html)" if said else "none",
                str(row["unit"]),
                flips,
                expected,
                others,
            ]
        )
    plots = "\n\n".join(f"![{name}](img/defect-{name}.svg)" for name in rows)
    return (
        "# Controlled defects\n\nOne conforming portrait, one defect at a growing dose, and what every rule's "
        "margin does: below 0 the rule is broken. Red: the rule that must notice. Things drawn onto the "
        f"portrait prove little about real ones.\n\n{markdown_table(table)}\n\n{plots}\n"
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
