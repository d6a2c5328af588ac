"""What the commands share: consoles, exit codes, options."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from screening.errors import ScreeningError
from screening.policy import Policy, policy_names
from screening.rules.base import ORDER

OK, NOT_PASSED, USAGE, UNREADABLE, BROKEN, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = (
    "Exit code: 0 every photo passes, 1 some do not (they fail or are unsure), 2 wrong usage, "
    "3 some input cannot be read as a photo, 4 screening itself cannot run (a network is missing), 130 interrupted."
)


def out() -> Console:
    """Results go here: colour only on a terminal, nothing folded or shortened when piped."""
    return Console(file=sys.stdout, highlight=False, emoji=False, markup=False)


def err() -> Console:
    """Progress and complaints go here."""
    return Console(file=sys.stderr, highlight=False, emoji=False, markup=False)


def exit_code(passed: bool, unreadable: bool) -> int:
    return UNREADABLE if unreadable else OK if passed else NOT_PASSED


def complete_policy(incomplete: str) -> list[str]:
    return [name for name in policy_names() if name.startswith(incomplete)]


def complete_rule(incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + rule_id for rule_id in ORDER if rule_id.startswith(last)]


def rule_ids(value: str | None) -> tuple[str, ...] | None:
    """The ids of "glasses,hair". Raises typer.BadParameter naming what is no rule."""
    if value is None:
        return None
    ids = tuple(part.strip() for part in value.split(",") if part.strip())
    unknown = [i for i in ids if i not in ORDER]
    if unknown or not ids:
        raise typer.BadParameter(
            f"no such rule: {', '.join(unknown) or '(none given)'}; the rules are {', '.join(ORDER)}"
        )
    return ids


def load_policy(value: str) -> Policy:
    """The policy of that name or file; a policy that is not valid is wrong usage."""
    return Policy.load(value)


def writable(path: Path) -> Path:
    """The path, once its folder is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def code_of(error: ScreeningError) -> int:
    """The exit code for an error that ends a command."""
    if error.code in ("policy_invalid", "settings_invalid", "busy"):
        return USAGE
    if error.code in ("model_missing", "model_altered", "internal"):
        return BROKEN
    return UNREADABLE


def stdin_bytes() -> bytes:
    with os.fdopen(os.dup(0), "rb") as stream:
        return stream.read()


PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy",
        "-p",
        metavar="NAME|FILE",
        help="The limits to judge by: a shipped policy (`screening policy show` lists them) or your own TOML file.",
        autocompletion=complete_policy,
    ),
]
RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules",
        "-r",
        metavar="A,B",
        help="Only these rules, separated by commas; quicker, the others are not run.",
        autocompletion=complete_rule,
    ),
]
FirstFailureOption = Annotated[
    bool,
    typer.Option("--first-failure", help="Stop looking at a photo after the first rule it breaks; quicker."),
]
