"""The only joiner: source -> decode -> scene -> rules -> policy -> report."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image as PillowImage

from screening import mend, policy as policies
from screening._version import __version__
from screening.decode import Limits, decode, decode_array
from screening.errors import ModelError, ScreeningError
from screening.policy import Policy, judge
from screening.report import Crop, Report, RuleResult, Verdict
from screening.rules.base import ORDER, Rule, registry
from screening.scene import Scene
from screening.source import name_of, read
from screening.types import Image, Photo

Source = str | Path | bytes | BinaryIO | PillowImage.Image | Image

COST = {"format": 0, "resolution": 0, "centering": 1, "framing": 1, "pose": 1, "sharpness": 1}
"""Rules that answer from little work come first when stopping at the first failure; the others cost alike."""


class Screener:
    """Screens photos under one policy. Thread-safe; networks are loaded on first need, once a process.

    Parameters
    ----------
    policy: a shipped policy's name, a path of a TOML file, or a Policy.
    rules: ids to run (None: all that the policy enables); the others are `not_run`.
    first_failure: stop at the first rule that fails; the rest are `not_run`.
    limits: what decoding refuses.

    Raises PolicyInvalid, and ValueError for an unknown rule id.
    """

    def __init__(
        self,
        policy: str | Path | Policy = "tavus-image",
        rules: Collection[str] | None = None,
        *,
        first_failure: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.policy = policy if isinstance(policy, Policy) else Policy.load(policy)
        unknown = set(rules or ()) - set(ORDER)
        if unknown:
            raise ValueError(f"no such rule: {', '.join(sorted(unknown))}; the rules are {', '.join(ORDER)}")
        self.rules = None if rules is None else frozenset(rules)
        self.first_failure = first_failure
        self.limits = limits or Limits()

    def screen(self, source: Source, name: str | None = None) -> Report:
        """The report on one photo: path, bytes, binary file, PIL image or (h, w, 3) uint8 RGB array.

        A source that cannot be read or decoded gives a report with verdict "error". Raises ModelError where a
        network's file is missing or altered.
        """
        return self.screen_with_photo(source, name)[0]

    def screen_with_photo(self, source: Source, name: str | None = None) -> tuple[Report, Photo | None]:
        """As `screen`, with the decoded photo (None after an error), which saves decoding it again to draw on it."""
        started = time.perf_counter()
        try:
            photo = self._photo(source, name)
        except ModelError:
            raise
        except ScreeningError as error:
            return self.error_report(name or name_of(source), error), None
        scene = Scene(photo)
        scene.timings["decode"] = (time.perf_counter() - started) * 1000
        return self._report(scene), photo

    def screen_many(self, sources: Iterable[Source], workers: int = 1) -> Iterator[Report]:
        """Reports in the order of `sources`, `workers` photos at a time, never more than 2 x workers ahead."""
        if workers < 1:
            raise ValueError("workers must be at least 1")
        with ThreadPoolExecutor(workers, "screening") as pool:
            waiting: deque[Future[Report]] = deque()
            try:
                for source in sources:
                    waiting.append(pool.submit(self.screen, source))
                    if len(waiting) >= 2 * workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _photo(self, source: Source, name: str | None) -> Photo:
        if isinstance(source, PillowImage.Image | np.ndarray):
            return decode_array(source, name or "photo", self.limits)
        data, found = read(source, max_bytes=self.limits.max_bytes)
        return decode(data, name or found, self.limits)

    def _report(self, scene: Scene) -> Report:
        results: dict[str, RuleResult] = {}
        stopped = False
        order = sorted(ORDER, key=lambda i: COST.get(i, 2)) if self.first_failure else ORDER
        for rule_id in order:
            rule = registry()[rule_id]
            why = self._why_not(rule, stopped)
            results[rule_id] = policies.not_run(rule, why) if why else self._run(rule, scene)
            stopped = stopped or (self.first_failure and results[rule_id].status == "fail")
        ordered = tuple(results[i] for i in ORDER)
        return Report(
            verdict=verdict(ordered),
            image=scene.facts,
            name=scene.facts.name,
            policy=self.policy.name,
            policy_sha256=self.policy.sha256,
            rules=ordered,
            crop=self._crop(scene, results),
            software=__version__,
            models=scene.models_used(),
            timings_ms=scene.timings | {"total": sum(scene.timings.values())},
        )

    def _why_not(self, rule: Rule, stopped: bool) -> str:
        if not self.policy.rules[rule.id].enabled:
            return f"Off in the policy {self.policy.name}."
        if self.rules is not None and rule.id not in self.rules:
            return "Not asked for."
        return "Another rule failed before." if stopped else ""

    def _run(self, rule: Rule, scene: Scene) -> RuleResult:
        before, started = sum(scene.timings.values()), time.perf_counter()
        found = scene.run(rule.measure)
        spent = (time.perf_counter() - started) * 1000
        scene.timings[f"rule.{rule.id}"] = max(0.0, spent - (sum(scene.timings.values()) - before))
        return judge(self.policy, rule, found)

    def _crop(self, scene: Scene, results: dict[str, RuleResult]) -> Crop | None:
        """A crop is looked for only where the rules it is judged by have run."""
        if any(results[i].status == "not_run" for i in mend.GEOMETRIC):
            return None

        def statuses(cropped: Scene) -> dict[str, RuleResult]:
            return {
                i: judge(self.policy, registry()[i], registry()[i].measure(cropped)) for i in mend.GEOMETRIC
            }

        return mend.crop(scene, {i: results[i] for i in mend.GEOMETRIC}, statuses)

    def error_report(self, name: str, error: ScreeningError) -> Report:
        """The report on a photo that could not be screened: verdict "error", no rule assessed."""
        why = "The photo could not be opened."
        rules = tuple(
            RuleResult(
                i,
                registry()[i].title,
                "not_run" if self._why_not(registry()[i], False) else "unassessed",
                why,
                "",
            )
            for i in ORDER
        )
        return Report(
            verdict="error",
            image=None,
            name=name,
            policy=self.policy.name,
            policy_sha256=self.policy.sha256,
            rules=rules,
            error=(error.code, error.message),
            software=__version__,
        )


def verdict(results: Iterable[RuleResult]) -> Verdict:
    """`fail` when a rule fails, `unsure` when none fails and one could not be assessed, else `pass`."""
    statuses = {r.status for r in results}
    return "fail" if "fail" in statuses else "unsure" if "unassessed" in statuses else "pass"


def rejudge(report: Report, policy: Policy) -> Report:
    """The stored measures of a report under another policy, without the photo. The crop is not looked for again."""
    if report.error is not None:
        return report
    results = []
    stored = {r.id: r for r in report.rules}  # of another version it may have other rules
    for rule in registry().values():
        old = stored.get(rule.id)
        if not policy.rules[rule.id].enabled:
            results.append(policies.not_run(rule, f"Off in the policy {policy.name}."))
        elif old is None or old.status == "not_run":
            results.append(
                RuleResult(
                    rule.id, rule.title, "unassessed", "It was not run when the photo was screened.", ""
                )
            )
        else:
            results.append(judge(policy, rule, policies.measurement_of(old)))
    return Report(
        verdict=verdict(results),
        image=report.image,
        name=report.name,
        policy=policy.name,
        policy_sha256=policy.sha256,
        rules=tuple(results),
        software=report.software,
        models=report.models,
        timings_ms=report.timings_ms,
    )
