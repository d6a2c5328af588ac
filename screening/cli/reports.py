"""`screening diff` and `rejudge`: what to do with reports that are already there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from screening.batch.compare import Change, compare
from screening.batch.journal import Journal, read_reports
from screening.cli import common
from screening.render.summary import Summary
from screening.render.terminal import STYLES, Terminal, printable
from screening.screener import rejudge as judge_again

Reports = Annotated[Path, typer.Argument(metavar="REPORTS.jsonl", help="What `screening batch` wrote.")]


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD.jsonl")],
    new: Annotated[Path, typer.Argument(metavar="NEW.jsonl")],
    rules: Annotated[
        bool, typer.Option("--rules", help="Also photos whose verdict stays, but a rule's status changes.")
    ] = False,
) -> None:
    """Show which photos' verdicts changed between two runs (two versions, or two policies).

    Exit code 1 if something changed. Photos go by their name.
    """
    console = common.out()
    counts = {"same": 0, "changed": 0, "added": 0, "removed": 0}
    for change in compare(old, new):
        kind = change.kind(rules)
        counts[kind] += 1
        if kind != "same":
            console.print(_line(change), soft_wrap=True)
    console.print(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    raise typer.Exit(common.OK if counts["same"] == sum(counts.values()) else common.NOT_PASSED)


def _line(change: Change) -> Text:
    text = Text(printable(change.name) + ": ", style="bold")
    for i, verdict in enumerate((change.before, change.after)):
        text.append(" -> " if i else "", style="not bold")
        text.append(verdict or "not there", style=STYLES.get(verdict or "", "dim"))
    if change.rules:
        text.append("  " + ", ".join(f"{r} {a} -> {b}" for r, a, b in change.rules), style="not bold")
    return text


def rejudge(
    reports: Reports,
    policy: Annotated[
        str, typer.Option("--policy", "-p", metavar="NAME|FILE", autocompletion=common.complete_policy)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.jsonl", dir_okay=False)],
) -> None:
    """Judge stored measures by another policy, without touching a photo.

    A rule that was not run then is unassessed now. A crop is not looked for again.
    """
    loaded = common.load_policy(policy)
    summary = Summary()
    with Journal(output, resume=False, policy_sha256=loaded.sha256, seen=summary.add) as journal:
        for report in read_reports(reports):
            again = judge_again(report, loaded)
            journal.append(again)
            summary.add(again)
    Terminal(common.out()).summary(summary)
