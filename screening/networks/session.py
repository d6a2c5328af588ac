"""Running a network: onnxruntime, one thread, float32, shared by all threads of the process."""

from __future__ import annotations

import threading

import onnxruntime

from screening.networks import store
from screening.types import Floats

onnxruntime.disable_telemetry_events()


class Session:
    """One loaded network. `run` may be called from several threads at once."""

    def __init__(self, name: str) -> None:
        self.name = name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            store.read(name), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self.outputs: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())

    def run(self, tensor: Floats, *outputs: str) -> list[Floats]:
        """The named outputs (all, in the graph's order, if none is named) for an NCHW float32 input."""
        found: list[Floats] = self._session.run(outputs or None, {self._input: tensor})
        return found


_sessions: dict[str, Session] = {}
_lock = threading.Lock()


def session(name: str) -> Session:
    """The process's session of that network, loaded and verified on first need.

    Raises `ModelMissing`, `ModelAltered`.
    """
    found = _sessions.get(name)
    if found is None:
        with _lock:
            found = _sessions.get(name)
            if found is None:
                found = _sessions[name] = Session(name)
    return found
