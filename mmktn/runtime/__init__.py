"""Exported systems without torch: image -> boxes, charts, U, V, keypoints.

numpy, OpenCV and one engine (onnxruntime or openvino) are all that this needs; `python -m mmktn
export` makes the folders (docs/export.md).
"""

from mmktn.runtime.found import FoundPeople
from mmktn.runtime.manifest import Manifest, read_manifest
from mmktn.runtime.systems import ExportedSystem, open_exported

__all__ = ["ExportedSystem", "FoundPeople", "Manifest", "open_exported", "read_manifest"]
