"""Build hook: puts the networks and the service inside the wheel's one package, `screening`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface[BuilderConfig]):
    """`models/` becomes `screening/_models/`, `api/` becomes `screening/api/`. Editable installs read the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        models = Path(self.root, "models")
        converted = sorted(models.glob("mediapipe/*.onnx"))
        if not converted:
            raise RuntimeError(
                "models/mediapipe has no networks yet: run `make setup` before building a wheel"
            )
        for path in [
            *models.glob("*.onnx"),
            *models.glob("*.json"),
            *converted,
            models / "mediapipe" / "LICENSE",
            models / "mediapipe" / "NOTICE",
        ]:
            build_data["force_include"][str(path)] = (
                f"screening/_models/{path.relative_to(models).as_posix()}"
            )
        build_data["force_include"][str(Path(self.root, "api"))] = "screening/api"
