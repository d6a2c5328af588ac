"""The manifest of networks (`manifest.toml`): one record per network, read once, never written."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from screening.errors import ModelMissing


@dataclass(frozen=True, slots=True)
class Network:
    """One network's record.

    `file` is relative to the models folder; `sha256` lower-case hex; `input_size` (width, height) in pixels;
    `input_range` what 0 and 255 become; `member` the wheel's TFLite member it is converted from, or None for
    the networks trained here, whose files are part of the repository. `calibration` is the JSON file that turns
    a trained network's outputs into probabilities, with its own SHA-256.
    """

    name: str
    file: str
    sha256: str
    input_size: tuple[int, int]
    input_range: tuple[float, float]
    origin: str
    licence: str
    used_for: str
    member: str | None = None
    calibration: str | None = None
    calibration_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Wheel:
    """The pinned wheel whose TFLite graphs are converted, and how to ask an installer for exactly it."""

    project: str
    version: str
    file: str
    sha256: str
    python: str
    abi: str
    platform: str
    license_member: str


def _network(record: dict[str, Any]) -> Network:
    width, height = record.pop("input")
    low, high = record.pop("range")
    return Network(input_size=(width, height), input_range=(low, high), **record)


@cache
def _read() -> tuple[Wheel, dict[str, Network]]:
    text = resources.files(__package__).joinpath("manifest.toml").read_text("utf-8")
    content = tomllib.loads(text)
    found = [_network(record) for record in content["network"]]
    names = [network.name for network in found]
    if len(set(names)) != len(names):
        raise ValueError("manifest.toml names a network twice")
    return Wheel(**content["wheel"]), {network.name: network for network in found}


def wheel() -> Wheel:
    return _read()[0]


def networks() -> tuple[Network, ...]:
    """Every network, in the manifest's order."""
    return tuple(_read()[1].values())


def network(name: str) -> Network:
    """The record of that name; raises `ModelMissing`."""
    try:
        return _read()[1][name]
    except KeyError:
        known = ", ".join(_read()[1])
        raise ModelMissing(f"There is no network called {name!r}; the manifest has {known}.") from None
