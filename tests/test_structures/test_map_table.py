"""The table of maps, and labels of further maps on their way to the targets."""

import pickle
import sys

import pytest
import torch

import mmktn.models
from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.targets import build_chart_targets
from mmktn.structures import (
    ChartOutput,
    DenseMap,
    DensePoseAnnotation,
    DensePoseAnnotations,
    declare_map,
    declared_map,
    map_table,
)

BOX = torch.tensor([10.0, 20.0, 138.0, 148.0])


@declare_map
class Shade(DenseMap):
    """A map whose labels change their sign in a mirror."""

    name = "shade_of_test"

    def flip_labels(self, mirrored, rules):
        return -mirrored


def person():
    """A person whose labels are a ramp from left to right."""
    ramp = torch.linspace(1, 2, 256).expand(256, 256).contiguous()
    return DensePoseAnnotation(
        torch.zeros(0, 2),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, 2),
        label_maps={"shade_of_test": ramp},
    )


def test_maps_of_the_package_are_there_for_who_imports_no_network(monkeypatch):
    monkeypatch.setattr(map_table, "_TABLE", {})
    monkeypatch.setattr(mmktn.models, "maps", mmktn.models.maps)  # put back at the end
    for name in [name for name in sys.modules if name.startswith("mmktn.models.maps")]:
        monkeypatch.delitem(sys.modules, name)
    assert declared_map("u").name == "u"
    assert not declared_map("sigma_2").panel


def test_two_classes_cannot_share_a_name():
    class Other(DenseMap):
        name = "shade_of_test"

    with pytest.raises(ValueError, match=r"'shade_of_test' is declared by .*Shade already"):
        declare_map(Other)
    assert declare_map(Shade) is Shade


def test_unusable_and_unknown_names_are_refused():
    class Bad(DenseMap):
        name = "no name"

    with pytest.raises(ValueError, match=r"Bad\.name: 'no name'"):
        declare_map(Bad)
    with pytest.raises(ValueError, match=r"no map 'depht' is declared .*custom_imports"):
        declared_map("depht")


def test_maps_of_different_numbers_of_instances_are_refused():
    with pytest.raises(ValueError, match="different numbers"):
        ChartOutput(u=torch.zeros(2, 1, 3, 3), v=torch.zeros(1, 1, 3, 3))
    with pytest.raises(ValueError, match="no map is given"):
        ChartOutput()


def test_labels_are_mirrored_by_their_map_and_survive_workers():
    annotations = DensePoseAnnotations([person()])
    flipped = annotations.flip(surface_flip_rules("human"))[0].label_maps["shade_of_test"]
    assert torch.equal(flipped, -person().label_maps["shade_of_test"].flip(-1))
    copy = pickle.loads(pickle.dumps(annotations))[0].label_maps["shade_of_test"]
    assert torch.equal(copy, person().label_maps["shade_of_test"])


def test_labels_follow_their_person_into_the_cells_of_a_box():
    """A box of the left half of the person sees the first half of the ramp."""
    left = torch.tensor([[10.0, 20.0, 74.0, 148.0]])
    targets = build_chart_targets(left, BOX[None], DensePoseAnnotations([person()]))
    rois, labels = targets.label_target("shade_of_test", (4, 4), half_pixel=True)
    assert rois.tolist() == [0]
    # Cells 1 / 8 of the box wide, read at their centres.
    expected = 1 + (torch.arange(4) + 0.5) / 8
    torch.testing.assert_close(labels[0, 0, 0], expected, atol=2 / 255, rtol=0)
    none, empty = targets.label_target("side", (4, 4))
    assert (len(none), tuple(empty.shape)) == (0, (0, 1, 4, 4))


def test_labels_move_with_the_box_and_the_image():
    half = torch.tensor([10.0, 20.0, 74.0, 148.0])
    rebased = person().rebase(BOX, half).label_maps["shade_of_test"]
    assert rebased[0, 0] == pytest.approx(1.0, abs=0.01)
    assert rebased[0, -1] == pytest.approx(1.5, abs=0.01)
    shift = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    warped = person().warp(shift, BOX, 2 * BOX).label_maps["shade_of_test"]
    torch.testing.assert_close(warped, person().label_maps["shade_of_test"])


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match=r"label_maps\['side'\]"):
        DensePoseAnnotation(
            torch.zeros(0, 2),
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0, 2),
            label_maps={"side": torch.zeros(4, 4)},
        )
