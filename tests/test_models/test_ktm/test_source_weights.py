import pytest
import torch

from mmktn.models.ktm import box_to_rows, deconv_to_rows, rows_to_deconv, source_to_rows


def test_rows_hold_one_class_each_channel_by_channel():
    """Row = class; inside it channel, then kernel row, then kernel column."""
    weight = torch.arange(2 * 3 * 4 * 4.0).view(2, 3, 4, 4)  # (C, classes, k, k)
    rows = deconv_to_rows(weight)
    assert rows.shape == (3, 32)
    assert torch.equal(rows[1], torch.cat([weight[0, 1].flatten(), weight[1, 1].flatten()]))


def test_rows_and_deconvolution_are_inverse():
    weight = torch.rand(5, 7, 4, 4)
    assert torch.equal(rows_to_deconv(deconv_to_rows(weight), 4), weight)


def test_box_rows_are_classifier_over_regressor_without_gradient():
    cls, reg = torch.rand(2, 3, requires_grad=True), torch.rand(4, 3, requires_grad=True)
    rows = box_to_rows(cls, reg)
    assert torch.equal(rows[:2], cls)
    assert torch.equal(rows[2:], reg)
    assert not rows.requires_grad


def test_unknown_source_is_an_error():
    with pytest.raises(ValueError, match="'mask'"):
        source_to_rows("mask", (torch.zeros(1, 1, 4, 4),))
