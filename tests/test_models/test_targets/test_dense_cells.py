"""Cells that a teacher labelled, and background points."""

import torch

from mmktn.models.targets import add_background_points, build_chart_targets, find_dense_cells
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations


def person(dense=True, points=((0.5, 0.25),)):
    """Chart 5 in the left half of the box, chart 7 in the right; U = column / 256."""
    dense_labels = torch.zeros(4, 256, 256, dtype=torch.uint8)
    dense_labels[0, :, :128], dense_labels[0, :, 128:] = 5, 7
    dense_labels[0, 250:] = 0
    dense_labels[1] = torch.arange(256)
    dense_labels[2] = torch.arange(256)[:, None]
    dense_labels[3] = 200
    dense_labels[3, :128] = 100
    dense_labels *= dense_labels[0] > 0
    return DensePoseAnnotation(
        point_xy=torch.tensor(points).view(-1, 2),
        point_charts=torch.full((len(points),), 9),
        point_uv=torch.full((len(points), 2), 0.5),
        dense_labels=dense_labels if dense else None,
    )


BOX = torch.tensor([[16.0, 32.0, 48.0, 64.0]])


def targets(*people, rois=BOX):
    return build_chart_targets(rois, BOX.expand(len(people), -1), DensePoseAnnotations(people))


def test_without_dense_labels_there_are_no_cells():
    assert find_dense_cells(targets(person(dense=False)), (8, 8)) is None


def test_cells_by_hand():
    """Cell i of 8 lies at i / 8 of the RoI, that is at column 32 i of the label map."""
    cells = find_dense_cells(targets(person(points=())), (8, 8))
    assert len(cells) == 64  # the last labelled row is 249, cell row 7 lies at 224
    charts = torch.zeros(8, 8, dtype=torch.int64)
    charts[cells.rows, cells.columns] = cells.charts
    assert charts.tolist() == [[5] * 4 + [7] * 4] * 8
    at = (cells.rows == 2) & (cells.columns == 3)
    # grid_sample reads 256 cells between -1 and 1: position 3 / 8 is index 0.375 * 255 = 95.6.
    torch.testing.assert_close(cells.uv[at][0], torch.tensor([96.5, 64.5]) / 255)


def test_half_pixel_reads_labels_under_the_cell_centres():
    """Cell i of 8 then lies at column 32 i + 16, where points of the same place are read."""
    cells = find_dense_cells(targets(person(points=())), (8, 8), half_pixel=True)
    at = (cells.rows == 2) & (cells.columns == 3)
    # Positions 3.5 / 8 and 2.5 / 8: indices 111.6 and 79.7.
    torch.testing.assert_close(cells.uv[at][0], torch.tensor([112.5, 80.5]) / 255)


def test_annotated_points_win():
    cells = find_dense_cells(targets(person(points=((0.5, 0.25), (0.13, 0.9)))), (8, 8))
    taken = {(2, 4), (7, 1)}  # rows 0.25 * 8, 7.2; columns 0.5 * 8, 1.04
    found = set(zip(cells.rows.tolist(), cells.columns.tolist(), strict=True))
    assert len(found) == 62
    assert not taken & found


def test_nothing_is_labelled_outside_the_box():
    wide = torch.tensor([[0.0, 32.0, 64.0, 64.0]])
    cells = find_dense_cells(targets(person(points=()), rois=wide), (8, 8))
    assert set(cells.columns.tolist()) == {2, 3, 4, 5, 6}  # grid_sample counts the right edge
    assert (cells.charts[cells.columns == 2] == 5).all()


def test_unsure_labels_can_be_left_out():
    cells = find_dense_cells(targets(person(points=())), (8, 8), min_confidence=0.5)
    assert set(cells.rows.tolist()) == {4, 5, 6, 7}  # 127.5 is read at row 128


def test_draw_takes_at_most_so_many_of_each_person_without_repetition():
    rois = BOX.expand(2, -1)
    cells = find_dense_cells(targets(person(points=()), person(), rois=rois), (8, 8))
    torch.manual_seed(0)
    drawn = cells.draw(50)
    assert torch.bincount(drawn.roi_index).tolist() == [50, 50]
    places = set(zip(*(getattr(drawn, n).tolist() for n in ("person", "rows", "columns"))))  # noqa: B905
    assert len(places) == 100
    assert torch.bincount(cells.draw(1000).roi_index).tolist() == [64, 63]
    again = cells.draw(50)
    assert not torch.equal(drawn.rows, again.rows)


