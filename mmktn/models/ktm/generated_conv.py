"""Convolution of the 25 surface classes whose kernel a KTM generates, or folded KTM.

The KTM of systems whose last layer is an ordinary convolution: 3 x 3 on AMA-net, 1 x 1 on the fully
convolutional SimpleBaseline and HRNet. Everything is `GeneratedDeconv`'s; only the order of the
axes differs: convolutions store (classes, C, k, k).
"""

from collections.abc import Mapping

from torch import Tensor

from mmktn.models.ktm.generated_deconv import GeneratedDeconv


class GeneratedConv(GeneratedDeconv):
    """Kernel of a convolution, generated from the weights of other convolutions, or stored.

    Arguments as `GeneratedDeconv`. A stored kernel keeps that class's axes (C, 25, k, k).
    """

    def forward(self, weights: Mapping[str, tuple[Tensor, ...]]) -> Tensor:
        """Give the kernel (25, C, k, k).

        Args:
            weights: For every name in `sources`, the weights as their layers store them: (nodes, C,
                k, k) of a convolution; classifier and regressor of boxes.
        """
        return super().forward(_as_deconvs(weights)).transpose(0, 1)

    def fold(self, weights: Mapping[str, tuple[Tensor, ...]]) -> None:
        """Replace the KTM by the kernel it generates now; nothing happens if already folded."""
        if self.machine is not None:
            self._store(super().forward(_as_deconvs(weights)))


def _as_deconvs(weights: Mapping[str, tuple[Tensor, ...]]) -> dict[str, tuple[Tensor, ...]]:
    """Return views with the axes of transposed convolutions; the watched storage stays the same."""
    return {
        source: tensors if source == "box" else tuple(t.transpose(0, 1) for t in tensors)
        for source, tensors in weights.items()
    }
