"""Part masks for evaluators: the fast check agrees with the one that gives reasons."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmktn.formats.annotation_sets import AnnotationFormat
from mmktn.formats.masks import check_part_masks, merge_dp_masks, part_runs
from mmktn.utils.user_error import UserError

ANY = AnnotationFormat("any", all_parts=False, mask_sides=(256, 512))


def encode(mask):
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [256, 256], "counts": code["counts"].decode()}


def random_masks(rng):
    """14 parts: empty, full, noise, blocks, absent."""
    kinds = (
        lambda: encode(np.zeros((256, 256))),
        lambda: encode(np.ones((256, 256))),
        lambda: encode(rng.random((256, 256)) < 0.02),
        lambda: encode(np.kron(rng.random((8, 8)) < 0.5, np.ones((32, 32)))),
        list,
    )
    return [kinds[k]() for k in rng.integers(0, len(kinds), 14)]


@pytest.mark.parametrize("seed", range(5))
def test_sound_masks_are_read_as_by_training(seed):
    masks = random_masks(np.random.default_rng(seed))
    found = check_part_masks(masks)
    np.testing.assert_array_equal(found.merged(), merge_dp_masks(masks))
    np.testing.assert_array_equal(found.union(), merge_dp_masks(masks) > 0)


def test_spoilt_text_is_refused_exactly_where_the_runs_do_not_fit():
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        masks = [encode(rng.random((256, 256)) < 0.001) for _ in range(3)] + [[]] * 11
        text = bytearray(masks[1]["counts"], "ascii")
        change = rng.integers(3)
        if change == 0:
            text[rng.integers(len(text))] = rng.integers(40, 128)
        elif change == 1:
            del text[rng.integers(len(text)) :]
        else:  # two runs change places: often the sum still fits
            at = rng.integers(len(text) - 1)
            text[at], text[at + 1] = text[at + 1], text[at]
        masks[1]["counts"] = text.decode("latin1")
        try:
            part_runs(masks, ANY)
        except UserError:
            refused += 1
            with pytest.raises(UserError, match="part 2: "):
                check_part_masks(masks)
        else:
            np.testing.assert_array_equal(check_part_masks(masks).merged(), merge_dp_masks(masks))
    assert 50 < refused < 150


def as_text(*runs):
    code = coco_mask.frPyObjects({"size": [256, 256], "counts": list(runs)}, 256, 256)
    return {"size": [256, 256], "counts": code["counts"].decode()}


def painted(masks):
    """Part after part, as docs/datasets.md says."""
    found = np.zeros((256, 256), dtype=np.uint8)
    for part, code in enumerate(masks, start=1):
        if code:
            found[coco_mask.decode(code) > 0] = part
    return found


WHOLE = 256 * 256
ODD_RUNS = {
    "empty runs between": as_text(100, 50, 0, 0, 0, 70, WHOLE - 220),
    "empty runs at the ends": as_text(0, 0, 5, 7, WHOLE - 12, 0, 0, 0),
    "touches both ends": as_text(0, 300, WHOLE - 600, 300),
    "whole": as_text(0, WHOLE),
    "nothing": as_text(WHOLE),
    "first cell": as_text(0, 1, WHOLE - 1),
    "last cell": as_text(WHOLE - 1, 1),
}


def test_odd_runs_on_top_of_each_other_are_merged_as_painted():
    rng = np.random.default_rng(0)
    names = list(ODD_RUNS)
    for _ in range(40):
        masks = [ODD_RUNS[name] if rng.random() < 0.7 else [] for name in rng.choice(names, 14)]
        np.testing.assert_array_equal(merge_dp_masks(masks), painted(masks))


def test_negative_runs_that_add_up_are_refused():
    code = coco_mask.frPyObjects({"size": [256, 256], "counts": [65536]}, 256, 256)
    assert check_part_masks([code]).union().sum() == 0
    with pytest.raises(UserError, match="negative"):
        check_part_masks([[], {"size": [256, 256], "counts": [65540, 2, -6]}])
    # The same as text: 65540, 2, -6.
    with pytest.raises(UserError, match="negative"):
        check_part_masks([[], {"size": [256, 256], "counts": "TPP22J"}])


def test_list_counts_and_double_size_are_read():
    left = np.zeros((512, 512), np.uint8, order="F")
    left[:, :256] = 1
    text = coco_mask.encode(left)
    double = {"size": [512, 512], "counts": text["counts"].decode()}
    plain = {"size": [256, 256], "counts": [128 * 256, 128 * 256]}
    found = check_part_masks([double, plain])
    assert found.labels == (1, 2)
    assert found.union().all()
    np.testing.assert_array_equal(found.merged()[0, [0, 127, 128]], [1, 1, 2])
