"""The node keeps to ComfyUI's documented interface: declared inputs, batches of 0 to 1, tuples."""

import importlib.util
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.visualization import render_preset
from tests.test_projects.one_person import OnePerson

NODE = Path(__file__).parents[2] / "projects/comfyui/__init__.py"


@pytest.fixture
def node(monkeypatch):
    spec = importlib.util.spec_from_file_location("mmktn_comfyui", NODE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "opened", lambda folder: OnePerson())
    return module


def test_it_declares_what_its_function_takes(node):
    (kind,) = node.NODE_CLASS_MAPPINGS.values()
    assert node.NODE_DISPLAY_NAME_MAPPINGS.keys() == node.NODE_CLASS_MAPPINGS.keys()
    declared = kind.INPUT_TYPES()
    names = [*declared["required"], *declared["optional"]]
    assert list(inspect.signature(getattr(kind, kind.FUNCTION)).parameters) == ["self", *names]
    assert len(kind.RETURN_TYPES) == len(kind.RETURN_NAMES)
    looks, options = declared["required"]["cmap"]
    assert options["default"] in looks


def test_every_look_gives_a_batch_of_the_same_size(node):
    image = torch.rand(2, 12, 10, 3, generator=torch.Generator().manual_seed(0))
    looks, _ = node.DensePosePictures.INPUT_TYPES()["required"]["cmap"]
    for look in looks:
        shown, people = node.DensePosePictures().run(image, "folder", look)
        assert shown.shape == image.shape
        assert shown.dtype == torch.float32
        assert 0 <= shown.min() <= shown.max() <= 1
        assert people.shape == (2, 12, 10)
        assert people.sum() == 2 * 20


def test_graphs_get_the_colours_they_know_and_exact_charts(node):
    image = torch.zeros(1, 12, 10, 3)
    iuv, _ = node.DensePosePictures().run(image, "folder", "IUV")
    assert (iuv[0, 4, 3] * 255).round().tolist() == [2, 127, 127]
    assert not iuv[0, 0].any()
    shown, _ = node.DensePosePictures().run(image, "folder", "Viridis (MagicAnimate)")
    (prediction,) = OnePerson()(np.zeros((12, 10, 3), np.uint8))
    expected = render_preset(prediction.canvas(), "magicanimate")
    np.testing.assert_array_equal((shown[0] * 255).round(), expected)


def test_unsure_people_are_left_out(node):
    _, people = node.DensePosePictures().run(torch.zeros(1, 12, 10, 3), "folder", "IUV", 0.9)
    assert not people.any()
