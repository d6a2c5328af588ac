"""What is looked at in a create call before it may cost anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from screening.errors import UrlError
from screening.report import Report

from .pool import Slot
from .problems import bad_request
from .service import Service

NOTICE = (
    "By making this call the caller affirms to hold the rights to the image: likeness, publicity and copyright. "
    "That, and whether the vendor permits the subject, is not judged here."
)
EXAMPLE_VOICES = ("anna", "benjamin", "james", "julia", "liam", "ivy")
_SLUG = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*", re.ASCII)
_NEEDED = timedelta(hours=24)


@dataclass
class Checked:
    """The outcome. `problems` and `warnings` are (code, sentence); without problems the call may go on."""

    problems: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    report: Report | None = None

    @property
    def passed(self) -> bool:
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "problems": [{"code": c, "message": m} for c, m in self.problems],
            "warnings": [{"code": c, "message": m} for c, m in self.warnings],
            "notice": NOTICE,
            "report": None if self.report is None else self.report.to_dict(),
        }


def parse(raw: bytes) -> dict[str, Any]:
    """The body as an object. A key given twice is refused: two readers could take different ones.

    Raises Problem 400.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise bad_request("The body's JSON names a key twice.")
        return found

    try:
        body = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise bad_request("The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise bad_request("The body must be a JSON object.")
    return body


def is_photo_call(body: Mapping[str, Any]) -> bool:
    """Whether the call trains from a photo; others are not the gate's business."""
    return body.get("train_image_url") is not None


async def check(service: Service, slot: Slot, body: Mapping[str, Any]) -> Checked:
    """Everything about the call: its fields, then its URL, then its photo. Stops before what cannot be looked at."""
    found = Checked()
    _check_voice(service.settings.gate_voices, body, found)
    if body.get("train_video_url") is not None:
        found.problems.append(("invalid_request", "Send train_image_url or train_video_url, not both."))
    url = body["train_image_url"]
    if not isinstance(url, str) or not url:
        found.problems.append(("invalid_request", "train_image_url must be a URL."))
        return found
    if not service.settings.gate_fetch:
        found.problems.append(
            (
                "url_refused",
                "This service may not fetch train_image_url, so the photo was not looked at (SCREENING_GATE_FETCH).",
            )
        )
        return found
    try:
        photo = await service.fetcher.fetch(url)
    except UrlError as error:
        found.problems.append((error.code, error.message))
        return found
    warning = expiry_warning(url, datetime.now(UTC))
    if warning:
        found.warnings.append(("url_expires", warning))
    found.report = await service.screen(slot, photo.data, photo.name, service.settings.gate_policy)
    if found.report.error is not None:
        found.problems.append(found.report.error)
    elif not found.report.passed:
        found.problems.append(("photo_refused", _why(found.report)))
    return found


def _why(report: Report) -> str:
    wrong = [r for r in report.rules if r.status in ("fail", "unassessed")]
    return "The photo does not pass: " + " ".join(f"{r.reason} {r.fix}".strip() for r in wrong)


def _check_voice(allowed: tuple[str, ...], body: Mapping[str, Any], found: Checked) -> None:
    voice, own = body.get("voice_name"), body.get("default_voice_id")
    if voice is None and isinstance(own, str) and own:
        return  # the vendor's newer pages take the id of one's own trained voice in its place
    if voice is None:
        found.problems.append(
            ("invalid_request", "voice_name is missing: a photo has no voice to learn from.")
        )
    elif not isinstance(voice, str) or not _SLUG.fullmatch(voice):
        found.problems.append(
            ("invalid_request", "voice_name must be a slug such as anna: small letters, digits, hyphens.")
        )
    elif own is not None:
        found.problems.append(("invalid_request", "Send voice_name or default_voice_id, not both."))
    elif allowed and voice not in allowed:
        found.problems.append(("invalid_request", f"voice_name must be one of {', '.join(allowed)}."))
    elif not allowed and voice not in EXAMPLE_VOICES:
        found.warnings.append(
            ("voice_unknown", f"{voice[:60]} is none of the vendor's examples ({', '.join(EXAMPLE_VOICES)}).")
        )


def expiry_warning(url: str, now: datetime) -> str:
    """A sentence when a presigned URL says that it ends within 24 hours; empty otherwise."""
    end = expiry(url)
    if end is None or end - now >= _NEEDED:
        return ""
    when = end.strftime("%Y-%m-%d %H:%M UTC")
    return f"The photo's address stops working at {when}; the vendor asks for 24 hours from the call."


def expiry(url: str) -> datetime | None:
    """When a presigned URL ends: S3's and Google's V4 signatures, their older epoch form, Azure's `se`."""
    query = {k.lower(): v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    try:
        for vendor in ("x-amz", "x-goog"):
            if f"{vendor}-expires" in query:
                begun = datetime.strptime(query[f"{vendor}-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
                return begun + timedelta(seconds=int(query[f"{vendor}-expires"]))
        if "expires" in query:
            return datetime.fromtimestamp(int(query["expires"]), UTC)
        if "se" in query and "sig" in query:
            end = datetime.fromisoformat(query["se"])
            return end if end.tzinfo else end.replace(tzinfo=UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return None
