"""`python -m benchmarks.accuracy`: the figures, on generated labels and reports."""

from __future__ import annotations

import csv
import json
import math
import random
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy import limits, skin
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.figures import average_precision, balanced, figures, reliability, share
from benchmarks.accuracy.labels import Label, LabelsInvalid, Photo, matched, read_labels
from screening import Policy
from screening.policy import MeasurePolicy, judge
from screening.report import Report, RuleResult
from screening.rules.base import ORDER, registry
from screening.screener import rejudge
from screening.types import Box, Evidence, ImageFacts, Measure, Measurement, NotMeasured

RULES = [r for r in ORDER if r not in ("format", "resolution")]
SCORE = Path(__file__).parents[2] / "shared/photos/score.py"


def facts(name: str) -> ImageFacts:
    return ImageFacts(name, "0" * 64, "JPEG", 120, 160, 1000)


def report(name: str, results: list[RuleResult]) -> Report:
    return Report("pass", facts(name), name, "tavus-image", "0" * 64, tuple(results), software="1")


def generated(folder: Path, count: int = 160) -> tuple[Path, Path, Path]:
    """Labels, reports and photos of a rule-by-rule screener of random skill."""
    rng = random.Random(3)
    labels, reports, photos = folder / "labels.csv", folder / "reports.jsonl", folder / "photos"
    photos.mkdir()
    with labels.open("w", newline="") as file, reports.open("w") as out:
        rows = csv.writer(file)
        rows.writerow(["file", *RULES, "sex", "age", "skin", "beard", "codes"])
        for i in range(count):
            name = f"g{i}.jpg"
            marks = [rng.choices(["0", "1", "2", ""], [7, 1, 1, 0.5])[0] for _ in RULES]
            codes = rng.choice(["", "F1s | ", "G2e | G2e", " | O1y L2", "J1e | "])
            rows.writerow(
                [
                    name,
                    *marks,
                    rng.choice("mf"),
                    rng.choice("tas"),
                    rng.choice("123"),
                    rng.choice(["", "1"]),
                    codes,
                ]
            )
            results = []
            for rule, mark in zip(RULES, marks, strict=True):
                skill = {"0": 0.6, "1": 0.0, "2": -0.6, "": 0.2}[mark]
                margin = round(rng.gauss(skill, 0.5), 1)  # rounded: ties
                status = rng.choices(["", "unassessed"], [30, 1])[0] or (
                    "fail" if margin < 0 else rng.choice(["pass", "warn"])
                )
                probability = min(max(0.5 - margin / 2, 0), 1) if rule == "glasses" else None
                measured = None if status == "unassessed" else margin
                results.append(RuleResult(rule, rule, status, "", "", probability, measured))  # type: ignore[arg-type]
            if i % 40 == 7:
                results.pop()  # a rule that the report does not have is unassessed
            out.write(report(f"some/folder/{name}", results).to_json() + "\n")
            Image.new("RGB", (120, 160), (200, 160, 140)).save(photos / name)
        out.write(report("not_labelled.jpg", []).to_json() + "\n")
    return labels, reports, photos


