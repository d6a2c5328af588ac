"""The documentation: it builds, its links lead somewhere, and what it tells the reader to do works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from docs import cost, make
from screening import Policy
from screening.cli.app import app
from screening.rules.base import HEADINGS, registry

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs")
    make.build(out, pictures=False)
    return out


def blocks(guide: str, language: str) -> list[str]:
    """The code blocks of that language in a guide."""
    text = (ROOT / f"docs/{guide}.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def test_links_lead_somewhere(built: Path) -> None:
    for page in built.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^":#]+)"', page.read_text("utf-8")):
            if "img/defect" not in target:
                assert (built / target).is_file(), f"{page.name} -> {target}"


def test_every_rule_has_its_page(built: Path) -> None:
    index = (built / "index.html").read_text("utf-8")
    for rule in registry().values():
        page = (built / f"rule-{rule.id}.html").read_text("utf-8")
        assert f'href="rule-{rule.id}.html"' in index
        for heading in (*HEADINGS, "What is said", "How often it is right"):
            assert f"<h2>{heading}</h2>" in page
        for measure in rule.measures:
            assert f"<code>{measure}</code>" in page
    assert json.loads((built / "openapi.json").read_text())["paths"]


def test_a_rule_page_gives_the_limit_of_the_policy(built: Path) -> None:
    limit = Policy.load("tavus-image").rules["pose"].measures["yaw"].fail_above
    assert f"fails above {limit:g}" in (built / "rule-pose.html").read_text("utf-8")


def test_the_policy_in_the_guide_is_one(tmp_path: Path) -> None:
    (text,) = blocks("policies", "toml")
    (tmp_path / "ours.toml").write_text(text)
    policy = Policy.load(tmp_path / "ours.toml")
    assert not policy.rules["headwear"].enabled
    assert policy.rules["adult"].measures["under_18"].warn_above is None
    assert policy.rules["pose"].measures["gaze"].warn_above == 0.2


def test_the_commands_in_the_guides_exist() -> None:
    program = typer.main.get_command(app)
    for guide in make.GUIDES:
        text = (ROOT / f"docs/{guide}.md").read_text("utf-8")
        for name, sub in re.findall(r"`screening ([a-z]+)(?: (show|check|diff)\b)?", text):
            command = program.commands[name]  # type: ignore[attr-defined]
            assert not sub or sub in command.commands, f"{guide}: {name} {sub}"


def test_adding_a_rule_as_the_guide_says(tmp_path: Path) -> None:
    """In a copy of the source: the new rule is explained, judged and told in the report."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "screening", copy / "screening", ignore=shutil.ignore_patterns("__pycache__"))
    os.symlink(ROOT / "models", copy / "models")
    (rule,) = blocks("adding-a-rule", "python rule")
    (limits,) = blocks("adding-a-rule", "toml policy")
    (copy / "screening/rules/colour.py").write_text(rule)
    base = copy / "screening/rules/base.py"
    base.write_text(base.read_text().replace('"lighting",\n)', '"lighting", "colour",\n)'))
    policy = copy / "screening/policies/tavus-image.toml"
    policy.write_text(policy.read_text() + "\n" + limits)
    script = """
import json, numpy as np
from screening import Screener
screener = Screener(rules=["colour"])
grey, red = np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64, 3), np.uint8) + np.array([200, 20, 20], np.uint8)
print(json.dumps([screener.screen(grey).to_dict(), screener.screen(red).to_dict()]))
"""
    environment = os.environ | {"PYTHONPATH": str(copy)}

    def run(*command: str) -> str:
        said = subprocess.run(
            [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr
        return said.stdout

    grey, red = json.loads(run("-c", script))
    assert grey["rules"][-1]["id"] == "colour"
    assert (grey["rules"][-1]["status"], grey["verdict"]) == ("fail", "fail")
    assert (
        grey["rules"][-1]["reason"] == tomllib.loads(limits)["rules"]["colour"]["measures"]["chroma"]["fail"]
    )
    assert (red["rules"][-1]["status"], red["verdict"]) == ("pass", "pass")
    assert "black and white" in run("-m", "screening", "explain", "colour")
    assert not (ROOT / "screening/rules/colour.py").exists()


def test_the_committed_figures_can_be_read() -> None:
    found = make.measured()
    if found is None:
        pytest.skip("not measured yet")
    figures, _ = found
    assert set(figures.rules) <= set(registry())
    assert ".jpg" not in make.FIGURES.read_text()


def test_the_cost_page_computes_from_the_figures() -> None:
    found = cost.figures() | {"worker_peak_mb": 512.0, "parquet_bytes": 2000.0}
    found["workers"] = {"1": {"cpu_s_per_photo": 0.036, "start_cpu_s": 2.0}}
    text = cost.page(found)
    assert "| core-hours | 100 |" in text
    assert "| reports in Parquet | 20 GB |" in text
    assert "| an hour | 125 | 62 GB |" in text  # 100 core-hours and a quarter in reserve, half a GB a worker
