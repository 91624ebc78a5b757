"""mmktn: dense pose (DensePose, KTN) and crowded pose (STIP) for OpenMMLab.

Importing the package is light (no torch, mmdet or mmpose): it checks the versions of the host
packages and puts the repairs of mmktn.compat in place, so that any host module may be imported
afterwards.
"""

from mmktn.compat import apply_fixes, check_host_versions
from mmktn.version import __version__

check_host_versions()
apply_fixes()

__all__ = ["__version__"]