def run(tmp_path: Path, labels: Path, reports: Path, photos: Path, *more: str) -> dict[str, Any]:
    code = main([str(labels), str(photos), "--reports", str(reports), "--out", str(tmp_path / "out"), *more])
    assert code == 0
    found: dict[str, Any] = json.loads((tmp_path / "out/accuracy.json").read_text())
    return found


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Shares as counts and bounds; they write NaN bounds where there is no photo."""
    assert (ours["k"], ours["n"]) == (theirs["k"], theirs["n"])
    if theirs["n"]:
        for key in ("share", "low", "high"):
            assert ours[key] == pytest.approx(theirs[key], abs=1e-6)
    else:
        assert ours["share"] is None


@pytest.mark.skipif(not SCORE.is_file(), reason="the reference scorer is not here")
def test_agrees_with_the_reference_scorer_figure_by_figure(tmp_path: Path) -> None:
    labels, reports, photos = generated(tmp_path)
    ours = run(tmp_path, labels, reports, photos, "--no-sheets")
    said = subprocess.run(
        [sys.executable, str(SCORE), str(labels), str(reports), "--json", str(tmp_path / "theirs.json")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert ours["photos"] == theirs["photos"] == 160
    assert list(ours["rules"]) == list(theirs["rules"])
    for rule, figure in theirs["rules"].items():
        for key in ("recall", "false_alarm", "unassessed"):
            same(ours["rules"][rule][key], figure[key])
        assert ours["rules"][rule]["auc"] == pytest.approx(figure["auc"], abs=1e-6)
        assert figure["recall"]["n"] > 5
    for key in ("let_through", "let_through_acceptable", "stopped"):
        same(ours[key], theirs[key])
    for group, figure in theirs["groups"].items():
        same(ours["groups"][group], figure)


@pytest.mark.skipif(not SCORE.is_file(), reason="the reference scorer is not here")
def test_lists_the_same_mistakes_as_the_reference_scorer(tmp_path: Path) -> None:
    from benchmarks.accuracy.figures import mistakes
    from screening.batch.journal import read_reports

    labels, reports, _ = generated(tmp_path)
    photos, _ = matched(read_labels(labels), read_reports(reports))
    said = subprocess.run(
        [sys.executable, str(SCORE), str(labels), str(reports), "--mistakes", "pose"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    missed, alarms = mistakes(photos, "pose")
    theirs = {tuple(line.split("\t")[:2]) for line in said.stdout.splitlines()}
    ours = {(p.label.file, "missed") for p in missed} | {(p.label.file, "false alarm") for p in alarms}
    assert ours == theirs


def test_everything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, reports, photos = generated(tmp_path, 60)
    policy = tmp_path / "mine.toml"
    run(tmp_path, labels, reports, photos, "--suggest-policy", str(policy), "--false-alarm", "0.1")
    out = tmp_path / "out"
    assert (out / "accuracy.md").read_text() in capsys.readouterr().out
    page = (out / "accuracy.html").read_text()
    for rule in RULES:
        with Image.open(out / f"mistakes/{rule}.jpg") as sheet:
            assert sheet.width > 1000
        assert f"mistakes/{rule}.jpg" in page
    assert page.count("<svg") == 1  # one rule of these has probabilities
    assert "g1.jpg" not in (out / "accuracy.json").read_text()


def test_screens_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (640, 640), "white").save(tmp_path / "photos/blank.png")
    (tmp_path / "labels.csv").write_text("file,resolution\nblank.png,0\n")
    out = tmp_path / "out"
    assert main([str(tmp_path / "labels.csv"), str(tmp_path / "photos"), "--out", str(out)]) == 0
    assert json.loads((out / "accuracy.json").read_text())["rules"]["resolution"]["false_alarm"]["k"] == 0
    assert json.loads((out / "reports.jsonl").read_text())["image"]["name"] == "blank.png"


def test_a_photo_without_a_report_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, reports, photos = generated(tmp_path, 10)
    reports.write_text("".join(reports.read_text().splitlines(True)[1:2] * 2))
    assert (
        main(
            [str(labels), str(photos), "--reports", str(reports), "--out", str(tmp_path / "o"), "--no-sheets"]
        )
        == 2
    )
    said = capsys.readouterr().err
    assert "a second report for g1.jpg" in said
    assert "no report for g0.jpg" in said


@pytest.mark.parametrize(
    "text", ["name,pose\na,0\n", "file,pose\na,3\n", "file,pose\na,0\na,2\n", "file,other\na,0\n"]
)
def test_labels_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(LabelsInvalid):
        read_labels(tmp_path / "labels.csv")


def test_average_precision_by_hand() -> None:
    # From the lowest margin up: broken, kept, broken and kept together, broken.
    # Precision there: 1/1, then (of the tie) 2/4, then 3/5; each adds a third of recall.
    assert average_precision([-2.0, 0.0, 1.0], [-1.0, 0.0]) == pytest.approx((1 / 1 + 2 / 4 + 3 / 5) / 3)
    assert average_precision([], [1.0]) is None


def test_balanced_accuracy_is_the_mean_of_recall_and_specificity() -> None:
    one = balanced(share(8, 10), share(1, 20))
    assert one.share == pytest.approx((0.8 + 0.95) / 2)
    wide = balanced(share(80, 100), share(10, 200))
    assert one.low < wide.low < (0.8 + 0.95) / 2 < wide.high < one.high


def test_reliability_of_a_calibrated_and_of_a_boastful_screener() -> None:
    calibrated = reliability([0.25] * 4 + [0.75] * 4, [True, False, False, False, True, True, True, False])
    assert calibrated is not None
    assert calibrated.error == pytest.approx(0)
    assert [(b.mean, b.broken.share) for b in calibrated.bins] == [(0.25, 0.25), (0.75, 0.75)]
    boastful = reliability([1.0] * 4, [True, False, True, False])
    assert boastful is not None
    assert boastful.error == pytest.approx(0.5)
    assert boastful.brier == pytest.approx(0.5)


def plain() -> Policy:
    """Glasses fail above 0.5, whatever the shipped limit is today."""
    shipped = Policy.load("tavus-image")
    own = replace(shipped.rules["glasses"], measures={"glasses": MeasurePolicy(fail_above=0.5, scale=0.5)})
    return replace(shipped, rules=dict(shipped.rules) | {"glasses": own})


def glasses(probability: float | None) -> Report:
    rule = registry()["glasses"]
    found = (
        NotMeasured("dark")
        if probability is None
        else Measurement((Measure("glasses", probability, "probability", {"kind": "glasses"}),))
    )
    return report("a", [judge(plain(), rule, found)])


def labelled(broken: list[float | None], kept: list[float | None]) -> list[Photo]:
    pairs = [("2", p) for p in broken] + [("0", p) for p in kept]
    return [
        Photo(Label(str(i), {"glasses": mark}, {}, "", str(i)), glasses(p))
        for i, (mark, p) in enumerate(pairs)
    ]


def test_a_suggested_policy_gives_the_fitted_figures(tmp_path: Path) -> None:
    """Read back and judged with, the written limits stop just as many as the fit says."""
    rng = np.random.default_rng(1)
    photos = labelled(list(rng.beta(2, 3, 60)), [*rng.beta(1, 5, 200), None])
    found = limits.fit(photos, "glasses", 0.2)
    assert found is not None
    base, at = tmp_path / "base.toml", tmp_path / "mine.toml"
    base.write_text(
        'extends = "tavus-image"\n[rules.glasses.measures.glasses]\nfail_above = 0.5\nwarn_above = false\n'
    )
    at.write_text(limits.policy_text("mine", str(base), at, plain(), {"glasses": found}))
    policy = Policy.load(at)
    assert tomllib.loads(at.read_text())["rules"].keys() == {"glasses"}
    again = [Photo(p.label, rejudge(p.report, policy)) for p in photos]
    before, after = figures(photos, {}).rules["glasses"], figures(again, {}).rules["glasses"]
    assert (after.recall.k, after.false_alarm.k) == (found.recall.k, found.false_alarm.k)
    assert 1 < after.false_alarm.k <= 0.2 * 201  # one is the photo that was not assessed
    assert after.auc == before.auc
    assert after.recall.k > before.recall.k


def test_a_limit_is_put_in_the_middle_of_the_gap() -> None:
    found = limits.fit(labelled([0.9, 0.8], [0.1, 0.2]), "glasses", 0.0)
    assert found is not None
    assert limits.moved(plain().rules["glasses"].measures["glasses"], found.shift)[
        "fail_above"
    ] == pytest.approx(0.5)


def test_cross_validation_sees_through_luck() -> None:
    """Where margins say nothing, the fitted recall beats the wished rate and the cross-validated one does not."""
    rng = np.random.default_rng(4)
    found = limits.fit(labelled(list(rng.random(40)), list(rng.random(400))), "glasses", 0.02)
    assert found is not None
    assert found.false_alarm.share is not None
    assert found.false_alarm.share <= 0.02
    assert found.false_alarm_cv.share is not None
    assert found.recall_cv.share is not None
    assert found.recall_cv.share <= (found.recall.share or 0)
    assert math.isclose(found.false_alarm_cv.share, 0.02, abs_tol=0.015)


def test_photos_of_one_person_stay_in_one_part() -> None:
    """The limit that finds the first person was learned from that person: without them it is not."""
    photos = labelled([0.35] * 10, [0.25] * 10)
    apart = limits.fit(photos, "glasses", 0.0)
    people = [
        Photo(Label(p.label.file, p.label.marks, {}, "", p.label.marks["glasses"]), p.report) for p in photos
    ]
    together = limits.fit(people, "glasses", 0.0)
    assert apart is not None
    assert together is not None
    assert (apart.recall.k, apart.recall_cv.k) == (10, 10)
    assert (together.recall.k, together.recall_cv.k) == (10, 0)


def test_skin_tone_is_read_from_the_brighter_cheek() -> None:
    from skimage.color import lab2rgb

    def skin_of(light: float, b: float) -> Any:
        return (lab2rgb(np.full((80, 40, 3), (light, 12.0, b))) * 255).round().astype(np.uint8)

    lit, shaded = skin_of(70, 18), skin_of(30, 18)
    face = Box(0, 0, 80, 80)
    expected = math.degrees(math.atan2(20, 18))
    assert skin.ita(np.hstack([lit, shaded]), face) == pytest.approx(expected, abs=2)
    assert skin.ita(np.hstack([shaded, lit]), face) == pytest.approx(expected, abs=2)
    assert skin.tone(expected) == "light"
    assert skin.tone(-50) == "dark"
    assert skin.ita(np.full((80, 80, 3), 128, np.uint8), face) is None  # black and white


def test_the_face_is_taken_from_the_report() -> None:
    box = Box(10, 20, 50, 70)
    seen = RuleResult(
        "framing",
        "",
        "pass",
        "",
        "",
        evidence=(Evidence.box("head", Box(0, 0, 9, 9)), Evidence.box("face", box)),
    )
    assert skin.face_of(report("a", [seen])) == box
    assert skin.face_of(report("a", [])) is None
