"""mmdet's choice of loading steps takes subclasses, and nothing else that it did not take."""

import pytest
from mmdet.datasets import get_loading_pipeline
from mmengine.registry import init_default_scope

import mmktn  # noqa: F401
from mmktn.utils.setup_env import register_all_modules

REST = [{"type": "mmktn.LoadDensePoseAnnotations"}, {"type": "mmdet.RandomFlip", "prob": 0.5}]


@pytest.mark.parametrize("first", ["mmktn.LoadImageFromFile", "LoadImageFromFile"])
def test_a_subclass_is_a_loading_step(first):
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    steps = [{"type": first}, {"type": "mmdet.LoadAnnotations", "with_bbox": True}]
    assert get_loading_pipeline([*steps, *REST]) == steps
    with pytest.raises(AssertionError, match="loading image and annotations"):
        get_loading_pipeline([steps[0], *REST])
