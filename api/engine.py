"""The library behind the service: one Screener per policy and choice of rules (networks are one set per process)."""

from __future__ import annotations

import base64
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image as PillowImage

from screening import Policy, Report, Screener, __version__
from screening.annotate import annotate
from screening.decode import Limits
from screening.errors import Internal, PolicyInvalid
from screening.fix import fix
from screening.networks import manifest, session
from screening.policy import policy_names
from screening.rules.base import HEADINGS, ORDER, Rule, registry
from screening.types import Image

Rules = tuple[str, ...] | None
ANNOTATED_SIDE = 1600
"""Longest side of an annotated picture, pixels: enough to look at, quick to encode."""
_SCREENERS = 64


@dataclass(frozen=True, slots=True)
class Mended:
    """A mended photo: encoded image, its media type, what was done to it, and its report."""

    data: bytes
    media_type: str
    actions: tuple[str, ...]
    report: Report


class Engine(Protocol):
    """What the routes need. Methods may be called from several threads."""

    def check_policy(self, name: str) -> str: ...
    def policies(self) -> list[dict[str, Any]]: ...
    def policy(self, name: str) -> dict[str, Any]: ...
    def rules(self) -> list[dict[str, Any]]: ...
    def screen(self, data: bytes, name: str, policy: str, rules: Rules = None) -> Report: ...
    def annotated(
        self, data: bytes, name: str, policy: str, rules: Rules = None
    ) -> tuple[Report, bytes | None]: ...
    def fix(self, data: bytes, name: str, policy: str) -> Mended: ...
    def self_test(self) -> None: ...
    def models(self) -> list[dict[str, str]]: ...


class Library:
    """The engine that screens."""

    def __init__(self, policy_files: tuple[str, ...] = (), max_bytes: int | None = None) -> None:
        loaded = [Policy.load(n) for n in policy_names()] + [Policy.load(Path(f)) for f in policy_files]
        self._policies = {p.name: p for p in loaded}
        if len(self._policies) != len(loaded):
            raise PolicyInvalid(
                "Two policies have the same name; every file of SCREENING_POLICY_FILES needs its own."
            )
        self._limits = Limits() if max_bytes is None else Limits(max_bytes=max_bytes)
        self._screeners: OrderedDict[tuple[str, Rules], Screener] = OrderedDict()
        self._lock = threading.Lock()

    def check_policy(self, name: str) -> str:
        self._policy(name)
        return name

    def policies(self) -> list[dict[str, Any]]:
        return [{"name": p.name, "title": p.title, "sha256": p.sha256} for p in self._policies.values()]

    def policy(self, name: str) -> dict[str, Any]:
        found = self._policy(name)
        return found.to_dict() | {"sha256": found.sha256}

    def rules(self) -> list[dict[str, Any]]:
        found = registry()
        return [describe(found[i]) for i in ORDER]

    def screen(self, data: bytes, name: str, policy: str, rules: Rules = None) -> Report:
        return self._screener(policy, rules).screen(data, name)

    def annotated(
        self, data: bytes, name: str, policy: str, rules: Rules = None
    ) -> tuple[Report, bytes | None]:
        """The report and a PNG with its evidence drawn; None in place of the PNG for what is not an image."""
        report, photo = self._screener(policy, rules).screen_with_photo(data, name)
        return report, None if photo is None else _png(annotate(_reduced(photo.pixels), report))

    def fix(self, data: bytes, name: str, policy: str) -> Mended:
        fixed = fix(data, self._policy(policy))
        with PillowImage.open(io.BytesIO(fixed.image_bytes), formats=("JPEG", "PNG")) as image:
            media_type = PillowImage.MIME[image.format or "JPEG"]
        return Mended(fixed.image_bytes, media_type, tuple(fixed.actions), fixed.report)

    def self_test(self) -> None:
        """Load every network, and see that a plain grey picture does not pass. Raises ModelError, Internal."""
        for record in manifest.networks():
            session.session(record.name)
        picture = PillowImage.new("RGB", (640, 640), (127, 127, 127))
        if self._screener("tavus-image", None).screen(picture, "self-test").passed:
            raise Internal("The networks pass an empty grey picture; this installation is broken.")

    def models(self) -> list[dict[str, str]]:
        return [{"name": n.name, "sha256": n.sha256} for n in manifest.networks()]

    def _policy(self, name: str) -> Policy:
        if name not in self._policies:
            raise PolicyInvalid(
                f"There is no policy called {name[:60]!r}; there are {', '.join(self._policies)}."
            )
        return self._policies[name]

    def _screener(self, policy: str, rules: Rules) -> Screener:
        key = policy, None if rules is None else tuple(sorted(set(rules)))
        with self._lock:
            found = self._screeners.get(key)
            if found is None:
                found = Screener(self._policy(policy), rules, limits=self._limits)
                self._screeners[key] = found
                if len(self._screeners) > _SCREENERS:
                    self._screeners.popitem(last=False)
            self._screeners.move_to_end(key)
            return found


def describe(rule: Rule) -> dict[str, Any]:
    """A rule as `GET /v1/rules` shows it."""
    sections = rule.sections()
    return {
        "id": rule.id,
        "title": rule.title,
        "summary": sections[""],
        "sections": [{"heading": h, "text": sections[h]} for h in HEADINGS],
        "measures": list(rule.measures),
        "needs": sorted(rule.needs),
    }


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def software() -> str:
    return __version__


def _reduced(pixels: Image) -> Image:
    image = PillowImage.fromarray(pixels)
    if max(image.size) > ANNOTATED_SIDE:
        image.thumbnail((ANNOTATED_SIDE, ANNOTATED_SIDE), PillowImage.Resampling.BOX)
    return np.asarray(image)


def _png(pixels: Image) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()
