"""The inferencer runs systems without boxes: whole images, and boxes that its user gives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.apis import DensePoseInferencer
from mmktn.utils.setup_env import register_all_modules

CONFIG = Path(__file__).parents[2] / "configs/fcn/dp-fcn_r18_cpu_dp-synth.py"


@pytest.fixture(scope="module")
def inferencer():
    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    return DensePoseInferencer(CONFIG, device="cpu", cfg_options={"model.test_cfg.scales": (1.0,)})


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (120, 96, 3)).astype(np.uint8)


def test_one_result_over_the_whole_image(inferencer, image):
    (found,) = inferencer(image)
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 96, 120]])
    assert found.densepose[0].hw == (120, 96)


def test_given_boxes_are_cut_out_of_it(inferencer, image):
    (whole,) = inferencer(image)
    boxes = np.array([[10.0, 20.0, 50.0, 90.0], [40.0, 0.0, 96.0, 60.0]], np.float32)
    (found,) = inferencer(image, boxes=[boxes])
    assert found.scores.tolist() == [1, 1]
    np.testing.assert_allclose(found.boxes_xyxy, boxes)
    for box, result in zip(boxes.astype(int).tolist(), found.densepose, strict=True):
        x1, y1, x2, y2 = box
        assert torch.equal(result.labels, whole.densepose[0].labels[y1:y2, x1:x2])


def test_a_single_person_system_looks_at_each_box_by_itself(image):
    torch.manual_seed(0)
    config = CONFIG.with_name("dp-fcn-person_r18_cpu_dp-synth.py")
    inferencer = DensePoseInferencer(config, device="cpu")
    boxes = np.array([[10.0, 20.0, 50.0, 90.0], [40.0, 0.0, 80.0, 70.0]], np.float32)
    (both,) = inferencer.predict([image], boxes=[boxes])
    np.testing.assert_allclose(both.bboxes.numpy(), boxes)
    for index in range(2):
        (alone,) = inferencer.predict([image], boxes=[boxes[index : index + 1]])
        assert torch.equal(alone.densepose[0].labels, both.densepose[index].labels)
    (nobody,) = inferencer.predict([image], boxes=[np.zeros((0, 4), np.float32)])
    assert len(nobody) == 0
