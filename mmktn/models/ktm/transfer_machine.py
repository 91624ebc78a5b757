"""Knowledge transfer machine: classifier weights of known tasks -> the surface classifier's kernel.

Version 1 (ACM MM 2020) reads keypoints, version 2 (TCSVT 2022) keypoints, box and parts. The
weights of each source are mixed by a relation matrix, set side by side and sent through one
two-layer perceptron (transformers.py). The result depends on weights alone: in eval mode it is made
once.
"""

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmktn.models.ktm.knowledge_graph import KnowledgeGraph
from mmktn.models.ktm.source_weights import source_to_rows
from mmktn.models.ktm.transformers import build_transformer


class KnowledgeTransferMachine(BaseModule):
    """Map rows of source weights to one row per surface class.

    Args:
        nodes: Source -> number of classes; the order is that of the concatenation (the released
            version 2 uses keypoint, box, part).
        source_dims: Source -> length of a row.
        out_dim: Length of a generated row.
        graph: Arguments of `KnowledgeGraph` beside `nodes`.
        mlp: Whether the perceptron follows; False (an ablation) needs a single source with rows of
            `out_dim`.
        transformer: Form of the perceptron, arguments of `build_transformer`, e.g.
            `dict(kind='low_rank', rank=256)`; full by default.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: Sources and dimensions disagree, `mlp=False` does not fit, or the form of the
            perceptron is impossible.

    Reference:
        KTN, ACM MM 2020, section 3.3, and TCSVT 2022; perceptron of 134 234 112 (keypoints alone)
        and 209 731 584 parameters (three sources) for 512 channels.
    """

    def __init__(
        self,
        nodes: Mapping[str, int],
        source_dims: Mapping[str, int],
        *,
        out_dim: int,
        graph: Mapping[str, Any] | None = None,
        mlp: bool = True,
        transformer: Mapping[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if list(nodes) != list(source_dims) or not nodes:
            raise ValueError(f"sources disagree: nodes {list(nodes)}, dims {list(source_dims)}")
        if not mlp and list(source_dims.values()) != [out_dim]:
            raise ValueError(
                f"mlp=False needs one source with rows of {out_dim}, got {dict(source_dims)}"
            )
        self.sources = tuple(nodes)
        self.graph = KnowledgeGraph(nodes, **(graph or {}))
        if transformer and not mlp:
            raise ValueError(f"mlp=False leaves no place for transformer={dict(transformer)}")
        self.transformer = (
            build_transformer(source_dims, out_dim, **(transformer or {})) if mlp else None
        )
        self._kept: Tensor | None = None
        self._kept_of: list[tuple[Any, ...]] = []
        # Held, so that no other weight can come to lie where one of them lay.
        self._kept_from: list[Tensor] = []

    def forward(self, weights: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        """Generate the rows of the surface classifier, at least in float32.

        Args:
            weights: Source -> its weights as the layers store them, see `source_to_rows`. Pass the
                tensors themselves or views of them, not copies.

        Returns:
            (25, out_dim). In eval mode, where no gradient is wanted, they are kept until the mode
            is switched or weights are loaded, moved, replaced or written in place. Who writes
            through `.data`, as mmengine's EMA hook does before `eval()`, switches the mode, too.
        """
        inputs = [tensor for source in self.sources for tensor in weights[source]]
        inputs += self.parameters()
        if self.training or (torch.is_grad_enabled() and any(t.requires_grad for t in inputs)):
            return self._generate(weights)
        state = [_identity(tensor) for tensor in inputs]
        if self._kept is None or self._kept_of != state:
            # Outside inference mode, so that the rows may meet autograd later.
            with torch.inference_mode(False), torch.no_grad():
                self._kept = self._generate(weights)
            self._kept_of, self._kept_from = state, inputs
        return self._kept

    def _generate(self, weights: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        first = weights[self.sources[0]][0]
        dtype = torch.promote_types(first.dtype, torch.float32)
        with _without_autocast(first.device.type):
            mixed = [
                self.graph(source, source_to_rows(source, weights[source]).to(dtype))
                for source in self.sources
            ]
            rows = torch.cat(mixed, dim=1)  # (25, sum of dims)
            return rows if self.transformer is None else self.transformer(rows)

    def clear_cache(self) -> None:
        """Forget the rows that were kept."""
        self._kept, self._kept_of, self._kept_from = None, [], []

    def __getstate__(self) -> dict[str, Any]:
        """Leave rows out of what is saved or copied."""
        return {**self.__dict__, "_kept": None, "_kept_of": [], "_kept_from": []}

    def train(self, mode: bool = True) -> "KnowledgeTransferMachine":
        """Switch the mode and forget the rows that were kept."""
        self.clear_cache()
        return super().train(mode)

    def _apply(self, *args: Any, **kwargs: Any) -> "KnowledgeTransferMachine":
        self.clear_cache()
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.clear_cache()
        super()._load_from_state_dict(*args, **kwargs)


def _identity(tensor: Tensor) -> tuple[Any, ...]:
    """Return what changes when a tensor is replaced, moved, cast or written in place."""
    version = None if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), tensor.dtype, tensor.device, version


def _without_autocast(device_type: str) -> contextlib.AbstractContextManager[Any]:
    """Generate the kernel in full precision: relations are small and rows are long."""
    if torch.amp.is_autocast_available(device_type):
        return torch.autocast(device_type, enabled=False)
    return contextlib.nullcontext()
