"""Configuration by environment variables, `SCREENING_` and the field's name; docs/service.md has the same table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from screening.errors import ScreeningError

PREFIX = "SCREENING_"


class SettingsInvalid(ScreeningError):
    """An environment variable says what cannot be."""

    code = "settings_invalid"


def _split(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


def _state_file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "screening" / "gate.sqlite3"


class Settings(BaseSettings):
    """What can be set. Sizes are bytes, times seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    workers: int = Field(1, ge=1, description="Processes, each with its own networks and queue")
    threads: int = Field(0, ge=0, description="Photos at a time per process; 0 is one per core, shared out")
    queue: int = Field(32, ge=0, description="Requests that may wait per process; more are answered 503")
    time_limit: float = Field(20, gt=0, description="Seconds a photo may wait and take before 504")
    upload_limit: float = Field(
        60, gt=0, description="Seconds a request's body may take to arrive before 408"
    )
    shutdown_limit: int = Field(60, ge=1, description="Seconds a stop waits for what was started")
    max_bytes: int = Field(20 * 2**20, gt=0, description="Largest photo in bytes")
    batch_files: int = Field(500, gt=0, description="Most photos in a batch")
    batch_bytes: int = Field(256 * 2**20, gt=0, description="Largest batch in bytes, also unpacked")
    policy: str = Field("tavus-image", description="Policy when a request names none")
    policy_files: Words = Field((), description="TOML policies to offer beside the shipped ones, by comma")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)] = Field(
        (), description="Keys, by comma, one of which every /v1 request must carry; empty is open"
    )
    rate: int = Field(
        0, ge=0, description="Requests a minute per key, or per address without keys; 0 is no limit"
    )
    cors_origins: Words = Field((), description="Origins, by comma, whose pages may call; empty is none")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses whose X-Forwarded-For and -Proto headers are believed"
    )
    root_path: str = Field("", description="Path under which a proxy serves this")
    log_level: str = Field("info", description="debug, info, warning or error")
    fetch: bool = Field(False, description="Whether image_url is fetched in /v1")
    fetch_http: bool = Field(False, description="Whether plain http URLs are fetched too")
    fetch_limit: float = Field(10, gt=0, description="Seconds a fetch may take in all")
    gate_upstream: str = Field("", description="The vendor's base URL; empty keeps the gate off")
    gate_fetch: bool = Field(False, description="Whether the gate and preflight fetch train_image_url")
    gate_policy: str = Field("tavus-image", description="Policy of the gate and preflight")
    gate_voices: Words = Field(
        (), description="The only voice names let through, by comma; empty lets any slug"
    )
    gate_limit: float = Field(60, gt=0, description="Seconds the upstream may take to answer")
    gate_hours: float = Field(
        24, gt=0, description="Hours a create call is remembered, so that a retry is not sent"
    )
    gate_db: Path = Field(
        default_factory=_state_file,
        description="SQLite file of the remembered calls (default: screening/gate.sqlite3 in XDG_STATE_HOME)",
    )

    @field_validator("gate_upstream")
    @classmethod
    def _base_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must be an http or https URL")
        return value.rstrip("/")

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("must be debug, info, warning or error")
        return value.lower()

    @property
    def threads_each(self) -> int:
        """Threads that screen in one process."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.threads or max(1, cores // self.workers)


def load() -> Settings:
    """The settings as the environment says. Raises SettingsInvalid."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [
            f"{PREFIX}{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsInvalid(f"The service cannot start. {'; '.join(wrong)}.") from error
