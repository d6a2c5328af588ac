"""Where the networks' files are, and the check every one of them passes before it is used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from screening.errors import ModelAltered, ModelMissing
from screening.networks import manifest


def folder() -> Path:
    """The models folder: inside the package in an installed wheel, `models` at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_models"
    return inside if inside.is_dir() else package.parent / "models"


def path(name: str) -> Path:
    """Where the network's file should be; raises `ModelMissing` for a name not in the manifest."""
    return folder() / manifest.network(name).file


def read(name: str) -> bytes:
    """The network's bytes, once their SHA-256 is the manifest's; raises `ModelMissing`, `ModelAltered`.

    Callers use these bytes and not the file again, so that what is run is what was checked.
    """
    record = manifest.network(name)
    return _checked(record, record.file, record.sha256)


def read_calibration(name: str) -> bytes:
    """The bytes of the network's calibration (JSON), checked like the network; raises the same errors."""
    record = manifest.network(name)
    if record.calibration is None or record.calibration_sha256 is None:
        raise ModelMissing(f"The manifest has no calibration for the network {name}.")
    return _checked(record, record.calibration, record.calibration_sha256)


def _checked(record: manifest.Network, relative: str, sha256: str) -> bytes:
    file = folder() / relative
    remedy = "run `screening models pull`" if record.member else "get the file from the release again"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ModelMissing(
            f"The network {record.name} cannot be read from {file} ({error.strerror}); {remedy}."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelAltered(
            f"The network {record.name} in {file} is not the one this version was made with "
            f"(its SHA-256 differs); {remedy}."
        )
    return data


@dataclass(frozen=True, slots=True)
class Status:
    """How a network's file stands: `message` is empty when it is fine."""

    network: manifest.Network
    path: Path
    state: Literal["ok", "missing", "altered"]
    message: str


def status() -> tuple[Status, ...]:
    """Every network of the manifest, with its file read and checked."""
    found = []
    for record in manifest.networks():
        state: Literal["ok", "missing", "altered"] = "ok"
        message = ""
        try:
            _verify(record)
        except ModelMissing as error:
            state, message = "missing", str(error)
        except ModelAltered as error:
            state, message = "altered", str(error)
        found.append(Status(record, path(record.name), state, message))
    return tuple(found)


def verify() -> None:
    """Check every network's file; raises the first `ModelMissing` or `ModelAltered`."""
    for record in manifest.networks():
        _verify(record)


def _verify(record: manifest.Network) -> None:
    read(record.name)
    if record.calibration is not None:
        read_calibration(record.name)
