"""Writes what is documented in the code itself: `python -m docs.make` fills build/docs.

rules.md: every rule's page, from its docstring. openapi.json: the service's description.
"""

from __future__ import annotations

import json
from pathlib import Path

from api.app import create_app
from api.settings import Settings
from screening.rules.base import HEADINGS, registry

FOLDER = Path("build/docs")


def rules() -> str:
    """Markdown: one section per rule, in the order of the report."""
    parts = ["# The rules\n"]
    for rule in registry().values():
        sections = rule.sections()
        parts.append(f"## {rule.title} (`{rule.id}`)\n\n{sections['']}\n")
        parts += [f"### {heading}\n\n{sections[heading]}\n" for heading in HEADINGS if heading in sections]
        parts.append(f"Measures: {', '.join(f'`{m}`' for m in rule.measures)}.\n")
    return "\n".join(parts)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "rules.md").write_text(rules(), encoding="utf-8")
    described = create_app(Settings()).openapi()
    (FOLDER / "openapi.json").write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")
    print(f"{FOLDER}/rules.md, {FOLDER}/openapi.json")


if __name__ == "__main__":
    main()
