"""Builds the documentation: `python -m docs.make` fills build/docs with HTML pages and openapi.json.

One page per rule from its docstring, the policies, the committed figures (docs/accuracy.json, written by
`python -m benchmarks.accuracy --json`) and the fixtures; the guides from docs/*.md; the cards from models/cards.
"""

from __future__ import annotations

import argparse
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image

from api.app import create_app
from api.settings import Settings
from benchmarks import defects
from benchmarks.accuracy.render import curve, from_json
from docs import cost, pages
from fixtures import make
from screening import Screener
from screening.rules.base import ORDER, registry

SOURCE = Path(__file__).parent
FIGURES = SOURCE / "accuracy.json"
GUIDES = ("reports", "batch", "policies", "adding-a-rule", "service")
SHOWN = 420
"""Longest side of an example, pixels."""


def measured() -> pages.Measured | None:
    return from_json(FIGURES.read_text("utf-8")) if FIGURES.is_file() else None


def build(out: Path, *, pictures: bool = True) -> list[Path]:
    """Writes the pages; without `pictures` nothing that has to run the networks. Returns their paths."""
    (out / "img").mkdir(parents=True, exist_ok=True)
    figures = measured()
    if figures is not None:
        for name, r in figures[0].rules.items():
            if r.reliability is not None:
                (out / f"img/reliability-{name}.svg").write_text(curve(name, r.reliability), encoding="utf-8")
    screener = Screener() if pictures else None
    rows = plots(out, screener) if screener else {}
    examples = dict(evidence(out, screener)) if screener else {}
    texts = {"index": pages.index(), "shipped-policies": pages.policies_page()}
    for rule in registry().values():
        shown = examples.get(rule.id, {}) | {
            f"{name.replace('_', ' ')}, dose against margin": f"img/defect-{name}.svg"
            for name in rows
            if defects.DEFECTS[name].rule == rule.id
        }
        texts[f"rule-{rule.id}"] = pages.rule_page(rule, figures, shown)
    texts |= {"accuracy": pages.accuracy_page(figures), "defects": pages.defects_page(rows)}
    texts |= {"networks": pages.networks_page(), "cost": cost.page(cost.figures())} | {
        g: (SOURCE / f"{g}.md").read_text("utf-8") for g in GUIDES
    }
    written = []
    for name, text in texts.items():
        path = out / f"{name}.html"
        path.write_text(page(text), encoding="utf-8")
        written.append(path)
    described = create_app(Settings()).openapi()
    (out / "openapi.json").write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")
    return written


def plots(out: Path, screener: Screener) -> dict[str, dict[str, object]]:
    """Runs the rig on the fixture; writes a plot per defect and returns what it found."""
    portrait = defects.fixture(screener)
    rows = {}
    for defect in defects.DEFECTS.values():
        series = defects.measured(defect, portrait, screener)
        (out / f"img/defect-{defect.name}.svg").write_text(defects.plot(defect, [series]), encoding="utf-8")
        rows[defect.name] = defects.row(defect, [series])
    return rows


def evidence(out: Path, screener: Screener) -> Iterator[tuple[str, dict[str, str]]]:
    """Per rule, captions and pictures of the first fixture that must break it and of the conforming one."""
    cases = make.cases()
    paths = dict(zip(cases, make.make(), strict=True))
    for rule in ORDER:
        broken = next((name for name, case in cases.items() if rule in case.get("fail", ())), None)
        shown = {}
        for name in filter(None, (broken, "conforming")):
            report, photo = screener.screen_with_photo(paths[name])
            if photo is None:  # a fixture that is no photo
                continue
            picture = Image.fromarray(report.annotate(photo.pixels, [rule]))
            picture.thumbnail((SHOWN, SHOWN))
            path = f"img/{rule}-{name}.jpg"
            picture.save(out / path, quality=85)
            result = report[rule]
            shown[f"{name.replace('_', ' ')}: {result.status}. {result.reason} {result.fix}".strip()] = path
        yield rule, shown


def page(text: str) -> str:
    """HTML of a Markdown text, with the navigation."""
    title = re.search(r"^# (.*)$", text, re.M)
    body = MarkdownIt("commonmark").enable("table").render(text)
    links = [
        ("index", "Rules"),
        ("reports", "Reports"),
        ("policies", "Write a policy"),
        ("shipped-policies", "Policies"),
    ]
    links += [("adding-a-rule", "Add a rule"), ("accuracy", "Accuracy"), ("defects", "Defects")]
    links += [("networks", "Networks"), ("service", "Service")]
    nav = " ".join(f'<a href="{name}.html">{label}</a>' for name, label in links)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title[1] if title else 'screening')}</title><style>{STYLE}</style>"
        f"<nav>{nav}</nav><main>{body}</main></html>\n"
    )


STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; border-bottom: 1px solid #ccc; padding-bottom: .6rem }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .9em }
th, td { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top }
th { background: #f3f3f3 } img { max-width: 100% } pre { background: #f6f6f6; padding: .8rem; overflow-x: auto }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the documentation.")
    parser.add_argument("--out", type=Path, default=Path("build/docs"))
    parser.add_argument("--no-pictures", action="store_true", help="nothing that has to run the networks")
    options = parser.parse_args()
    written = build(options.out, pictures=not options.no_pictures)
    print(f"{len(written)} pages: {options.out}/index.html")


if __name__ == "__main__":
    main()
