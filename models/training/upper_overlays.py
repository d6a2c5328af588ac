"""Pastes cut-out accessories onto crops at the face mesh: headphones above all, of which there are next to no photos.

A crop is (320, 320, 3) uint8 RGB, its mask (160, 160) uint8 codes, its mesh (468, 2) float32 crop pixels. Everything is
changed in place; the attribute labels that follow are returned.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

Generator = np.random.Generator
LEFT_EAR, RIGHT_EAR, CHIN, FOREHEAD, BRIDGE, NOSE = 234, 454, 152, 10, 168, 1
PERSON_NOT_HAIR = 12
_CODE = {"glasses": 5, "hat": 6, "earring": 7, "necklace": 8}
_LABELS = {
    "headphones": {"headphones": 1.0},
    "glasses": {"glasses": 1.0},
    "mask": {"face_mask": 1.0, "face_covered": 1.0},
    "hat": {"hat": 1.0, "headwear": 1.0},
    "necklace": {"necklace": 1.0},
    "earring": {"earrings": 1.0},
}


class Overlays:
    """The cut-outs by kind, trimmed to what is visible, RGBA uint8."""

    def __init__(self, folder: Path) -> None:
        self.pictures: dict[str, list[np.ndarray]] = {}
        with (folder / "index.csv").open(newline="") as lines:
            for row in csv.DictReader(lines):
                picture = cv2.imread(str(folder / row["file"]), cv2.IMREAD_UNCHANGED)
                picture = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
                if "pair" in row["note"]:
                    picture = picture[:, : picture.shape[1] // 2]
                rows, columns = np.nonzero(picture[..., 3] > 20)
                picture = picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                scale = 300 / max(picture.shape[:2])
                if scale < 1:
                    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                self.pictures.setdefault(row["kind"], []).append(picture)

    def add(
        self, kind: str, crop: np.ndarray, mask: np.ndarray, mesh: np.ndarray, rng: Generator
    ) -> dict[str, float]:
        """Pastes one accessory; the labels that it makes true."""
        up = mesh[FOREHEAD] - mesh[CHIN]
        height = float(np.hypot(*up))
        up = up / height
        right = np.array([-up[1], up[0]])
        width = float(np.hypot(*(mesh[RIGHT_EAR] - mesh[LEFT_EAR])))
        ears = (mesh[LEFT_EAR] + mesh[RIGHT_EAR]) / 2
        picture = self._look(kind, crop, mesh, rng)
        if kind == "headphones" and rng.random() < 0.35:
            return self._drawn_headset(crop, mask, mesh, rng, width, height)
        if kind == "headphones":
            if rng.random() < 0.15:  # round the neck: behind the face, cups at the collar
                top, bottom, wide = -rng.uniform(0.45, 0.6), -rng.uniform(1.0, 1.25), rng.uniform(1.0, 1.35)
            else:
                top, bottom, wide = rng.uniform(0.72, 0.95), -rng.uniform(0.2, 0.42), rng.uniform(1.3, 1.6)
            top, bottom = top * height, bottom * height
            self._place(
                picture, crop, mask, ears, right, up, wide * width, top, bottom, PERSON_NOT_HAIR, mesh
            )
            return _LABELS[kind]
        aspect = picture.shape[0] / picture.shape[1]
        if kind == "glasses":
            wide = rng.uniform(0.88, 1.02) * width
            centre, tall = mesh[BRIDGE] - up * 0.03 * height, wide * aspect
            self._place(picture, crop, mask, centre, right, up, wide, tall / 2, -tall / 2, 5, None)
        elif kind == "mask":
            wide, tall = rng.uniform(0.95, 1.1) * width, rng.uniform(0.55, 0.7) * height
            centre = mesh[CHIN] + up * rng.uniform(0.22, 0.28) * height
            self._place(
                picture, crop, mask, centre, right, up, wide, tall / 2, -tall / 2, PERSON_NOT_HAIR, None
            )
        elif kind == "hat":
            wide = rng.uniform(1.3, 1.7) * width
            self._place(
                picture,
                crop,
                mask,
                mesh[FOREHEAD] - up * rng.uniform(0.02, 0.15) * height,
                right,
                up,
                wide,
                wide * aspect,
                0,
                6,
                None,
            )
        elif kind == "necklace":
            wide = rng.uniform(0.7, 1.25) * width
            start = mesh[CHIN] - up * rng.uniform(0.05, 0.3) * height
            self._place(picture, crop, mask, start, right, up, wide, 0, -wide * min(aspect, 1.3), 8, mesh)
        elif kind == "earring":
            self._earrings(picture, crop, mask, mesh, rng, right, up, height)
        return _LABELS[kind]

    def _look(self, kind: str, crop: np.ndarray, mesh: np.ndarray, rng: Generator) -> np.ndarray:
        """One of the cut-outs in the photo's light: float32 RGBA."""
        pictures = self.pictures[kind]
        picture = pictures[int(rng.integers(len(pictures)))].astype(np.float32)
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        x, y = np.clip(mesh[NOSE].astype(int), 0, crop.shape[0] - 1)
        light = crop[max(0, y - 20) : y + 20, max(0, x - 20) : x + 20].mean() / 150
        gain = np.clip(light, 0.4, 1.3) * rng.uniform(0.7, 1.25) * rng.uniform(0.92, 1.08, 3)
        colour = picture[..., :3] * gain
        if kind in ("headphones", "hat") and rng.random() < 0.5:  # other colours
            grey = colour.mean(-1, keepdims=True)
            colour = (
                grey * rng.uniform(0.4, 1.4, 3)
                if rng.random() < 0.6
                else 255 - grey + rng.uniform(-40, 40, 3)
            )
        return np.dstack([np.clip(colour, 0, 255), picture[..., 3]]).astype(np.float32)

    def _earrings(self, picture, crop, mask, mesh, rng, right, up, height) -> None:
        tall = rng.uniform(0.1, 0.34) * height
        wide = tall * picture.shape[1] / picture.shape[0]
        wide = min(wide, 0.25 * height)
        for ear, side in ((132, -1), (361, 1)):
            near = abs(float((mesh[ear] - mesh[NOSE]) @ right)) / height
            if near > 0.22:
                at = mesh[ear] + right * side * rng.uniform(0.02, 0.07) * height + up * 0.02 * height
                self._place(picture, crop, mask, at, right, up, wide, 0, -tall, 7, None)

    def _drawn_headset(self, crop, mask, mesh, rng, width, height) -> dict[str, float]:
        """Earbuds, or a cup with a microphone boom, drawn."""
        shade = rng.uniform(0, 70) if rng.random() < 0.5 else rng.uniform(190, 250)
        colour = tuple(float(c) for c in np.clip(shade + rng.uniform(-15, 15, 3), 0, 255))
        layer, alpha = crop.copy(), np.zeros(crop.shape[:2], np.uint8)
        boom = rng.random() < 0.5
        outward = (mesh[RIGHT_EAR] - mesh[LEFT_EAR]) / max(width, 1)

        def both(draw) -> None:
            draw(layer, colour)
            draw(alpha, 255)

        sides = [(LEFT_EAR, -1, 61), (RIGHT_EAR, 1, 291)]
        chosen = sides if rng.random() < 0.6 else [sides[int(rng.integers(2))]]
        for ear, sign, _ in chosen:
            if abs(float((mesh[ear] - mesh[NOSE]) @ outward)) < 0.25 * width:
                continue
            at = mesh[ear] + sign * outward * 0.02 * width
            point = tuple(int(v) for v in at)
            if boom:
                size = (int(rng.uniform(0.07, 0.12) * width) + 1, int(rng.uniform(0.14, 0.2) * height) + 1)
                both(lambda t, c, p=point, s=size: cv2.ellipse(t, p, s, 0, 0, 360, c, -1, cv2.LINE_AA))
            else:
                size = max(2, int(rng.uniform(0.03, 0.05) * height))
                end = tuple(int(v) for v in at + np.array([0, rng.uniform(0.08, 0.22) * height]))
                both(lambda t, c, p=point, s=size: cv2.circle(t, p, s, c, -1, cv2.LINE_AA))
                both(lambda t, c, p=point, e=end, s=size: cv2.line(t, p, e, c, max(1, s // 2), cv2.LINE_AA))
        if boom:
            ear, sign, mouth = chosen[0]
            start, stop = mesh[ear], mesh[mouth] * 0.75 + mesh[ear] * 0.25 + [0, rng.uniform(0, 0.1) * height]
            middle = (start + stop) / 2 + [sign * 0.06 * width, 0.08 * height]
            curve = np.array(
                [
                    (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t * t * stop
                    for t in np.linspace(0, 1, 12)
                ]
            )
            both(
                lambda t, c: cv2.polylines(
                    t, [curve.astype(np.int32)], False, c, max(1, int(0.02 * width)), cv2.LINE_AA
                )
            )
            tip = tuple(int(v) for v in stop)
            both(lambda t, c: cv2.circle(t, tip, max(2, int(0.05 * width)), c, -1, cv2.LINE_AA))
            if rng.random() < 0.7:  # the band
                centre = tuple(int(v) for v in (mesh[LEFT_EAR] + mesh[RIGHT_EAR]) / 2)
                axes = (int(0.56 * width), int(rng.uniform(0.85, 1.0) * height))
                both(
                    lambda t, c: cv2.ellipse(
                        t, centre, axes, 0, 180, 360, c, max(2, int(0.05 * width)), cv2.LINE_AA
                    )
                )
        _blend(
            crop, mask, layer, cv2.GaussianBlur(alpha, (3, 3), 0).astype(np.float32) / 255, PERSON_NOT_HAIR
        )
        return _LABELS["headphones"]

    def _place(self, picture, crop, mask, origin, right, up, width, top, bottom, code, behind) -> None:
        """Maps the cut-out to a rectangle along the face's axes: `top` and `bottom` are distances along `up`
        from `origin`.
        """
        h, w = picture.shape[:2]
        corners = np.float32(
            [
                origin + up * top - right * width / 2,
                origin + up * top + right * width / 2,
                origin + up * bottom - right * width / 2,
            ]
        )
        matrix = cv2.getAffineTransform(np.float32([[0, 0], [w, 0], [0, h]]), corners)
        size = crop.shape[1::-1]
        shrink = width / w
        if shrink < 0.6:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / max(shrink, 0.05))
        warped = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
        alpha = warped[..., 3] / 255
        if behind is not None:
            front = np.zeros(crop.shape[:2], np.uint8)
            cv2.fillConvexPoly(front, cv2.convexHull(behind.astype(np.int32)), 1)
            alpha = alpha * (1 - front)
        _blend(crop, mask, warped[..., :3], alpha, code)


def _blend(crop: np.ndarray, mask: np.ndarray, colour: np.ndarray, alpha: np.ndarray, code: int) -> None:
    black = crop.max(-1) == 0  # outside of the photo
    alpha = np.where(black, 0, alpha)[..., None]
    crop[:] = np.clip(crop * (1 - alpha) + colour * alpha, 0, 255).astype(np.uint8)
    small = cv2.resize(alpha[..., 0], mask.shape[::-1], interpolation=cv2.INTER_AREA)
    mask[small > 0.5] = code
