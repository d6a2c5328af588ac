"""The command line: what it prints where, and how it exits. A screener that needs no network is put in place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from screening import __version__
from screening.batch.journal import OutputTaken, read_reports
from screening.cli import batch as batch_module, check as check_module
from screening.cli.app import app
from screening.cli.common import code_of
from screening.errors import NotFound, PolicyInvalid
from screening.policy import policy_names
from screening.rules.base import ORDER
from screening.screener import Screener
from tests.batch_fakes import PolicyFake

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_a_folder_with_fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(check_module, "Screener", PolicyFake)
    monkeypatch.setattr(batch_module, "Screener", PolicyFake)
    Path("good.jpg").write_bytes(b"good")
    Path("worse.jpg").write_bytes(b"worse")  # an odd length fails
    Path("bad.jpg").write_bytes(b"bad")


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, terminal_width=200)


def names(path: str) -> list[str]:
    return [r.name for r in read_reports(Path(path))]


# --- check


@pytest.mark.parametrize(
    ("photos", "code"),
    [
        (["good.jpg"], 0),
        (["good.jpg", "worse.jpg"], 1),
        (["worse.jpg", "bad.jpg"], 3),
        (["missing.jpg", "good.jpg"], 3),
        (["."], 3),
        ([], 2),
    ],
)
def test_check_exits_by_the_worst_photo(photos: list[str], code: int) -> None:
    assert run("check", *photos).exit_code == code


def test_check_prints_every_photo_even_after_a_bad_one() -> None:
    out = run("check", "bad.jpg", "good.jpg", "worse.jpg").stdout
    assert out.index("bad.jpg") < out.index("good.jpg") < out.index("worse.jpg")
    assert "3 photos: 1 pass · 1 fail · 1 error" in out


def test_check_json_is_a_report_a_line() -> None:
    found = run("check", "--json", "worse.jpg", "bad.jpg")
    first, second = (json.loads(line) for line in found.stdout.splitlines())
    assert (first["verdict"], first["image"]["name"]) == ("fail", "worse.jpg")
    assert (second["verdict"], second["error"]["code"]) == ("error", "not_an_image")


def test_check_annotate_writes_a_picture_a_photo_and_replaces_none_of_its_own(tmp_path: Path) -> None:
    Path("sub").mkdir()
    Path("sub/good.jpg").write_bytes(b"also")
    run("check", "good.jpg", "sub/good.jpg", "bad.jpg", "--annotate", "found")
    assert sorted(p.name for p in Path("found").iterdir()) == ["good-annotated.jpg", "good-annotated2.jpg"]
    with Image.open("found/good-annotated.jpg") as picture:
        assert picture.size == (64, 80)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "good.jpg", "--rules", "glases"], "no such rule: glases"),
        (["check", "good.jpg", "--rules", ","], "no such rule"),
        (["batch", "good.jpg"], "--output"),
        (["batch", "good.jpg", "-o", "out.jsonl", "--workers", "0"], "--workers"),
        (["explain", "glases"], "no such rule: glases"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(arguments: list[str], words: str) -> None:
    found = run(*arguments)
    assert found.exit_code == 2
    assert words in found.stderr
    assert found.stdout == ""


def test_an_invalid_policy_is_wrong_usage() -> None:
    Path("mine.toml").write_text('extends = "tavus-image"\n[rules.glases]\n')
    found = run("check", "good.jpg", "--policy", "mine.toml")
    assert isinstance(found.exception, PolicyInvalid)
    assert "rules.glases" in str(found.exception)
    assert code_of(found.exception) == 2
    assert code_of(NotFound("x")) == 3


# --- batch


def test_batch_writes_every_format_and_a_summary() -> None:
    Path("photos/sub").mkdir(parents=True)
    for name in ("a.jpg", "sub/b.jpg", "notes.txt"):
        Path("photos", name).write_bytes(name.encode())
    outputs = ("-o", "o.jsonl", "--csv", "new/o.csv", "--html", "o.html", "--parquet", "o.parquet")
    found = run("batch", "photos", *outputs, "--recursive", "--workers", "2")
    assert found.exit_code == 1, found.stderr
    assert names("o.jsonl") == ["a.jpg", "sub/b.jpg"]
    assert "2 photos: 2 fail" in found.stdout
    assert "1 files are no photos" in found.stderr
    assert [Path(o).stat().st_size > 0 for o in outputs[1::2]] == [True] * 4


@pytest.mark.parametrize(
    ("photos", "options", "code", "reports"),
    [
        (["good.jpg"], [], 0, 1),
        (["good.jpg", "worse.jpg"], [], 1, 2),
        (["bad.jpg", "worse.jpg"], [], 3, 2),
        (["worse.jpg", "good.jpg"], ["--fail-on", "hair"], 0, 2),
        (["worse.jpg", "good.jpg"], ["--fail-on", "hair", "--fail-on", "glasses"], 1, 2),
        (["good.jpg", "worse.jpg", "bad.jpg"], ["--fail-fast"], 1, 2),
        (["worse.jpg", "good.jpg", "bad.jpg"], ["--fail-fast", "--fail-on", "hair"], 3, 3),
    ],
)
def test_batch_exit_codes(photos: list[str], options: list[str], code: int, reports: int) -> None:
    found = run("batch", *photos, "-o", "o.jsonl", "--workers", "1", *options)
    assert found.exit_code == code, found.stderr
    assert names("o.jsonl") == photos[:reports]


def test_batch_resumes_and_shows_everything_in_its_outputs() -> None:
    assert run("batch", "good.jpg", "-o", "o.jsonl", "--workers", "1").exit_code == 0
    assert isinstance(run("batch", "good.jpg", "-o", "o.jsonl").exception, OutputTaken)
    found = run(
        "batch", "good.jpg", "worse.jpg", "good.jpg", "-o", "o.jsonl", "--resume", "--csv", "o.csv", "-w", "1"
    )
    assert names("o.jsonl") == ["good.jpg", "worse.jpg"]
    assert "2 photos: 1 pass · 1 fail" in found.stdout
    assert "1 photos had a report from an earlier run" in found.stderr
    assert "1 photos were given twice" in found.stderr
    assert len(Path("o.csv").read_text("utf-8-sig").splitlines()) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_in_order_and_resume_goes_on() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.batch_fakes", "cli", "batch", "-", "-o", "o.jsonl", "--workers", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("good.jpg\n")
        process.stdin.flush()
        while not (Path("o.jsonl").exists() and Path("o.jsonl").read_bytes().endswith(b"\n")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)  # stdin stays open: it waits for more
        out, err = process.communicate()
    assert process.returncode == 130
    assert "1 photo: 1 pass" in out
    assert "--resume goes on" in err
    assert "Traceback" not in err
    assert run("batch", "good.jpg", "worse.jpg", "-o", "o.jsonl", "--resume", "-w", "1").exit_code == 1
    assert names("o.jsonl") == ["good.jpg", "worse.jpg"]


# --- reports


def test_diff_says_which_verdicts_changed() -> None:
    run("batch", "good.jpg", "worse.jpg", "-o", "old.jsonl", "-w", "1")
    Path("good.jpg").write_bytes(b"changed")
    run("batch", "good.jpg", "worse.jpg", "-o", "new.jsonl", "-w", "1")
    found = run("diff", "old.jsonl", "new.jsonl")
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        "good.jpg: pass -> fail  glasses pass -> fail",
        "1 same, 1 changed, 0 added, 0 removed",
    ]
    assert run("diff", "old.jsonl", "old.jsonl").exit_code == 0
    assert isinstance(run("diff", "old.jsonl", "missing.jsonl").exception, NotFound)


# --- rules, policies, networks


def test_rules_lists_all_of_them_in_order() -> None:
    assert [line.split("\t")[0] for line in run("rules").stdout.splitlines()] == list(ORDER)


@pytest.mark.parametrize("rule", ORDER)
def test_explain_has_every_heading(rule: str) -> None:
    out = run("explain", rule).stdout
    for heading in ("What it measures", "Why", "Limits", "Blind spots", "In the policy tavus-image"):
        assert f"\n{heading}\n" in out


def test_policy_show_lists_and_shows() -> None:
    assert [line.split("\t")[0] for line in run("policy", "show").stdout.splitlines()] == list(policy_names())
    out = run("policy", "show", "tavus-image").stdout
    assert all(f"\n{rule}: " in out for rule in ORDER)
    assert json.loads(run("policy", "show", "tavus-image", "--json").stdout)["name"] == "tavus-image"


def test_policy_diff_and_check() -> None:
    Path("mine.toml").write_text(
        'name = "mine"\nextends = "tavus-image"\n[rules.headwear]\nenabled = false\n'
    )
    found = run("policy", "diff", "tavus-image", "mine.toml")
    assert found.exit_code == 1
    assert found.stdout == "headwear.enabled: true -> false\n"
    assert run("policy", "diff", "mine.toml", "mine.toml").exit_code == 0
    checked = run("policy", "check", "mine.toml")
    assert checked.exit_code == 0
    assert "mine is valid" in checked.stdout


def test_models_are_listed_and_verified() -> None:
    assert all(line.split("\t")[1] == "ok" for line in run("models", "list").stdout.splitlines())
    assert run("models", "verify").exit_code == 0


def test_an_altered_network_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.networks.store.folder", lambda: tmp_path)
    found = run("models", "verify")
    assert found.exit_code == 4
    assert "face_detection_short_range" in found.stderr


# --- as a program


def test_the_program_says_its_version_and_its_errors_in_one_sentence() -> None:
    def program(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "screening", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )

    assert program("--version").stdout == f"screening {__version__}\n"
    wrong = program("policy", "check", "missing.toml")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("screening: policy missing.toml: no such file")
    assert wrong.stderr.count("\n") == 1


def test_help_of_every_command() -> None:
    for command in (
        "check",
        "batch",
        "rules",
        "explain",
        "diff",
        "rejudge",
        "serve",
        "policy show",
        "models pull",
    ):
        found = run(*command.split(), "--help")
        assert found.exit_code == 0
        assert "Usage" in found.stdout


# --- with the networks


@pytest.mark.networks
def test_real_photos_from_check_to_rejudge(
    portrait: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_module, "Screener", Screener)
    monkeypatch.setattr(batch_module, "Screener", Screener)
    Path("photos").mkdir()
    portrait.resize((1024, 1024)).save("photos/a.jpg", quality=95)
    portrait.save("photos/b.png")
    portrait.resize((300, 300)).save("photos/c.jpg")
    Path("photos/d.jpg").write_bytes(Path("photos/a.jpg").read_bytes()[:9000])

    assert run("batch", "photos", "-o", "two.jsonl", "-w", "2", "--html", "o.html").exit_code == 3
    assert run("batch", "photos", "-o", "one.jsonl", "-w", "1").exit_code == 3
    two, one = ([_untimed(r.to_dict()) for r in read_reports(Path(p))] for p in ("two.jsonl", "one.jsonl"))
    assert two == one
    assert [r["image"]["name"] for r in two] == ["a.jpg", "b.png", "c.jpg", "d.jpg"]
    assert two[3]["error"]["code"] == "truncated"

    for report in two[:3]:  # the same report, whichever way the photo came
        checked = json.loads(run("check", "--json", f"photos/{report['image']['name']}").stdout)
        checked["image"]["name"] = report["image"]["name"]
        assert _untimed(checked) == report

    same = run("rejudge", "one.jsonl", "--policy", "tavus-image", "-o", "same.jsonl")
    assert same.exit_code == 0, same.exception
    assert run("diff", "--rules", "one.jsonl", "same.jsonl").exit_code == 0
    Path("small.toml").write_text(
        'name = "small"\nextends = "tavus-image"\n[rules.resolution.measures.short_side]\nfail_below = 200\n'
    )
    run("rejudge", "one.jsonl", "--policy", "small.toml", "-o", "small.jsonl")
    changed = run("diff", "--rules", "one.jsonl", "small.jsonl").stdout.splitlines()
    assert len(changed) == 2
    assert changed[0].startswith("c.jpg: ")
    assert "resolution fail -> " in changed[0]


def _untimed(report: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in report.items() if key != "timings_ms"}
