"""Run one exported network: onnxruntime or openvino behind one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmktn.utils.optional import require
from mmktn.utils.user_error import UserError


class Engine(Protocol):
    """A network that is ready to be called."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by name in, arrays by name out."""


class OnnxEngine:
    """A .onnx file on the CPU.

    Args:
        path: The file.
        threads: Threads of one call; None: as many as there are cores.

    Raises:
        ImportError: onnxruntime is not installed.
        UserError: The file is no network that it can run.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        onnxruntime = require("onnxruntime", "export")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors have no common type but Exception
            raise UserError(f"{path}: onnxruntime cannot open it: {error}") from error
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network."""
        return dict(zip(self._names, self._session.run(None, dict(inputs)), strict=True))


class OpenVinoEngine:
    """An OpenVINO .xml file, or a .onnx file, on the CPU.

    Args:
        path: The file.
        threads: Threads of one call; None: as many as there are cores.

    Raises:
        ImportError: openvino is not installed.
        UserError: The file is no network that it can run.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        openvino = require("openvino", "export")
        # Numbers as exported: on some CPUs the default would compute in bfloat16.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            self._network = openvino.compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise UserError(f"{path}: openvino cannot open it: {error}") from error

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network."""
        found = self._network(dict(inputs))
        return {output.any_name: np.array(found[output]) for output in self._network.outputs}


ENGINES: dict[str, type[OnnxEngine] | type[OpenVinoEngine]] = {
    "onnx": OnnxEngine,
    "openvino": OpenVinoEngine,
}


_OPENS = {"onnx": (".onnx",), "openvino": (".xml", ".onnx")}


def open_engine(engine: str, path: Path, threads: int | None = None) -> Engine:
    """Open a file with the engine it was exported for.

    Raises:
        ImportError: The engine is not installed.
        UserError: No such engine here, or it cannot open the file.
    """
    if engine not in ENGINES or path.suffix not in _OPENS[engine]:
        made = {".onnx": "onnx", ".xml": "openvino"}.get(path.suffix, "programs of your own")
        raise UserError(
            f"{path}: exported for {made}, which {engine} does not open; export with --format "
            f"{engine if engine in ENGINES else 'onnx'}"
        )
    return ENGINES[engine](path, threads)
