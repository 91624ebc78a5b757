"""STIP: semantic-aware transfer and instance-adaptive parsing (torch and mmengine only)."""

from mmktn.models.stip.auxiliary import AuxiliaryHeads
from mmktn.models.stip.feature_pyramid import STIPFeaturePyramid
from mmktn.models.stip.instance_parsing import InstanceParsing, ParsingResult
from mmktn.models.stip.losses import STIPLoss
from mmktn.models.stip.output import STIPOutput, STIPTargets
from mmktn.models.stip.semantic_transfer import SemanticTransfer, TransferResult

__all__ = [
    "AuxiliaryHeads",
    "InstanceParsing",
    "ParsingResult",
    "STIPFeaturePyramid",
    "STIPLoss",
    "STIPOutput",
    "STIPTargets",
    "SemanticTransfer",
    "TransferResult",
]
