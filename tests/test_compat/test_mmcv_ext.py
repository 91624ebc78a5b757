"""mmcv.ops on top of whatever `mmcv._ext` is here: the stand-in or the compiled module."""

import numpy as np
import pytest
import torch

from mmktn.compat import mmcv_ext, mmcv_ops
from tests.test_compat import reference_ops

STANDS_IN = mmcv_ext.is_active()
only_stand_in = pytest.mark.skipif(not STANDS_IN, reason="the compiled mmcv._ext is in use")


@pytest.fixture(params=["torch", "torchvision"])
def backend(request, monkeypatch):
    """Run the operators on each backend that loads here."""
    if request.param == "torchvision":
        extension = pytest.importorskip("torchvision.extension")
        if not extension._has_ops():
            pytest.skip("torchvision's operators do not load beside this torch")
    monkeypatch.setattr(mmcv_ops, "ops_backend", lambda: request.param)
    monkeypatch.setattr(mmcv_ops, "roi_align_backend", lambda device: request.param)
    return request.param


def roi_case():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 12, 15, generator=generator)
    rois = torch.tensor([[0.0, 3, 2, 40, 30], [1.0, -9, -9, 70, 55], [1.0, 10, 10, 11, 12]])
    return features, rois


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_layer(aligned, ratio, backend):
    from mmcv.ops import RoIAlign

    features, rois = roi_case()
    features.requires_grad_()
    pooled = RoIAlign((5, 4), 0.25, ratio, "avg", aligned)(features, rois)
    slow = reference_ops.roi_align(
        features.detach().numpy(), rois.tolist(), 5, 4, 0.25, ratio, aligned
    )
    np.testing.assert_allclose(pooled.detach().numpy(), slow, atol=1e-5)
    # The sum's gradient is the total weight with which each cell was read.
    pooled.sum().backward()
    ones = torch.ones(3, 5, 4).sum()
    assert features.grad[0].sum().item() == pytest.approx(ones.item(), rel=1e-4)


@pytest.mark.parametrize("offset", [0, 1])
def test_nms_function(offset, backend):
    from mmcv.ops import nms

    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(50, 2, generator=generator) * 30
    boxes = torch.cat([corner, corner + torch.rand(50, 2, generator=generator) * 20], 1)
    scores = torch.randperm(50, generator=generator) / 50
    dets, kept = nms(boxes, scores, iou_threshold=0.4, offset=offset)
    assert kept.tolist() == reference_ops.nms(boxes.tolist(), scores.tolist(), 0.4, offset)
    assert torch.equal(dets[:, 4], scores[kept])


def test_batched_nms_keeps_classes_apart():
    from mmcv.ops import batched_nms

    boxes = torch.tensor([[0.0, 0, 9, 9], [0.0, 0, 9, 9], [0.0, 0, 9, 9]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    _, kept = batched_nms(
        boxes, scores, torch.tensor([0, 1, 0]), {"type": "nms", "iou_threshold": 0.5}
    )
    assert kept.tolist() == [0, 1]


def test_nms_of_nothing():
    assert mmcv_ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5, 0).shape == (0,)


@only_stand_in
def test_other_operators_name_themselves_and_the_remedy():
    from mmcv.ops import roi_pool

    with pytest.raises(NotImplementedError, match=r"roi_pool_forward.*soft_nms.*pip install"):
        roi_pool(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5), 2)


@only_stand_in
def test_served_list_agrees_with_the_operators():
    import mmcv._ext

    for name in mmcv_ops.__all__:
        assert getattr(mmcv._ext, name) is getattr(mmcv_ops, name)
    stems = {"softnms": "soft_nms", "ms_deform_attn": "MultiScaleDeformableAttention"}
    for name in mmcv_ops.__all__:
        if not name.startswith("get_"):
            stem = name.split("_forward")[0].split("_backward")[0]
            stem = stems.get(stem, stem)
            assert any(served.startswith(stem) for served in mmcv_ext.SERVED), name


@only_stand_in
def test_max_pooling_is_refused():
    from mmcv.ops import RoIAlign

    with pytest.raises(NotImplementedError, match="pool_mode='avg'"):
        RoIAlign(2, pool_mode="max")(*roi_case())


@only_stand_in
def test_info():
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version

    assert "mmktn" in get_compiler_version()
    assert get_compiling_cuda_version() == "not available"


@only_stand_in
def test_module_has_no_private_names():
    import mmcv._ext

    with pytest.raises(AttributeError, match="_missing"):
        mmcv._ext._missing  # noqa: B018


def test_host_packages_import():
    import mmdet.apis
    import mmdet.models
    import mmpose.datasets
    import mmpose.models

    assert mmdet.models.FasterRCNN
    assert mmpose.datasets.CocoDataset


@pytest.mark.cuda
def test_layers_on_cuda():
    from mmcv.ops import RoIAlign, nms

    features, rois = roi_case()
    on_cpu = RoIAlign((5, 4), 0.25)(features, rois)
    on_gpu = RoIAlign((5, 4), 0.25)(features.cuda(), rois.cuda())
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-5)
    boxes = torch.tensor([[0.0, 0, 4, 4], [0.0, 0, 4, 4.5], [9.0, 9, 12, 12]]).cuda()
    _, kept = nms(boxes, torch.tensor([0.5, 0.9, 0.7]).cuda(), iou_threshold=0.5)
    assert kept.tolist() == [1, 2]
