"""What mediapipe itself sees: run by the environment of `environment.py`, never by ours.

    python reference.py FOLDER_OF_PNG OUT.json

For each image: face detections of both models, face mesh, irises (attention mesh), pose detection and landmarks,
palms, and the selfie mask at 0.5. Points and boxes are in pixels. Masks go beside the JSON as PNG.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mediapipe.python.solution_base import SolutionBase
from mediapipe.python.solutions import face_detection, face_mesh, selfie_segmentation


def _graph(path: str, outputs: list[str], side_inputs: dict[str, Any]) -> SolutionBase:
    return SolutionBase(
        binary_graph_path=f"mediapipe/modules/{path}", side_inputs=side_inputs, outputs=outputs
    )


def _points(landmarks: Any, width: int, height: int) -> list[list[float]]:
    return [[p.x * width, p.y * height, p.z * width] for p in landmarks.landmark]


def _detection(found: Any, width: int, height: int) -> dict[str, Any]:
    data = found.location_data
    box = data.relative_bounding_box
    return {
        "score": found.score[0],
        "box": [
            box.xmin * width, box.ymin * height, (box.xmin + box.width) * width, (box.ymin + box.height) * height
        ],
        "keypoints": [[p.x * width, p.y * height] for p in data.relative_keypoints],
    }  # fmt: skip


def main(folder: Path, target: Path) -> None:
    pose_inputs = {"model_complexity": 1, "smooth_landmarks": False, "use_prev_landmarks": False}
    hand_inputs = {"num_hands": 4, "model_complexity": 0, "use_prev_landmarks": False}
    solutions = {
        "short": face_detection.FaceDetection(0.5, 0),
        "full": face_detection.FaceDetection(0.5, 1),
        "mesh": face_mesh.FaceMesh(static_image_mode=True),
        "refined": face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True),
        "pose": _graph("pose_landmark/pose_landmark_cpu.binarypb", ["pose_landmarks", "pose_detection"],
                       pose_inputs),
        "hands": _graph("hand_landmark/hand_landmark_tracking_cpu.binarypb", ["palm_detections"], hand_inputs),
        "selfie": selfie_segmentation.SelfieSegmentation(model_selection=0),
    }  # fmt: skip
    results: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.png")):
        image = np.asarray(cv2.imread(str(file)))[:, :, ::-1].copy()
        height, width = image.shape[:2]
        seen: dict[str, Any] = {}
        for name, solution in solutions.items():
            # static images: nothing of the image before may remain
            solution.reset()
            seen[name] = solution.process(image if name in _OWN_INPUT else {"image": image})
        mesh, refined = seen["mesh"].multi_face_landmarks, seen["refined"].multi_face_landmarks
        pose, person = seen["pose"].pose_landmarks, seen["pose"].pose_detection
        results[file.stem] = {
            "short": [_detection(d, width, height) for d in seen["short"].detections or []],
            "full": [_detection(d, width, height) for d in seen["full"].detections or []],
            "mesh": _points(mesh[0], width, height) if mesh else None,
            "irises": _points(refined[0], width, height)[468:] if refined else None,
            "pose": _points(pose, width, height) if pose else None,
            "visibility": [p.visibility for p in pose.landmark] if pose else None,
            "person": _detection(person, width, height) if person else None,
            "palms": [_detection(d, width, height) for d in seen["hands"].palm_detections or []],
        }
        mask = np.asarray(seen["selfie"].segmentation_mask) > 0.5
        cv2.imwrite(str(target.with_name(f"{file.stem}.mask.png")), mask.astype(np.uint8) * 255)
    target.write_text(json.dumps(results))


_OWN_INPUT = ("short", "full", "mesh", "refined", "selfie")

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