def test_charts_of_any_size_give_equally_many_cells():
    rois = BOX.expand(2, -1)
    small = person(points=())
    small.dense_labels[0, :, 128:][small.dense_labels[0, :, 128:] > 0] = 5
    small.dense_labels[0, :60, :60] = 24
    cells = find_dense_cells(targets(person(points=()), small, rois=rois), (8, 8))
    drawn = cells.draw_from_charts(3)
    for roi, charts in ((0, {5: 3, 7: 3}), (1, {5: 3, 24: 3})):
        found = torch.bincount(drawn.charts[drawn.roi_index == roi], minlength=25)
        assert {k: n for k, n in enumerate(found.tolist()) if n} == charts
    assert len(cells.draw_from_charts(1000)) == len(cells)
    assert len(cells[:0].draw_from_charts(3)) == 0


def test_every_cell_is_drawn_equally_often():
    cells = find_dense_cells(targets(person(points=())), (8, 8))
    torch.manual_seed(0)
    counts = torch.zeros(8, 8)
    for _ in range(400):
        drawn = cells.draw(16)
        counts[drawn.rows, drawn.columns] += 1
    # Binomial(400, 1/4): mean 100, standard deviation 8.7; five of them.
    assert ((counts - 100).abs() < 44).all()


def test_background_points_lie_on_free_pixels_and_have_no_chart():
    free = torch.zeros(2, 20, 30, dtype=torch.bool)
    free[0, 5, 7] = True
    free[1, :, 25:] = True
    people = DensePoseAnnotations([person(dense=False), person(False, ((0.1, 0.1), (0.2, 0.2)))])
    rois = torch.tensor([[0.0, 0.0, 64.0, 64.0]]).expand(2, -1)
    plain = build_chart_targets(rois, BOX.expand(2, -1), people)
    found = add_background_points(plain, free, ratio=2.0)
    assert found.num_background == 6
    assert found.num_surface_points == 3
    assert found.roi_index.tolist() == [0, 1, 1, 0, 0, 1, 1, 1, 1]
    assert found.point_charts[3:].tolist() == [0] * 6
    assert found.point_xy[3:5].tolist() == [[7.5, 5.5]] * 2
    assert (found.point_xy[5:, 0] >= 25.5).all()
    assert torch.equal(found.point_xy[:3], plain.point_xy)


def test_images_without_free_pixels_get_no_background():
    plain = targets(person(dense=False))
    found = add_background_points(plain, torch.zeros(1, 4, 4, dtype=torch.bool))
    assert found.num_background == 0


def test_persons_of_one_image_share_a_map():
    """Fully convolutional systems: the RoI is the whole input."""
    whole = torch.tensor([[0.0, 0.0, 64.0, 64.0], [0.0, 0.0, 64.0, 64.0]])
    boxes = torch.tensor([[0.0, 0, 32, 32], [16.0, 0, 48, 32], [0.0, 32, 64, 64]])
    people = [person(points=((0.5, 0.5),)) for _ in range(3)]
    for part, item in enumerate(people, start=1):
        item.coarse_map = torch.full((256, 256), part, dtype=torch.uint8)
    found = build_chart_targets(
        whole, boxes, DensePoseAnnotations(people), roi_of_person=torch.tensor([0, 0, 1])
    )
    assert found.roi_index.tolist() == [0, 0, 1]
    assert found.point_grid((64, 64)).tolist() == [[16.0, 16.0], [32.0, 16.0], [32.0, 48.0]]
    rois, parts = found.merged_coarse_target((64, 64))
    assert rois.tolist() == [0, 1]
    assert parts[0, 5, 5] == 1
    assert parts[0, 5, 20] == 2  # the later person lies on top
    assert parts[0, 40, 20] == 0
    assert parts[1, 40, 20] == 3
    assert found.dense_index.tolist() == [0, 0, 1]
    assert len(found) == 2
