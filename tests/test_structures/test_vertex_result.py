"""Vertices of a box, their values and charts."""

import pytest
import torch

from mmktn.structures import VertexResult, VertexResults


def result():
    mask = torch.tensor([[True, False], [True, True]])
    vertices = torch.tensor([[2, 0], [0, 1]], dtype=torch.int32)
    return VertexResult(mask, "cat_3", {"cat_3": vertices}, xy=(5, 7))


def test_the_map_has_no_vertex_outside_the_mask():
    assert result().vertex_map.tolist() == [[2, -1], [0, 1]]
    assert result().box_xyxy == (5, 7, 7, 9)


def test_values_of_vertices_are_looked_up():
    colours = [[1, 1], [2, 2], [3, 3]]
    assert result().lookup(colours).tolist() == [[[3, 3], [0, 0]], [[1, 1], [2, 2]]]


def test_charts_come_from_a_table_or_are_unknown():
    charts = result().to_charts([4, 5, 6], torch.tensor([[0.0, 1], [0.5, 0.5], [1, 0]]))
    assert charts.labels.tolist() == [[6, 0], [4, 5]]
    assert charts.uv[:, 1, 1].tolist() == [0.5, 0.5]
    unknown = result().to_charts()
    assert not unknown.labels.any()
    assert torch.equal(unknown.mask, result().mask)
    assert unknown.xy == (5, 7)


def test_charts_lie_on_the_device_of_the_vertices():
    charts = result().map(lambda values: values.to("meta")).to_charts()
    assert charts.labels.device == charts.uv.device == charts.mask.device


def test_results_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="'dog_9' is not among"):
        VertexResult(torch.ones(1, 1) > 0, "dog_9", {})
    with pytest.raises(ValueError, match="cat_3"):
        VertexResult(torch.ones(1, 1) > 0, "cat_3", {"cat_3": torch.zeros(2, 2)})
    assert len(VertexResults([result(), result()])[:1]) == 1
