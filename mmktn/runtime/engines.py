"""Run one exported network: onnxruntime or openvino behind one call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mmktn.utils.optional import require
from mmktn.utils.user_error import UserError


class Engine(ABC):
    """A network on the CPU that is ready to be called.

    Args:
        path: Its file, with one of the suffixes in `opens`.
        threads: Threads of one call; None: as many as there are cores.

    Raises:
        ImportError: The engine's package is not installed.
        UserError: The file is no network that it can run.
    """

    opens: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            self._open(str(path), threads)
        except ImportError:
            raise
        except Exception as error:  # engines' errors have no common type but Exception
            raise UserError(f"{path}: {type(self).__name__} cannot open it: {error}") from error

    @abstractmethod
    def _open(self, path: str, threads: int | None) -> None:
        """Open the file."""

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the arrays by name in, arrays by name out.

        Raises:
            RuntimeError: The engine fails, of too little memory for example, as torch does.
        """
        try:
            return self._run(dict(inputs))
        except Exception as error:  # as above
            raise RuntimeError(f"{type(self).__name__}: {error}") from error

    @abstractmethod
    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network."""


class OnnxEngine(Engine):
    """onnxruntime."""

    opens = (".onnx",)

    def _open(self, path: str, threads: int | None) -> None:
        onnxruntime = require("onnxruntime", "export")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(None, inputs), strict=True))


class OpenVinoEngine(Engine):
    """OpenVINO."""

    opens = (".xml", ".onnx")

    def _open(self, path: str, threads: int | None) -> None:
        openvino = require("openvino", "export")
        # Numbers as exported: on some CPUs the default would compute in bfloat16.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        core = openvino.Core()
        model = core.read_model(path)
        # A compiled output may have a second name, that of the tensor before a last conversion.
        self._names = [output.any_name for output in model.outputs]
        self._network = core.compile_model(model, "CPU", settings)

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = self._network(inputs)
        return {name: np.array(found[index]) for index, name in enumerate(self._names)}


ENGINES: dict[str, type[Engine]] = {"onnx": OnnxEngine, "openvino": OpenVinoEngine}


def open_engine(engine: str, path: Path, threads: int | None = None) -> Engine:
    """Open a file with the engine it was exported for.

    Raises:
        ImportError: The engine is not installed.
        UserError: No such engine here, or it cannot open the file.
    """
    if engine not in ENGINES or path.suffix not in ENGINES[engine].opens:
        made = {".onnx": "onnx", ".xml": "openvino"}.get(path.suffix, "programs of your own")
        raise UserError(
            f"{path}: exported for {made}, which {engine} does not open; export with --format "
            f"{engine if engine in ENGINES else 'onnx'}"
        )
    return ENGINES[engine](path, threads)
