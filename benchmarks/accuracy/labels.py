"""Labels and the reports that belong to them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from screening.errors import ScreeningError
from screening.report import Report, RuleResult
from screening.rules.base import ORDER

STOPS = ("fail", "unassessed")
"""Statuses that do not let a photo through."""


class LabelsInvalid(ScreeningError):
    """The file of labels is not one."""

    code = "labels_invalid"


@dataclass(frozen=True, slots=True)
class Label:
    """One photo's row. `marks`: "0" keeps the rule, "1" borderline, "2" breaks it, "" cannot be judged.

    `groups`: every other column but `codes` and `person_group`; `person`: photos of equal ones show the same people.
    """

    file: str
    marks: Mapping[str, str]
    groups: Mapping[str, str]
    codes: str
    person: str

    @property
    def human(self) -> bool:
        return self.marks.get("human", "0") == "0"

    @property
    def clean(self) -> bool:
        """Nothing against any judged rule."""
        return self.human and all(mark in ("0", "") for mark in self.marks.values())

    @property
    def acceptable(self) -> bool:
        """No looker saw anything clear."""
        return self.human and not re.search(r"\b[A-Z]2", self.codes)

    @property
    def violating(self) -> bool:
        return "2" in self.marks.values()


@dataclass(frozen=True, slots=True)
class Photo:
    """A labelled photo with its report."""

    label: Label
    report: Report

    def result(self, rule: str) -> RuleResult | None:
        """None where the report has no such rule, which counts as not assessed."""
        return next((r for r in self.report.rules if r.id == rule), None)

    def status(self, rule: str) -> str:
        result = self.result(rule)
        return "unassessed" if result is None else result.status

    def margin(self, rule: str) -> float | None:
        result = self.result(rule)
        return None if result is None else result.margin

    def passes(self, rules: Iterable[str]) -> bool:
        return not any(self.status(rule) in STOPS for rule in rules)


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by file name, in the file's order. A CSV with `file`, a column per rule and any columns of groups.

    Raises LabelsInvalid naming the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rules = [c for c in columns if c in ORDER]
            if "file" not in columns or not rules:
                raise LabelsInvalid(
                    f"{path}: it needs a column `file` and one per rule ({', '.join(ORDER)})."
                )
            groups = [c for c in columns if c not in (*rules, "file", "codes", "person_group")]
            labels: dict[str, Label] = {}
            for number, row in enumerate(reader, 2):
                marks = {rule: row[rule] or "" for rule in rules}
                if wrong := {r: m for r, m in marks.items() if m not in ("", "0", "1", "2")}:
                    raise LabelsInvalid(f"{path} line {number}: {wrong}; a mark is 0, 1, 2 or empty.")
                if row["file"] in labels:
                    raise LabelsInvalid(f"{path} line {number}: {row['file']} a second time.")
                labels[row["file"]] = Label(
                    row["file"],
                    marks,
                    {g: row[g] or "" for g in groups},
                    row.get("codes") or "",
                    row.get("person_group") or row["file"],
                )
            return labels
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsInvalid(f"{path}: cannot be read ({error}).") from error


def matched(labels: Mapping[str, Label], reports: Iterable[Report]) -> tuple[list[Photo], list[str]]:
    """The photos that have a report, in the labels' order, and a sentence for each that is wrong.

    A report belongs to the label whose file name is the last part of its own. Reports without a label are left out.
    """
    found: dict[str, Report] = {}
    wrong = []
    for report in reports:
        name = PurePath(report.name).name
        if name in found:
            wrong.append(f"a second report for {name}")
        if name in labels:
            found[name] = report
    wrong += [f"no report for {name}" for name in labels if name not in found]
    return [Photo(label, found[name]) for name, label in labels.items() if name in found], wrong
