"""What a rule is: a pure function from a scene to measures, with its documentation in its docstring.

A rule file is named after the rule's id and holds one function `measure(scene)`, decorated with `@rule`. Its module
docstring has the headings of `HEADINGS`; it is the rule's page in `screening explain`, the API and the docs.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from screening.scene import Scene
from screening.types import Measurement, NotMeasured

HEADINGS = ("What it measures", "Why", "Limits", "Blind spots")

ORDER = (
    "format", "resolution", "one_person", "human", "adult", "framing", "centering", "pose", "sharpness", "glasses",
    "headwear", "headphones", "face_covering", "jewelry", "hair", "lighting",
)  # fmt: skip
"""Every rule, in the order of the report."""

MeasureFunction = Callable[[Scene], Measurement | NotMeasured]


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule. `needs` names the observations of the scene that it may use."""

    id: str
    title: str
    needs: frozenset[str]
    measures: tuple[str, ...]
    """Names of the measures it can return: a policy may only put limits on these."""
    measure: MeasureFunction
    doc: str

    def sections(self) -> dict[str, str]:
        """Docstring by heading; the part before the first heading is under ""."""
        parts = re.split(rf"^({'|'.join(HEADINGS)})\n-+\n", self.doc, flags=re.M)
        return {"": parts[0].strip()} | {h: t.strip() for h, t in zip(parts[1::2], parts[2::2], strict=True)}


def rule(
    *, title: str, needs: tuple[str, ...], measures: tuple[str, ...]
) -> Callable[[MeasureFunction], Rule]:
    """Turn `measure(scene)` of a rule file into the `Rule` named after that file."""

    def wrap(function: MeasureFunction) -> Rule:
        module = inspect.getmodule(function)
        name = function.__module__.rsplit(".", 1)[-1]
        doc = inspect.cleandoc((module.__doc__ if module else None) or "")
        return Rule(name, title, frozenset(needs), measures, function, doc)

    return wrap


@cache
def registry() -> dict[str, Rule]:
    """All rules by id, in report order."""
    return {name: importlib.import_module(f"screening.rules.{name}").measure for name in ORDER}
