"""Rendered people with exact DensePose ground truth (numpy, scipy and OpenCV; no torch)."""

from mmktn.synthetic.dataset import generate_split
from mmktn.synthetic.sample import GeneratorOptions, Sample, make_sample
from mmktn.synthetic.scene import SceneOptions

__all__ = ["GeneratorOptions", "Sample", "SceneOptions", "generate_split", "make_sample"]
