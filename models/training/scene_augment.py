"""What is done to a packed whole photo before the network sees it in training: composition, framing, light
and compression.

People are cut out by their selfie mask. As many photos are composed without a second person (a person on
another background, a piece
of a room where the second person would be) as with one, so that the seams of a composition say nothing.
"""

from __future__ import annotations

import cv2
import numpy as np

from screening.networks.photo import ATTRIBUTES, SIZE

from .scene_data import SIDE
from .upper_augment import photometric

SECOND = ATTRIBUTES.index("second_person")
Generator = np.random.Generator


def content(photo: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the letterboxed photo itself."""
    seen = photo.max(-1) > 0
    rows, columns = np.nonzero(seen.any(1))[0], np.nonzero(seen.any(0))[0]
    if len(rows) == 0:
        return slice(0, SIDE), slice(0, SIDE)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def cut_out(photo: np.ndarray, person: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The person trimmed to the mask: colours and soft mask 0-1; None if the mask holds too little."""
    rows, columns = np.nonzero(person > 128)
    if len(rows) < 1500:
        return None
    area = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    return photo[area], person[area].astype(np.float32) / 255


def compose(
    photo: np.ndarray,
    person: np.ndarray,
    other: tuple[np.ndarray, np.ndarray],
    texture: np.ndarray | None,
    rng: Generator,
) -> tuple[np.ndarray, float]:
    """The photo with `other` beside, behind or reaching in from the edge; with `texture` (288, 288, 3) the
    same shape of something else.

    Returns the composed photo and whether a second person is seen in it: 1, 0, or NaN for a sliver.
    """
    area = content(photo)
    base, mask = photo[area].copy(), person[area].astype(np.float32) / 255
    height, width = base.shape[:2]
    colour, alpha = other
    if texture is not None:
        colour = cv2.resize(texture, colour.shape[1::-1])
        turn = int(rng.integers(4))
        alpha = np.ascontiguousarray(np.rot90(alpha, turn))
        alpha = cv2.resize(alpha, colour.shape[1::-1])
    manner = rng.choice(["beside", "arm", "behind"], p=[0.4, 0.3, 0.3])
    tall = height * (rng.uniform(0.3, 0.75) if manner == "behind" else rng.uniform(0.7, 1.3))
    scale = tall / colour.shape[0]
    size = (max(8, int(colour.shape[1] * scale)), max(8, int(tall)))
    colour, alpha = (
        cv2.resize(colour, size, interpolation=cv2.INTER_AREA),
        cv2.resize(alpha, size, interpolation=cv2.INTER_AREA),
    )
    if rng.random() < 0.5:
        colour, alpha = colour[:, ::-1], alpha[:, ::-1]
    visible = {
        "beside": rng.uniform(0.35, 0.8),
        "arm": rng.uniform(0.12, 0.35),
        "behind": rng.uniform(0.5, 1.0),
    }[manner] * size[0]
    visible = min(visible, 0.45 * width)
    left = int(width - visible) if rng.random() < 0.5 else int(visible - size[0])
    top = (
        int(height - tall * rng.uniform(0.75, 1.0))
        if manner != "behind"
        else int(rng.uniform(0.0, 0.4) * height)
    )
    if manner == "behind":
        blur = rng.uniform(0.3, 3.0)
        colour, alpha = cv2.GaussianBlur(colour, (0, 0), blur), cv2.GaussianBlur(alpha, (0, 0), blur)
        if rng.random() < 0.6:
            left = int(rng.uniform(-0.2, 0.9) * width)
    mean = base.reshape(-1, 3).mean(0) / np.maximum(colour.reshape(-1, 3).mean(0), 1)
    colour = np.clip(colour * np.clip(mean, 0.6, 1.5) ** rng.uniform(0, 0.8), 0, 255)
    y0, y1, x0, x1 = max(0, top), min(height, top + size[1]), max(0, left), min(width, left + size[0])
    if y1 - y0 < 12 or x1 - x0 < 6:
        return photo, 0.0
    piece = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
    in_front = manner == "arm" and rng.random() < 0.5
    if not in_front:
        piece = piece * (1 - mask[y0:y1, x0:x1])
    base[y0:y1, x0:x1] = (
        base[y0:y1, x0:x1] * (1 - piece[..., None])
        + colour[y0 - top : y1 - top, x0 - left : x1 - left] * piece[..., None]
    )
    result = photo.copy()
    result[area] = base
    share = float((piece > 0.5).sum()) / (height * width)
    if texture is not None or share < 0.002:
        return result, 0.0
    return result, 1.0 if share > 0.03 else np.nan


def on_background(
    photo: np.ndarray, person: np.ndarray, background: np.ndarray, rng: Generator
) -> np.ndarray:
    """The person before another background (of a photo without people)."""
    area, other = content(photo), content(background)
    base, mask = photo[area], person[area].astype(np.float32)[..., None] / 255
    back = cv2.resize(background[other], base.shape[1::-1], interpolation=cv2.INTER_AREA)
    if rng.random() < 0.5:
        back = cv2.GaussianBlur(back, (0, 0), rng.uniform(0.5, 3))
    result = photo.copy()
    result[area] = base * mask + back * (1 - mask)
    return result


def reframe(photo: np.ndarray, rng: Generator) -> np.ndarray:
    """(224, 224, 3): mirrored or not, up to 5 % cut from each side, letterboxed again; some in another aspect."""
    area = content(photo)
    inner = photo[area]
    height, width = inner.shape[:2]
    cut = rng.uniform(0, 0.05, 4)
    inner = inner[
        int(cut[0] * height) : height - int(cut[1] * height),
        int(cut[2] * width) : width - int(cut[3] * width),
    ]
    if rng.random() < 0.5:
        inner = inner[:, ::-1]
    height, width = inner.shape[0], inner.shape[1] * rng.uniform(0.92, 1.08)
    scale = SIZE / max(height, width)
    size = (max(1, min(SIZE, round(width * scale))), max(1, min(SIZE, round(height * scale))))
    inner = cv2.resize(
        np.ascontiguousarray(inner), size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    result = np.zeros((SIZE, SIZE, 3), np.uint8)
    x, y = (SIZE - size[0]) // 2, (SIZE - size[1]) // 2
    result[y : y + size[1], x : x + size[0]] = inner
    return photometric(result, rng)
