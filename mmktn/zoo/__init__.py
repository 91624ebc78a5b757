"""Published weights by name: which there are, how they get here, and in which form they are kept.

Only the conversion (`mmktn.zoo.conversion`) needs torch and the hosts.
"""

from mmktn.zoo.named_weights import weights
from mmktn.zoo.table import ZooModel, find_model, zoo_models

__all__ = ["ZooModel", "find_model", "weights", "zoo_models"]
