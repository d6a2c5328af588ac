"""Accessories of product pictures, pasted onto faces at their landmarks, for what real labels are too few of.

`index.csv` names the pictures (RGBA PNG). Pasted: headphones, earrings, masks. The kinds of which thousands are
labelled on real faces (glasses, hats) are not pasted; pictures that are not seen from the front neither.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Generator = np.random.Generator
Points = NDArray[np.floating]
RIGHT_EYE, LEFT_EYE, NOSE, _, _, CHIN, FOREHEAD, RIGHT_SIDE, LEFT_SIDE = range(9)
KINDS = {"headphones": 0.55, "earring": 0.25, "mask": 0.2}
_CHANGES = {
    "headphones": {"headphones": 1},
    "earring": {"earring": 1},
    "mask": {"mask": 1, "covered": 1, "beard": -1, "hair_across_face": -1},
}
_LONGEST = 160


class Overlays:
    """The cut-outs, read once: premultiplied at the size they are needed."""

    def __init__(self, folder: Path) -> None:
        self.pictures: dict[str, list[NDArray[np.uint8]]] = {kind: [] for kind in KINDS}
        with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                kind, note = row["kind"], row["note"]
                if kind not in KINDS or (kind != "earring" and "front" not in note):
                    continue
                picture = cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED)
                if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
                    raise ValueError(f"{row['file']} is no RGBA picture")
                picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
                parts = [picture]
                if kind == "earring" and "pair" in note:
                    half = picture.shape[1] // 2
                    parts = [picture[:, :half], picture[:, half:]]
                self.pictures[kind] += [_trimmed(part) for part in parts]

    def paste(
        self, image: NDArray[np.uint8], points: Points, rng: Generator
    ) -> tuple[NDArray[np.uint8], dict[str, int]]:
        """One accessory on the face of (H, W, 3) with the nine `locate.POINTS`; what it changes (-1 = unknown now).

        Faces without landmarks or turned far aside stay as they are.
        """
        if not np.isfinite(points).all():
            return image, {}
        across = points[LEFT_SIDE] - points[RIGHT_SIDE]
        width = float(np.linalg.norm(across))
        turned = (
            abs(float((points[NOSE] - (points[LEFT_SIDE] + points[RIGHT_SIDE]) / 2) @ across))
            / max(width, 1) ** 2
        )
        if width < 20 or turned > 0.25:
            return image, {}
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        pictures = self.pictures[kind]
        picture = _tinted(pictures[int(rng.integers(len(pictures)))], kind, rng)
        for corners in _places(kind, points, picture.shape[1] / picture.shape[0], rng):
            image = _blend(image, picture, corners)
        return image, dict(_CHANGES[kind])


def _trimmed(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(picture[..., 3].max(1) > 32), np.flatnonzero(picture[..., 3].max(0) > 32)
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(1.0, _LONGEST / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tinted(picture: NDArray[np.uint8], kind: str, rng: Generator) -> NDArray[np.uint8]:
    """Another colour and brightness, so that few pictures stand for many."""
    x = picture.astype(np.float32)
    spread = 0.35 if kind == "headphones" else 0.15
    x[..., :3] = x[..., :3] * rng.uniform(1 - spread, 1 + spread, 3) * rng.uniform(0.6, 1.2)
    if kind == "headphones" and rng.random() < 0.2:
        x[..., :3] = 255 - x[..., :3]
    return np.asarray(x.clip(0, 255), np.uint8)


def _places(kind: str, points: Points, aspect: float, rng: Generator) -> list[Points]:
    """Where the picture's corners go: lists of (3, 2) top-left, top-right, bottom-left."""
    across = points[LEFT_SIDE] - points[RIGHT_SIDE]
    down = points[CHIN] - points[FOREHEAD]
    middle = (points[LEFT_SIDE] + points[RIGHT_SIDE]) / 2
    jitter = rng.uniform(0.93, 1.1, 2)
    if kind == "headphones":
        half = across * 0.7 * jitter[0]
        top = middle - down * rng.uniform(0.68, 0.92)
        bottom = middle + down * rng.uniform(0.12, 0.28)
        return [np.stack([top - half, top + half, bottom - half])]
    if kind == "mask":
        half = across * 0.5 * jitter[0]
        top = points[FOREHEAD] + down * rng.uniform(0.45, 0.55)
        bottom = points[CHIN] + down * rng.uniform(0.0, 0.08)
        centre = (points[NOSE] + points[CHIN]) / 2
        along = across / np.linalg.norm(across)
        top = top + along * float((centre - top) @ along)
        bottom = bottom + along * float((centre - bottom) @ along)
        return [np.stack([top - half, top + half, bottom - half])]
    length = down * rng.uniform(0.1, 0.38)
    side = across / np.linalg.norm(across) * float(np.linalg.norm(length)) * aspect / 2
    corners = []
    for ear, out in ((RIGHT_SIDE, -0.03), (LEFT_SIDE, 0.03)):
        top = points[ear] + down * rng.uniform(0.17, 0.25) + across * out
        if rng.random() < 0.85:
            corners.append(np.stack([top - side, top + side, top + length - side]))
    return corners


def _blend(image: NDArray[np.uint8], picture: NDArray[np.uint8], corners: Points) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    source = np.array([[0, 0], [width, 0], [0, height]], np.float32)
    matrix = cv2.getAffineTransform(source, corners.astype(np.float32))
    size = (image.shape[1], image.shape[0])
    x = picture.astype(np.float32)
    x[..., :3] *= x[..., 3:] / 255  # premultiplied: no halo of the cut-away background
    shrink = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.6:
        x = cv2.GaussianBlur(x, (0, 0), 0.5 / shrink)
    warped = cv2.warpAffine(x, matrix, size, flags=cv2.INTER_LINEAR)
    return np.asarray((image * (1 - warped[..., 3:] / 255) + warped[..., :3]).clip(0, 255), np.uint8)
