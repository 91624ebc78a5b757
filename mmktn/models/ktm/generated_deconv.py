"""Transposed convolution of the 25 surface classes whose kernel a KTM generates, or folded KTM.

After training the kernel (512, 25, 4, 4) is a constant, 204 800 numbers instead of the 209.7 M
parameters that made it. `folded=True` holds only that constant.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from mmktn.models.ktm.source_weights import rows_to_deconv
from mmktn.models.ktm.transfer_machine import KnowledgeTransferMachine
from mmktn.surface.parts import NUM_CHARTS

SOURCE_ORDER = ("keypoint", "box", "part")


class GeneratedDeconv(nn.Module):
    """Kernel of the surface classifier: generated from other classifiers, or stored.

    Args:
        in_channels: Channels C of the features.
        nodes: Source -> number of its classes, in concatenation order.
        kernel_size: Kernel of the deconvolution and of those it learns from.
        box_dim: Length of a row of the box classifier, for the source 'box'.
        folded: Hold the kernel as a weight, without a KTM.
        mlp: As in `KnowledgeTransferMachine`.
        graph: As in `KnowledgeTransferMachine`.
        transformer: As in `KnowledgeTransferMachine`.

    Raises:
        ValueError: An unknown source, or a source twice.
    """

    def __init__(
        self,
        in_channels: int,
        nodes: Mapping[str, int],
        *,
        kernel_size: int,
        box_dim: int = 1024,
        folded: bool = False,
        mlp: bool = True,
        graph: Mapping[str, Any] | None = None,
        transformer: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not set(nodes) <= set(SOURCE_ORDER):
            raise ValueError(f"sources have to be among {SOURCE_ORDER}, got {list(nodes)}")
        self.kernel_size = kernel_size
        out_dim = in_channels * kernel_size**2
        self.machine: KnowledgeTransferMachine | None = None
        self.weight: nn.Parameter | None = None
        if folded:
            shape = (in_channels, NUM_CHARTS + 1, kernel_size, kernel_size)
            self.weight = nn.Parameter(torch.zeros(shape))
            nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        else:
            dims = {source: box_dim if source == "box" else out_dim for source in nodes}
            self.machine = KnowledgeTransferMachine(
                nodes, dims, out_dim=out_dim, mlp=mlp, graph=graph, transformer=transformer
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources that `forward` needs; none once folded."""
        return () if self.machine is None else self.machine.sources

    def forward(self, weights: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        """Give the kernel (C, 25, k, k); `weights` holds those of every name in `sources`."""
        if self.machine is not None:
            return rows_to_deconv(self.machine(weights), self.kernel_size)
        return cast("Tensor", self.weight)

    @torch.no_grad()
    def fold(self, weights: Mapping[str, tuple[Tensor, ...]]) -> None:
        """Replace the KTM by the kernel it generates now; nothing happens if already folded."""
        if self.machine is not None:
            self._store(self(weights))

    def _store(self, kernel: Tensor) -> None:
        """Keep the kernel (C, 25, k, k) and drop the KTM."""
        if self.machine is not None:
            kernel = kernel.to(next(self.machine.parameters()).dtype)
        self.machine = None
        self.weight = nn.Parameter(kernel.detach().clone())
