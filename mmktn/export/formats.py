"""Write one network in one format, and run it, to compare."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmktn.export.networks import Network
from mmktn.runtime.engines import open_engine
from mmktn.utils.optional import require

SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "torchscript": ".pt"}
_OPSET = 17

Arrays = Mapping[str, np.ndarray]


def write_network(
    network: Network,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    kind: str,
    precision: str = "float",
    calibration: Iterable[Arrays] = (),
    spared: str = "",
) -> None:
    """Write one network.

    Args:
        network: The network.
        example: Inputs that it is traced with.
        path: The file; OpenVINO writes a .bin beside it.
        kind: One of `runtime.manifest.FILE_FORMATS`.
        precision: One of `runtime.manifest.PRECISIONS`.
        calibration: Inputs by name that int8 takes its ranges from.
        spared: Module of the network whose convolutions int8 leaves as they are.

    Raises:
        ImportError: A package of the extra `export` is not installed.
    """
    if kind == "torchscript":
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(network.module, example, check_trace=False)
        torch.jit.save(torch.jit.freeze(traced.eval()), str(path))
        return
    plain = path.with_suffix(".plain.onnx")
    try:
        _write_onnx(network, example, plain)
        if precision == "int8":
            _quantise(plain, calibration, spared)
        elif precision == "half" and kind == "onnx":
            _halve(plain)
        if kind == "onnx":
            plain.replace(path)
        else:
            openvino = require("openvino", "export")
            openvino.save_model(
                openvino.convert_model(str(plain)), str(path), compress_to_fp16=precision == "half"
            )
    finally:
        plain.unlink(missing_ok=True)


def open_network(
    network: Network, path: Path, *, kind: str
) -> Callable[[Arrays], dict[str, np.ndarray]]:
    """Open what `write_network` wrote.

    Returns:
        A function from inputs by name to outputs by name.
    """
    if kind != "torchscript":
        return open_engine(kind, path)
    module = torch.jit.load(str(path), map_location="cpu")

    def run(inputs: Arrays) -> dict[str, np.ndarray]:
        with torch.no_grad():
            found = module(*(torch.from_numpy(inputs[name]) for name in network.inputs))
        return {n: v.numpy() for n, v in zip(network.outputs, found, strict=True)}

    return run


def run_torch(network: Network, inputs: Arrays) -> dict[str, np.ndarray]:
    """Run a network as it is."""
    with torch.no_grad():
        found = network.module(*(torch.from_numpy(inputs[name]) for name in network.inputs))
    return {n: v.contiguous().numpy() for n, v in zip(network.outputs, found, strict=True)}


def _write_onnx(network: Network, example: tuple[Tensor, ...], path: Path) -> None:
    require("onnx", "export")
    axes: dict[str, dict[int, str]] = {
        name: {0: "batch", **{axis: f"axis_{axis}" for axis in network.dynamic}}
        for name in network.inputs
    }
    free = (1, 2) if network.dynamic else ()
    axes |= {
        name: {0: "batch", **{axis: f"{name}_{axis}" for axis in free}} for name in network.outputs
    }
    with torch.no_grad(), warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        # The exporter by tracing: symbolic shapes of the newer one take minutes for a pyramid.
        torch.onnx.export(
            network.module,
            example,
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(network.inputs),
            output_names=list(network.outputs),
            dynamic_axes=axes,
        )


def _halve(path: Path) -> None:
    onnx = require("onnx", "export")
    require("onnxruntime", "export")
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with _quiet():
        onnx.save(convert_float_to_float16(onnx.load(str(path)), keep_io_types=True), str(path))


class _Reader:
    """Hands calibration inputs to the quantiser one by one."""

    def __init__(self, inputs: Iterable[Arrays]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next inputs, None at the end."""
        found = next(self._inputs, None)
        return None if found is None else dict(found)


def _quantise(path: Path, calibration: Iterable[Arrays], spared: str) -> None:
    """Static quantisation of the convolutions but the spared and those that end in outputs."""
    onnx = require("onnx", "export")
    require("onnxruntime", "export")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    graph = onnx.load(str(path)).graph
    kept = [*_last_convolutions(graph), *_convolutions_of(graph, spared)]
    quantised = path.with_suffix(".int8.onnx")
    try:
        with _quiet():
            quantize_static(
                str(path),
                str(quantised),
                _Reader(calibration),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        quantised.replace(path)
    finally:
        quantised.unlink(missing_ok=True)


def _last_convolutions(graph: Any) -> list[str]:
    """Return the convolutions from which an output is reached without another one."""
    maker = {name: node for node in graph.node for name in node.output}
    waiting, seen, found = [output.name for output in graph.output], set(), []
    while waiting:
        node = maker.get(waiting.pop())
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.op_type.startswith("Conv"):
            found.append(node.name)
        else:
            waiting += node.input
    return found


def _convolutions_of(graph: Any, module: str) -> list[str]:
    """Find the convolutions of a module; nodes are named by their modules' path."""
    return [
        node.name
        for node in graph.node
        if node.op_type.startswith("Conv") and module in node.name.split("/")[1:-1]
    ]


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the notes of exporters and quantisers, which say nothing to users."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
