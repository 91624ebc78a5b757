import torch

from mmktn.models.targets import densepose_roi_mask, pairwise_iou

BOX = [0.0, 0.0, 10.0, 10.0]


def test_iou_by_hand():
    a = torch.tensor([BOX, BOX, BOX, [5.0, 5.0, 5.0, 9.0]])
    b = torch.tensor([BOX, [5.0, 0.0, 15.0, 10.0], [20.0, 20.0, 30.0, 30.0], [5.0, 5.0, 5.0, 9.0]])
    torch.testing.assert_close(pairwise_iou(a, b), torch.tensor([1.0, 1 / 3, 0.0, 0.0]))


def test_overlap_has_to_be_strictly_larger():
    """The code compares with >, not >=."""
    rois = torch.tensor([[0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 10.0, 5.1]])
    persons = torch.tensor([BOX, BOX])
    mask = densepose_roi_mask(rois, persons, annotated=torch.tensor([True, True]), min_iou=0.5)
    assert mask.tolist() == [False, True]


def test_persons_without_dense_pose_are_left_out():
    boxes = torch.tensor([BOX, BOX])
    mask = densepose_roi_mask(boxes, boxes, annotated=torch.tensor([True, False]), min_iou=0.7)
    assert mask.tolist() == [True, False]
    none = densepose_roi_mask(
        boxes[:0], boxes[:0], annotated=torch.zeros(0, dtype=torch.bool), min_iou=0.7
    )
    assert none.shape == (0,)
