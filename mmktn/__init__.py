"""mmktn: dense pose (DensePose, KTN) and crowded pose (STIP) for OpenMMLab."""

from mmktn.version import __version__

__all__ = ["__version__"]
