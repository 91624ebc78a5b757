"""Relations between source classes (keypoints, parts, box) and the 25 surface classes of KTM.

One matrix (25, nodes) per source, the transpose of what the official files hold, initialised from
commonsense rules and then learnable like any weight.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmktn.models.ktm.relation_files import load_relation
from mmktn.surface.parts import NUM_CHARTS
from mmktn.surface.relations import structural_relation

RELATION_SOURCES = ("structural", "file", "matrix", "random")
RANDOM_STD = 0.001


class KnowledgeGraph(nn.Module):
    """Relation matrices, one for each source.

    Args:
        nodes: Source name -> number of its classes, e.g. `{'keypoint': 17, 'box': 6, 'part': 15}`.
        relation_source: 'structural' (shipped anatomical rules), 'file', 'matrix' or 'random'
            (normal, std 0.001).
        files: Source name -> path of a (nodes, 25) matrix; for 'file'.
        matrices: Source name -> (nodes, 25) numbers; for 'matrix'.
        trainable: Whether the relations are learned.

    Raises:
        ValueError: Unknown `relation_source`, a source without its file or matrix, or a matrix of
            the wrong shape.

    Reference:
        KTN, TCSVT 2022, commonsense relation graph.
    """

    def __init__(
        self,
        nodes: Mapping[str, int],
        relation_source: str = "structural",
        *,
        files: Mapping[str, str] | None = None,
        matrices: Mapping[str, Sequence[Sequence[float]]] | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if relation_source not in RELATION_SOURCES:
            raise ValueError(
                f"relation_source has to be one of {RELATION_SOURCES}, got {relation_source!r}"
            )
        given = {"file": files, "matrix": matrices}.get(relation_source)
        self.relations = nn.ParameterDict()
        for source, count in nodes.items():
            matrix = _initial_matrix(source, count, relation_source, given or {})
            relation = torch.tensor(matrix, dtype=torch.float32).t().contiguous()
            self.relations[source] = nn.Parameter(relation, requires_grad=trainable)

    def forward(self, source: str, rows: Tensor) -> Tensor:
        """Mix source classes into surface classes: (nodes, D) -> (25, D)."""
        return self.relations[source].to(rows.dtype) @ rows


def _initial_matrix(
    source: str, count: int, relation_source: str, given: Mapping[str, object]
) -> NDArray[np.float32]:
    """(nodes, 25) start values of one source."""
    shape = (count, NUM_CHARTS + 1)
    if relation_source == "random":
        return (torch.randn(shape, device="cpu") * RANDOM_STD).numpy()
    if relation_source == "structural":
        matrix = structural_relation(source).astype(np.float32)
    elif source not in given:
        raise ValueError(
            f"relation_source={relation_source!r} but nothing is given for the source {source!r}"
        )
    elif relation_source == "file":
        matrix = load_relation(str(given[source]), key=source)
    else:
        matrix = np.asarray(given[source], dtype=np.float32)
    if matrix.shape != shape:
        raise ValueError(f"relation of source {source!r}: shape {matrix.shape}, not {shape}")
    return matrix
