"""Rendered people with exact DensePose ground truth (numpy, scipy and OpenCV; no torch).

People are drawn (`make_sample`), or fitted bodies that the user brings (`read_fits`).
"""

from mmktn.synthetic.dataset import generate_split
from mmktn.synthetic.fit_files import FitFile, import_fits, read_fits
from mmktn.synthetic.mesh_labels import (
    ChartedMesh,
    FittedPerson,
    MeshLabels,
    PinholeCamera,
    label_meshes,
)
from mmktn.synthetic.sample import GeneratorOptions, Sample, make_sample
from mmktn.synthetic.scene import SceneOptions

__all__ = [
    "ChartedMesh",
    "FitFile",
    "FittedPerson",
    "GeneratorOptions",
    "MeshLabels",
    "PinholeCamera",
    "Sample",
    "SceneOptions",
    "generate_split",
    "import_fits",
    "label_meshes",
    "make_sample",
    "read_fits",
]
