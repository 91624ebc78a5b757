"""Small helpers that belong to no single part of the package.

`register_all_modules` stands here because mmengine.hub calls it by this name.
"""

from mmktn.utils.setup_env import register_all_modules

__all__ = ["register_all_modules"]
