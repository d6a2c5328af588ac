"""Head and both shoulders are in the frame, neither too far nor cut.

What it measures
----------------
From the face mesh (hairline to chin) and the body's landmarks: the head's share of the photo's height (crown to chin,
the crown taken 28 % of the face's height above the hairline), the room above the crown, the room below the chin and
beside the shoulders, each in face heights or widths, so that the photo's size does not matter.

Why
---
The training call asks for a headshot with head and shoulders clearly visible in the frame. A head that is cut cannot be
completed, and one that is far holds too few pixels.

Limits
------
Too far: the head is under a fifth of the height (warns up to a quarter). Cut above: the crown lies well outside the
frame. Shoulders cut: less chest than a third of a face's height below the chin, or a shoulder's joint close to or
outside the frame. A face that cannot be seen (from behind, hidden) fails.

Blind spots
-----------
The crown is extrapolated from the face: tall hair and hats reach higher, bald heads a little less. Shoulders behind
arms, tables or other people count as visible where their place is in the frame. Photos cut to a circle are judged by
their frame, not by the circle.
"""

from __future__ import annotations

from screening.rules.base import rule
from screening.scene import NO_FACE, Scene
from screening.types import Evidence, Measure, Measurement, NotMeasured


@rule(
    title="Head and shoulders in frame",
    needs=("geometry", "nobody"),
    measures=("hidden_face", "head_height", "crown_room", "chest_room", "shoulder_room", "side_room"),
)
def measure(scene: Scene) -> Measurement | NotMeasured:
    """`head_height`: share of the photo's height; rooms: heights or widths of the face, negative outside the frame.

    `hidden_face` is 1 where there is a person whose face the mesh cannot confirm.
    """
    g = scene.geometry
    if g is None:
        return NO_FACE if scene.nobody else Measurement((Measure("hidden_face", 1.0),))
    head = Evidence.box("head", g.head)
    edge = g.height
    measures = [
        Measure("hidden_face", 0.0 if g.face_confirmed else 1.0, "", {}, (Evidence.box("face", g.face),)),
        Measure("head_height", g.head.height / g.height, "", {}, (head,)),
        Measure("crown_room", g.head.top / g.face.height, "face heights", {}, (head,)),
        Measure(
            "chest_room",
            (edge - g.face.bottom) / g.face.height,
            "face heights",
            {"what": "Your chin is" if g.face.bottom > edge else "Your shoulders are"},
            (Evidence("line", "bottom edge", ((0.0, edge), (g.width, edge))),),
        ),
        Measure(
            "side_room",
            min(g.face.left, g.width - g.face.right) / g.face.width,
            "face widths",
            {"side": _side(g.face.left, g.width - g.face.right)},
            (Evidence.box("face", g.face),),
        ),
    ]
    if g.shoulders is not None:
        rooms = min(g.shoulders[0][0], g.shoulders[1][0]), g.width - max(g.shoulders[0][0], g.shoulders[1][0])
        measures.append(
            Measure(
                "shoulder_room",
                min(rooms) / g.face.width,
                "face widths",
                {"side": _side(*rooms)},
                (Evidence("points", "shoulders", g.shoulders),),
            )
        )
    return Measurement(tuple(measures))


def _side(left_room: float, right_room: float) -> str:
    """The person's own side that has less room (their right is on the photo's left)."""
    return "right" if left_room < right_room else "left"
