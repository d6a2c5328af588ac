"""What reports look like: on a terminal, as a page, as tables."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from rich.console import Console

from screening.annotate import COLOURS
from screening.render.csv import write_csv
from screening.render.html import CHUNK, write_html
from screening.render.summary import Summary
from screening.render.terminal import Detail, Terminal
from screening.report import Crop, MeasureResult, Report, RuleResult
from screening.types import Box, Evidence, ImageFacts

HOSTILE = "=cmd|' /C calc'!A0 </script><script>alert(1)</script> \x1b[31mred.jpg"


def failing(name: str = "a.jpg", sha256: str = "a" * 64) -> Report:
    """A 1000 x 800 photo with one rule of each status and a crop."""
    rules = (
        RuleResult(
            "glasses", "No glasses", "fail", "You are wearing glasses.", "Take them off.", 0.9, -0.8,
            (MeasureResult("probability", 0.9, "probability", fail_above=0.5, warn_above=0.3),),
            (Evidence.box("glasses", Box(100, 200, 300, 400)),),
        ),
        RuleResult("pose", "Facing the camera", "warn", "Your head is turned a little.", "Look here.", None, 0.2),
        RuleResult("hair", "Hair behind the shoulders", "unassessed", "No face was found to look at.", ""),
        RuleResult("format", "JPEG or PNG", "pass", "It is a JPEG.", "", None, 1.0),
        RuleResult("adult", "Adult", "not_run", "Off in the policy.", ""),
    )  # fmt: skip
    facts = ImageFacts(name, sha256, "JPEG", 1000, 800, 12345)
    crop = Crop(Box(100, 0, 900, 800), ("centering",))
    return Report("fail", facts, name, "tavus-image", "0" * 64, rules, crop=crop, software="1.0")


def passing(name: str = "b.jpg") -> Report:
    rules = tuple(replace(r, status="pass", margin=0.5, evidence=()) for r in failing().rules)
    return replace(failing(name, "b" * 64), verdict="pass", rules=rules, crop=None)


def broken(name: str = "c.jpg") -> Report:
    rules = tuple(
        replace(r, status="unassessed", margin=None, measures=(), evidence=()) for r in failing().rules
    )
    message = f"{name} ends early; save it again."
    return Report(
        "error", None, name, "tavus-image", "0" * 64, rules, error=("truncated", message), software="1.0"
    )


# --- terminal


def shown(report: Report, *, terminal: bool = False, detail: Detail = "normal", width: int = 80) -> str:
    out = io.StringIO()
    colours: Literal["standard", "auto"] = "standard" if terminal else "auto"
    console = Console(
        file=out, force_terminal=terminal, width=width, highlight=False, markup=False, color_system=colours
    )
    Terminal(console, detail).report(report)
    return out.getvalue()


def test_a_report_says_verdict_reason_and_fix() -> None:
    text = shown(failing())
    first, *rest = text.splitlines()
    assert "FAIL" in first
    assert "a.jpg" in first
    body = "\n".join(rest)
    for words in (
        "You are wearing glasses.",
        "Take them off.",
        "turned a little",
        "No face was found",
        "format",
    ):
        assert words in body
    assert "It is a JPEG." not in body  # rules that pass are only named


def test_colour_only_on_a_terminal() -> None:
    assert "\x1b[" not in shown(failing())
    assert "\x1b[" in shown(failing(), terminal=True)


def test_piped_text_is_not_folded() -> None:
    long = replace(failing(), rules=(replace(failing().rules[0], reason="word " * 60),))
    assert any(len(line) > 300 for line in shown(long).splitlines())
    assert all(
        len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= 80 for line in shown(long, terminal=True).splitlines()
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_a_name_cannot_command_the_terminal(terminal: bool) -> None:
    for report in (failing(HOSTILE), broken(HOSTILE)):
        assert "\x1b[31mred" not in shown(report, terminal=terminal, width=200)
        assert "\\x1b[31mred.jpg" in shown(report, terminal=terminal, width=200)


def test_compact_says_only_what_does_not_pass_and_verbose_says_all() -> None:
    assert shown(passing(), detail="compact").count("\n") == 1
    verbose = shown(failing(), detail="verbose")
    assert "It is a JPEG." in verbose
    assert "probability 0.9 (fail > 0.5, warn > 0.3)" in verbose


def test_an_error_is_one_sentence() -> None:
    assert shown(broken()).splitlines()[1].strip() == "c.jpg ends early; save it again."


def test_marks_are_ascii_where_the_encoding_is() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii", write_through=True), width=80)
    Terminal(console).report(failing())
    assert b"x FAIL" in raw.getvalue()


def test_the_summary_counts_by_verdict_and_rule() -> None:
    summary = Summary()
    for report in (failing(), failing(), passing(), broken()):
        summary.add(report)
    out = io.StringIO()
    Terminal(Console(file=out, width=100)).summary(summary)
    text = out.getvalue()
    assert "4 photos: 1 pass · 2 fail · 1 error" in text
    assert re.search(r"glasses +2 +- +- +1 +66\.7%", text)
    assert "1 not screened: truncated" in text
    assert summary.failing()["glasses"] == 2


# --- tables


def test_csv_has_a_row_a_photo_and_cannot_run_formulas(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert write_csv(iter([failing(HOSTILE), broken(), passing()]), path) == 3
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, second, third = csv.DictReader(file)
    assert first["name"] == "'" + HOSTILE
    assert (first["verdict"], first["glasses"], first["glasses_margin"], first["failed"]) == (
        "fail",
        "fail",
        "-0.8",
        "glasses",
    )
    assert (second["error_code"], second["width"], second["glasses"]) == ("truncated", "", "unassessed")
    assert (third["passed"], third["hair_margin"]) == ("True", "0.5")


def test_parquet_has_types_and_the_whole_report(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from screening.render.parquet import write_parquet

    path = tmp_path / "out.parquet"
    reports = [broken(), failing(), passing()]  # the first has no measures to take a type from
    assert write_parquet(iter(reports), path) == 3
    rows = parquet.read_table(path).to_pylist()
    assert [r["width"] for r in rows] == [None, 1000, 1000]
    assert [r["glasses_margin"] for r in rows] == [None, -0.8, 0.5]
    assert [Report.from_dict(json.loads(r["report"])) for r in rows] == reports
    assert write_parquet(iter([]), path) == 0
    assert parquet.read_table(path).num_rows == 0


# --- page


def scripts(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', page, re.S)
    return {name: json.loads(text) for name, text in found}


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_html([failing(), broken()], path, lambda report: b"picture")
    page = path.read_text("utf-8")
    assert set(re.findall(r"https?://[^\s\"'`)]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert "default-src 'none'" in page


def test_the_page_runs_its_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_html([failing(HOSTILE)], path, title="<b>&")
    page = path.read_text("utf-8")
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert style
    assert script
    for found, kind in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in page
    assert page.count("<script") == len(scripts(page)) + 1
    assert "<title>&lt;b&gt;&amp;</title>" in page


def test_the_page_holds_every_photo_once_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    count = 2 * CHUNK + 1
    assert (
        write_html((failing(f"{i}.jpg") for i in range(count)), path, lambda report: report.name.encode())
        == count
    )
    data = scripts(path.read_text("utf-8"))
    assert [p[0] for p in data["index"]["photos"]] == [f"{i}.jpg" for i in range(count)]
    assert [len(data[f"chunk-{i}"]["photos"]) for i in range(3)] == [CHUNK, CHUNK, 1]
    last = data["chunk-2"]["photos"][0]
    assert base64.b64decode(last["picture"]) == f"{count - 1}.jpg".encode()
    assert data["chunk-2"]["words"][last["rules"][0][0]] == "You are wearing glasses."
    assert data["index"]["photos"][0][2] == "fwupn"


@pytest.mark.browser
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium is installed")
    path = tmp_path / "page.html"
    photos = [failing(f"f{i:03}.jpg") for i in range(130)] + [passing(f"p{i}.jpg") for i in range(5)]
    write_html([failing(HOSTILE), broken(), *photos], path)

    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append("a script of the data ran"))
        page.goto(path.as_uri())
        found = page.locator("#found")

        assert found.inner_text() == "137 of 137 photos"
        assert page.locator("#grid li").count() == 60
        page.click("#next")
        page.click("#next")
        assert page.locator("#page").inner_text() == "Page 3 of 3"
        assert page.locator("#grid li").count() == 17

        page.click("#verdicts button[data-tone=pass]")
        assert found.inner_text() == "5 of 137 photos"
        page.click("#reset")
        page.select_option("#rule", "glasses")
        page.select_option("#status", "f")
        assert found.inner_text() == "131 of 137 photos"
        page.fill("#text", "f01")
        assert found.inner_text() == "10 of 137 photos"
        page.reload()
        assert found.inner_text() == "10 of 137 photos"  # the address keeps the view

        page.locator("#grid button").first.click()
        assert page.locator("#detail-name").inner_text() == "f010.jpg"
        assert "You are wearing glasses. Take them off." in page.locator("#detail-body").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator("#detail-name").inner_text() == "f011.jpg"
        page.keyboard.press("Escape")
        page.click("#reset")
        page.locator("#rules tr[data-rule=glasses] td button").first.click()
        assert found.inner_text() == "131 of 137 photos"
        browser.close()
    assert said == []


def test_annotate_draws_the_crop_in_the_colour_of_a_pass() -> None:
    blank = np.zeros((800, 1000, 3), np.uint8)
    drawn = failing().annotate(blank)
    assert drawn[400, 100].tolist() == list(COLOURS["pass"])
    assert not failing().annotate(blank, rules=["format"]).any()
