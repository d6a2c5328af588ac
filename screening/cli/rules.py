"""`screening rules`, `explain` and `policy`: what is looked at, why, and by which limits."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from screening.cli import common
from screening.policy import MeasurePolicy, Policy, policy_names
from screening.rules.base import ORDER, registry

policy_app = typer.Typer(no_args_is_help=True, help="The limits that photos are judged by.")


def rules_() -> None:
    """List the rules."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Rule", no_wrap=True)
    table.add_column("What it asks for")
    console = common.out()
    for rule_id, rule in registry().items():
        if console.is_terminal:
            table.add_row(Text(rule_id, style="bold"), rule.title)
        else:
            print(f"{rule_id}\t{rule.title}")
    if console.is_terminal:
        console.print(table)
        console.print(Text("\nscreening explain RULE tells more.", style="dim"))


def explain(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="A rule's id.", autocompletion=common.complete_rule)
    ],
    policy: common.PolicyOption = "tavus-image",
) -> None:
    """Tell what a rule measures, why, its limits, and what it cannot see."""
    common.rule_ids(rule)
    found = registry()[rule]
    console = common.out()
    console.print(Text(f"{found.id}: {found.title}", style="bold"))
    for heading, text in found.sections().items():
        if heading:
            console.print(Text(f"\n{heading}", style="bold"))
        console.print(Text(text), soft_wrap=not console.is_terminal)
    loaded = common.load_policy(policy)
    console.print(Text(f"\nIn the policy {loaded.name}", style="bold"))
    for line in _rule_lines(loaded, rule):
        console.print(Text(line), soft_wrap=True)


@policy_app.command("show")
def show(
    policy: Annotated[
        str | None, typer.Argument(metavar="NAME|FILE", autocompletion=common.complete_policy)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON, with every sentence.")] = False,
) -> None:
    """List the shipped policies, or show one: its rules and limits."""
    console = common.out()
    if policy is None:
        for name in policy_names():
            print(f"{name}\t{Policy.load(name).title}")
        return
    loaded = common.load_policy(policy)
    if json_:
        print(json.dumps(loaded.to_dict() | {"sha256": loaded.sha256}, indent=2, ensure_ascii=False))
        return
    console.print(Text(f"{loaded.name}: {loaded.title}", style="bold"), soft_wrap=True)
    for rule_id in ORDER:
        lines = _rule_lines(loaded, rule_id)
        console.print(Text.assemble((f"{rule_id}: ", "bold"), lines[0]), soft_wrap=True)
        for line in lines[1:]:
            console.print(Text(f"    {line}"), soft_wrap=True)


@policy_app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", autocompletion=common.complete_policy)],
    new: Annotated[str, typer.Argument(metavar="NEW", autocompletion=common.complete_policy)],
) -> None:
    """Show what differs between two policies; exit code 1 if something does."""
    before, after = (
        _flat(common.load_policy(old).to_dict()["rules"]),
        _flat(common.load_policy(new).to_dict()["rules"]),
    )
    console = common.out()
    changed = [
        key for key in [*before, *(k for k in after if k not in before)] if before.get(key) != after.get(key)
    ]
    for key in changed:
        console.print(Text(f"{key}: {_value(before, key)} -> {_value(after, key)}"), soft_wrap=True)
    if not changed:
        console.print("No difference in rules, limits or sentences.")
    raise typer.Exit(1 if changed else 0)


@policy_app.command("check")
def check(policy: Annotated[str, typer.Argument(metavar="FILE", help="A policy's TOML file.")]) -> None:
    """Say whether a policy file is valid; exit code 2 and a sentence that names the key if not."""
    loaded = common.load_policy(policy)
    on = sum(r.enabled for r in loaded.rules.values())
    common.out().print(f"{loaded.name} is valid: {on} of {len(loaded.rules)} rules are on.", soft_wrap=True)


def _rule_lines(policy: Policy, rule_id: str) -> list[str]:
    settings = policy.rules[rule_id]
    if not settings.enabled:
        return ["off"]
    lines = [f"{name}: {limits}" for name, m in settings.measures.items() if (limits := _limits(m))]
    return ["on", *lines] if lines else ["on, without a limit"]


def _limits(measure: MeasurePolicy) -> str:
    found = (
        ("fails above", measure.fail_above), ("fails below", measure.fail_below),
        ("warns above", measure.warn_above), ("warns below", measure.warn_below),
    )  # fmt: skip
    return ", ".join(f"{words} {value:g}" for words, value in found if value is not None)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in table.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return out


def _value(flat: dict[str, Any], key: str) -> str:
    return json.dumps(flat[key], ensure_ascii=False) if key in flat else "(none)"
