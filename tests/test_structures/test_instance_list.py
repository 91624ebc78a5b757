"""Container semantics alone and as a field of InstanceData."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.structures import DensePoseAnnotations
from tests.fake_annotations import fake_annotations

INDICES = {
    "slice": (slice(1, 3), [1, 2]),
    "step": (slice(None, None, 2), [0, 2, 4]),
    "bool tensor": (torch.tensor([True, False, True, False, False]), [0, 2]),
    "long tensor": (torch.tensor([4, 0, 0]), [4, 0, 0]),
    "no ids": (torch.zeros(0, dtype=torch.long), []),
    "all false": (torch.zeros(5, dtype=torch.bool), []),
    "bool array": (np.array([False, True, False, False, True]), [1, 4]),
    "int list": ([3, 1], [3, 1]),
}


@pytest.fixture
def people():
    return fake_annotations(np.random.default_rng(0), 5)


@pytest.fixture
def instances(people):
    data = InstanceData()
    data.bboxes = torch.arange(20.0).view(5, 4)
    data.densepose = people
    return data


def same(container, items):
    return len(container) == len(items) and all(
        a is b for a, b in zip(container, items, strict=True)
    )


@pytest.mark.parametrize(("index", "expected"), INDICES.values(), ids=INDICES.keys())
def test_indexing_selects_and_orders(people, instances, index, expected):
    items = [people[i] for i in expected]
    assert same(people[index], items)
    chosen = instances[index]
    assert same(chosen.densepose, items)
    assert torch.equal(chosen.bboxes, instances.bboxes[expected])


def test_int_gives_a_record_and_in_instance_data_a_container_of_one(people, instances):
    assert people[-1] is list(people)[4]
    assert people[np.int64(2)] is people[2]
    assert same(instances[3].densepose, [people[3]])


@pytest.mark.parametrize("index", [torch.ones(4, dtype=torch.bool), torch.zeros(1, 1).long()])
def test_index_that_does_not_fit_is_an_error(people, index):
    with pytest.raises(IndexError, match="DensePoseAnnotations"):
        people[index]


def test_index_out_of_range_is_an_error(people):
    with pytest.raises(IndexError):
        people[[5]]


def test_cat_keeps_order_and_type(people, instances):
    assert same(DensePoseAnnotations.cat([people[:2], people[2:]]), list(people))
    joined = InstanceData.cat([instances, instances[:1]])
    assert same(joined.densepose, [*people, people[0]])
    with pytest.raises(ValueError, match="at least one"):
        DensePoseAnnotations.cat([])


def test_instance_data_rejects_another_length(instances, people):
    with pytest.raises(AssertionError):
        instances.densepose = people[:2]


def test_to_reaches_every_tensor_and_keeps_integers(instances):
    moved = instances.to("meta").densepose[0]
    tensors = (moved.point_xy, moved.point_charts, moved.coarse_map, moved.keypoint_visible)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    cast = instances.to(torch.float16).densepose[0]
    assert cast.point_uv.dtype == torch.float16
    assert cast.point_charts.dtype == torch.int64
    assert cast.coarse_map.dtype == torch.uint8


def test_convention_instance_data_cpu_leaves_custom_fields_alone(instances, people):
    # mmengine 0.10: only tensors move; `.to` is the call that reaches dense pose.
    assert instances.cpu().densepose is people
    assert same(people.cpu()[:0], [])


@pytest.mark.cuda
def test_moves_to_cuda_and_back(instances):
    on_gpu = instances.to("cuda")
    assert on_gpu.densepose[0].point_xy.is_cuda
    assert torch.equal(on_gpu.densepose.valid, instances.densepose.valid)
    assert instances.densepose.cuda(0)[0].coarse_map.is_cuda
    mask = torch.tensor([True, False, True, False, False], device="cuda")
    assert len(on_gpu[mask].densepose) == 2
    back = pickle.loads(pickle.dumps(on_gpu.densepose))
    assert not back[0].point_xy.is_cuda


def test_detach_cuts_the_graph(people):
    people[0].point_uv.requires_grad_()
    assert not people.detach()[0].point_uv.requires_grad
    assert people[0].point_uv.requires_grad


def test_copy_and_pickle_keep_content(instances):
    for twin in (copy.deepcopy(instances), pickle.loads(pickle.dumps(instances))):
        for old, new in zip(instances.densepose, twin.densepose, strict=True):
            assert new.valid == old.valid
            assert new.point_xy is not old.point_xy
            assert torch.equal(new.point_xy, old.point_xy)
            assert torch.equal(new.keypoint_visible, old.keypoint_visible)
            assert (new.coarse_map is None) == (old.coarse_map is None)


def test_repr_says_type_and_length(people):
    assert repr(people) == "DensePoseAnnotations(5 instances)"
