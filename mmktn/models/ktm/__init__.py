"""Knowledge transfer machine: weights in, graph, kernel out."""

from mmktn.models.ktm.generated_conv import GeneratedConv
from mmktn.models.ktm.generated_deconv import GeneratedDeconv
from mmktn.models.ktm.knowledge_graph import KnowledgeGraph
from mmktn.models.ktm.relation_files import load_relation
from mmktn.models.ktm.source_weights import (
    box_to_rows,
    deconv_to_rows,
    rows_to_deconv,
    source_to_rows,
)
from mmktn.models.ktm.transfer_machine import KnowledgeTransferMachine

__all__ = [
    "GeneratedConv",
    "GeneratedDeconv",
    "KnowledgeGraph",
    "KnowledgeTransferMachine",
    "box_to_rows",
    "deconv_to_rows",
    "load_relation",
    "rows_to_deconv",
    "source_to_rows",
]
