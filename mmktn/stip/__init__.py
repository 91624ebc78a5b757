"""STIP: semantic-aware transfer and instance-adaptive parsing, the whole system in one folder.

Head and codec, data sets and their steps, names of official checkpoints, pictures. It uses the rest
of the package, and nothing of the rest needs it: `mmktn.utils.setup_env` registers it where it is
there (`mmktn.stip.registration`), and `mmktn.zoo` asks it to convert STIP's published weights.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.stip.auxiliary import AuxiliaryHeads
    from mmktn.stip.checkpoint_keys import convert_stip_state_dict
    from mmktn.stip.codec import RefinedHeatmap
    from mmktn.stip.feature_pyramid import STIPFeaturePyramid
    from mmktn.stip.head import STIPHead
    from mmktn.stip.instance_parsing import InstanceParsing, ParsingResult
    from mmktn.stip.losses import STIPLoss
    from mmktn.stip.output import STIPOutput, STIPTargets
    from mmktn.stip.pictures import draw_skeletons, stip_overview
    from mmktn.stip.semantic_transfer import SemanticTransfer, TransferResult

__all__ = [
    "AuxiliaryHeads",
    "InstanceParsing",
    "ParsingResult",
    "RefinedHeatmap",
    "STIPFeaturePyramid",
    "STIPHead",
    "STIPLoss",
    "STIPOutput",
    "STIPTargets",
    "SemanticTransfer",
    "TransferResult",
    "convert_stip_state_dict",
    "draw_skeletons",
    "stip_overview",
]

_HOMES = {
    "auxiliary": ("AuxiliaryHeads",),
    "checkpoint_keys": ("convert_stip_state_dict",),
    "codec": ("RefinedHeatmap",),
    "feature_pyramid": ("STIPFeaturePyramid",),
    "head": ("STIPHead",),
    "instance_parsing": ("InstanceParsing", "ParsingResult"),
    "losses": ("STIPLoss",),
    "output": ("STIPOutput", "STIPTargets"),
    "pictures": ("draw_skeletons", "stip_overview"),
    "semantic_transfer": ("SemanticTransfer", "TransferResult"),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
