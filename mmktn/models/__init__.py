"""Networks. The framework-neutral parts are imported here; the adapters to mmdet (`rcnn`) and mmpose
(`topdown`, `stip`) are imported by `mmktn.utils.register_all_modules`, so that neither host is needed
for the others.
"""

from mmktn.models import heads, ktm, layers, losses, necks, postprocess, predictors, targets

__all__ = ["heads", "ktm", "layers", "losses", "necks", "postprocess", "predictors", "targets"]
