"""The networks trained here, each loaded with its calibration once a process."""

from __future__ import annotations

import json
from functools import cache

from screening.networks import store
from screening.networks.closeups import CloseupsNetwork
from screening.networks.detail import DetailNetwork
from screening.networks.face import FaceNetwork
from screening.networks.others import OthersNetwork
from screening.networks.photo import PhotoNetwork
from screening.networks.session import session
from screening.networks.upper import UpperNetwork

FACE, UPPER, DETAIL, CLOSEUPS = "face", "upper", "detail", "closeups"
PHOTO, OTHERS = "scene", "others"


@cache
def face() -> FaceNetwork:
    """Raises ModelMissing, ModelAltered."""
    return FaceNetwork(session(FACE), json.loads(store.read_calibration(FACE)))


@cache
def upper() -> UpperNetwork:
    """Raises ModelMissing, ModelAltered."""
    return UpperNetwork(session(UPPER), json.loads(store.read_calibration(UPPER)))


@cache
def detail() -> DetailNetwork:
    """Raises ModelMissing, ModelAltered."""
    return DetailNetwork(session(DETAIL), json.loads(store.read_calibration(DETAIL)))


@cache
def closeups() -> CloseupsNetwork:
    """Raises ModelMissing, ModelAltered."""
    return CloseupsNetwork(session(CLOSEUPS), json.loads(store.read_calibration(CLOSEUPS)))


@cache
def photo() -> PhotoNetwork:
    """Raises ModelMissing, ModelAltered."""
    return PhotoNetwork(session(PHOTO), json.loads(store.read_calibration(PHOTO)))


@cache
def others() -> OthersNetwork:
    """Raises ModelMissing, ModelAltered."""
    return OthersNetwork(session(OTHERS), json.loads(store.read_calibration(OTHERS)))
