"""The weights that come with the package do their work."""

import numpy as np
import pytest
import torch

from mmktn.apis import DensePoseInferencer
from mmktn.synthetic.sample import GeneratorOptions, make_sample
from mmktn.zoo.named_weights import state_of, weights
from mmktn.zoo.table import DEFAULT, find_model


@pytest.fixture(scope="module")
def inferencer():
    return DensePoseInferencer(device="cpu")


def test_file_is_small_and_holds_nothing_but_weights():
    file = weights(DEFAULT)
    assert state_of(find_model(DEFAULT)) == "ready"
    assert file.stat().st_size < 12e6
    content = torch.load(file, weights_only=True)
    assert set(content) == {"meta", "state_dict"}
    # Nothing of the machine it was trained on.
    assert set(content["meta"]) <= {"dataset_meta", "mmktn_version"}
    kernels = [v for v in content["state_dict"].values() if v.is_floating_point() and v.ndim > 1]
    assert {kernel.dtype for kernel in kernels} == {torch.float16}


def test_it_paints_rendered_people_that_it_has_not_seen(inferencer):
    samples = [
        make_sample(GeneratorOptions(seed=20_001, surface="human"), "val", i) for i in range(4)
    ]
    seen = inferencer([sample.picture for sample in samples], batch_size=4)
    both = either = right = body = 0
    for sample, found in zip(samples, seen, strict=True):
        truth, ours = sample.labels.maps.chart, found.canvas().labels
        both += np.sum((truth > 0) & (ours > 0))
        either += np.sum((truth > 0) | (ours > 0))
        right += np.sum((truth > 0) & (ours == truth))
        body += np.sum(truth > 0)
    assert both / either > 0.5
    # Far above chance, one in 24; 0.24 when it was made.
    assert right / body > 0.15
