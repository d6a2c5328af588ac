"""What other libraries see, for `benchmarks.side_by_side`: run by the environment of mediapipe, never by ours.

    python other_side.py LIST_OF_PHOTOS OUT.json

mediapipe's own solutions as its documentation shows them, and the face cascade that OpenCV brings along. CPU
milliseconds of each on every photo, on one core, and how many faces or bodies it found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import cv2  # noqa: E402 - its threads are made while it is imported
import numpy as np  # noqa: E402
from mediapipe.python.solutions import face_detection, face_mesh, pose, selfie_segmentation  # noqa: E402


def solutions() -> dict[str, Callable[[Any], int]]:
    """What to run on an RGB photo; each returns how many it found."""
    short, full = (face_detection.FaceDetection(0.5, model) for model in (0, 1))
    mesh = face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=4)
    body = pose.Pose(static_image_mode=True, model_complexity=1)
    selfie = selfie_segmentation.SelfieSegmentation(model_selection=0)
    # of the OpenCV 4 that mediapipe brings along; OpenCV 5 has no cascades
    folder = cv2.data.haarcascades  # type: ignore[attr-defined]
    cascade = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]

    def cascaded(photo: Any) -> int:
        return len(cascade.detectMultiScale(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), 1.1, 5))

    return {
        "mediapipe FaceDetection, short range": lambda p: len(short.process(p).detections or ()),
        "mediapipe FaceDetection, full range": lambda p: len(full.process(p).detections or ()),
        "mediapipe FaceMesh with irises": lambda p: len(mesh.process(p).multi_face_landmarks or ()),
        "mediapipe Pose": lambda p: int(body.process(p).pose_landmarks is not None),
        "mediapipe SelfieSegmentation": lambda p: int((selfie.process(p).segmentation_mask > 0.5).any()),
        "OpenCV frontal face cascade": cascaded,
    }


def main(photos: list[str], target: Path) -> None:
    cv2.setNumThreads(1)
    found: dict[str, list[tuple[float, int]]] = {}
    runs = solutions()
    for name in [photos[0], *photos]:  # the first one once more: it also loads
        photo = np.ascontiguousarray(np.asarray(cv2.imread(name))[:, :, ::-1])
        for library, run in runs.items():
            before = time.process_time()
            count = run(photo)
            found.setdefault(library, []).append(((time.process_time() - before) * 1000, count))
    target.write_text(json.dumps({library: results[1:] for library, results in found.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_text().splitlines(), Path(sys.argv[2]))
