"""The made-up data are valid, seeded, and go through the real pipeline."""

import numpy as np
import torch

from mmktn.formats.annotation_checks import file_problems, mask_problems
from tests.fake_annotations import fake_annotations, fake_batch, fake_coco_file


def test_fake_files_pass_all_checks_and_repeat():
    data = fake_coco_file(3, persons=3, seed=5)
    assert list(file_problems(data, "fake")) == []
    assert [p for a in data["annotations"] for p in mask_problems(a)] == []
    assert data == fake_coco_file(3, persons=3, seed=5)
    assert data != fake_coco_file(3, persons=3, seed=6)


def test_fake_batch_is_what_a_data_preprocessor_gets():
    batch = fake_batch(2, persons=3, image_hw=(48, 64))
    assert [tuple(image.shape) for image in batch["inputs"]] == [(3, 48, 64)] * 2
    for sample in batch["data_samples"]:
        assert sample.gt_instances.densepose.valid.tolist() == [True, True, False]
        assert sample.gt_instances.labels.tolist() == [0, 0, 0]
        assert sample.scale_factor == (1.0, 1.0)
    again = fake_batch(2, persons=3, image_hw=(48, 64))
    assert torch.equal(batch["inputs"][1], again["inputs"][1])


def test_fake_annotations_have_different_numbers_of_points():
    people = fake_annotations(np.random.default_rng(0), 5)
    assert people.num_points.tolist() == [10, 0, 12, 0, 14]
