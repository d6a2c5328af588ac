"""The tree of exceptions, each with a stable code and one sentence that names the thing and what would help."""

from __future__ import annotations

LONGEST = 500
"""Characters of a sentence: it may quote a file's name or a value of a policy, of whatever length."""


class ScreeningError(Exception):
    """Base of every error this package raises on purpose. `code` is stable; `str(error)` is one sentence, one line."""

    code = "internal"

    def __init__(self, message: str) -> None:
        message = " ".join(message.split())
        super().__init__(message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…")

    @property
    def message(self) -> str:
        return str(self)


class SourceError(ScreeningError):
    """The bytes of a photo could not be had."""

    code = "unreadable"


class NotFound(SourceError):
    code = "not_found"


class NotAFile(SourceError):
    code = "not_a_file"


class Unreadable(SourceError):
    code = "unreadable"


class TooLargeBytes(SourceError):
    code = "too_large_bytes"


class DecodeError(ScreeningError):
    """The bytes are no image that can be screened."""

    code = "not_an_image"


class Empty(DecodeError):
    code = "empty"


class NotAnImage(DecodeError):
    code = "not_an_image"


class Truncated(DecodeError):
    code = "truncated"


class TooManyPixels(DecodeError):
    code = "too_many_pixels"


class BadDimensions(DecodeError):
    code = "bad_dimensions"


class UnsupportedFormat(DecodeError):
    code = "unsupported_format"


class ModelError(ScreeningError):
    """A network's file cannot be used."""

    code = "model_missing"


class ModelMissing(ModelError):
    code = "model_missing"


class ModelAltered(ModelError):
    code = "model_altered"


class PolicyInvalid(ScreeningError):
    code = "policy_invalid"


class UrlError(ScreeningError):
    """A photo's address could not be used."""

    code = "url_failed"


class UrlRefused(UrlError):
    code = "url_refused"


class UrlFailed(UrlError):
    code = "url_failed"


class Busy(ScreeningError):
    code = "busy"


class TimedOut(ScreeningError):
    code = "timeout"


class Internal(ScreeningError):
    code = "internal"
