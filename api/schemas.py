"""Bodies as the OpenAPI document shows them. Answers are the library's own JSON; tests hold them against these."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .problems import MEDIA_TYPE

_PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAAEUlEQVR42mOsZ0AFTAwjWgAAmIEAn/xP3+QAAAAASUVORK5CYII="
)
"""A grey square, so small that an example can hold it."""
SCREEN_EXAMPLES: dict[str, Any] = {
    "whole": {"summary": "Every rule of the default policy", "value": {"image_base64": _PICTURE}},
    "some": {
        "summary": "Some rules, with the picture back",
        "value": {
            "image_base64": _PICTURE,
            "name": "me.png",
            "rules": ["format", "pose"],
            "annotate": "json",
        },
    },
}
VALIDATION_EXAMPLES: dict[str, Any] = {
    "phoenix-4.5": {"value": {"imageBase64": _PICTURE, "mimeType": "image/png", "model": "phoenix-4.5"}}
}
CREATE_EXAMPLES: dict[str, Any] = {
    "photo": {
        "value": {
            "train_image_url": "https://photos.example/me.jpg?X-Amz-Expires=172800",
            "voice_name": "anna",
            "replica_name": "me",
        }
    }
}
Annotate = Literal["no", "json", "png"]


class ScreenBody(BaseModel):
    """A photo in JSON: exactly one of `image_base64` and `image_url`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image_base64: str | None = Field(None, description="The file in base64; a data: URL will do too")
    image_url: str | None = Field(None, description="Where the photo is, if this service fetches addresses")
    name: str | None = Field(None, description="Name to show in the report")
    policy: str | None = Field(None, description="Policy; the service's default without it")
    rules: list[str] | None = Field(None, description="Rules to run; all of the policy's without it")
    annotate: Annotate | bool | None = Field(None, description="As the query parameter; true means json")


class MeasureOut(BaseModel):
    name: str
    value: float
    unit: str
    fail_above: float | None = None
    fail_below: float | None = None
    warn_above: float | None = None
    warn_below: float | None = None


class EvidenceOut(BaseModel):
    kind: Literal["box", "points", "polygon", "line"]
    label: str
    points: list[Annotated[list[float], Field(min_length=2, max_length=2)]]


class RuleOut(BaseModel):
    id: str
    title: str
    status: Literal["pass", "warn", "fail", "unassessed", "not_run"]
    reason: str
    fix: str
    probability: float | None
    margin: float | None
    measures: list[MeasureOut]
    evidence: list[EvidenceOut]


class CodeOut(BaseModel):
    code: str
    message: str


class NamedHash(BaseModel):
    name: str
    sha256: str


class CropOut(BaseModel):
    box: Annotated[list[float], Field(min_length=4, max_length=4)]
    mends: list[str]


class SoftwareOut(BaseModel):
    name: str
    version: str


class ReportOut(BaseModel):
    """The report on one photo, schema 1."""

    schema_: Literal[1] = Field(alias="schema")
    verdict: Literal["pass", "fail", "unsure", "error"]
    passed: bool
    image: dict[str, Any]
    policy: NamedHash
    rules: list[RuleOut]
    crop: CropOut | None
    error: CodeOut | None
    software: SoftwareOut
    models: list[NamedHash]
    timings_ms: dict[str, float]
    annotated: str | None = Field(None, description="Data URL of a PNG, where it was asked for")


class ProblemOut(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


class SectionOut(BaseModel):
    heading: str
    text: str


class RuleDocOut(BaseModel):
    id: str
    title: str
    summary: str
    sections: list[SectionOut]
    measures: list[str]
    needs: list[str]


class RulesOut(BaseModel):
    rules: list[RuleDocOut]


class PolicyNameOut(BaseModel):
    name: str
    title: str
    sha256: str


class PoliciesOut(BaseModel):
    default: str
    policies: list[PolicyNameOut]


class PolicyOut(BaseModel):
    name: str
    title: str
    sha256: str
    rules: dict[str, Any]


class VersionOut(BaseModel):
    software: SoftwareOut
    models: list[NamedHash]


class HealthOut(BaseModel):
    status: Literal["ok", "not ready"]
    detail: str


class ValidationBody(BaseModel):
    """The vendor's validator: `imageBase64` without a data: prefix."""

    model_config = ConfigDict(extra="ignore")

    imageBase64: str
    mimeType: str
    model: Literal["phoenix-4", "phoenix-4.5"] = "phoenix-4"


class CheckOut(BaseModel):
    id: str
    label: str
    passed: bool


class ValidationOut(BaseModel):
    passed: bool
    checks: list[CheckOut]
    details: dict[str, Any]


class VendorErrorOut(BaseModel):
    model_config = ConfigDict(extra="allow")

    error: str
    message: str
    code: str


class CreateBody(BaseModel):
    """A create call as the vendor takes it; fields not named here are passed on as they are."""

    model_config = ConfigDict(extra="allow")

    train_image_url: str
    voice_name: str


class PreflightOut(BaseModel):
    passed: bool
    problems: list[CodeOut]
    warnings: list[CodeOut]
    notice: str
    report: ReportOut | None


class FixOut(BaseModel):
    image: str = Field(description="Data URL of the mended photo")
    actions: list[str]
    report: ReportOut


def problems(*statuses: int, vendor: bool = False) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for its `responses`."""
    name = "VendorErrorOut" if vendor else "ProblemOut"
    media = "application/json" if vendor else MEDIA_TYPE
    content = {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {
        status: {"description": _WORDS[status], "content": content}
        for status in sorted({*statuses, 401, 429})
    }


_WORDS = {
    400: "The request cannot be made out",
    401: "No valid key",
    404: "There is no such thing",
    408: "The body took too long to arrive",
    409: "The same call was made before and its outcome is open",
    413: "Too large",
    415: "Not a media type that is taken here",
    422: "Not an image, or options that are not there",
    429: "Too many requests from one caller",
    502: "The upstream could not be reached or broke off",
    503: "The queue is full, or the networks are not usable",
    504: "Not done in time",
}
