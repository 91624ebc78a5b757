"""Run-length codes: agreement with pycocotools, merging order, codes that do not decode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmktn.formats.masks import merge_dp_masks, rle_runs


def encode(mask):
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def unpack(rle):
    runs = rle_runs(rle)
    height, width = rle["size"]
    return np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T


@settings(max_examples=60, deadline=None)
@given(
    hw=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    density=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0]),
    seed=st.integers(0, 1000),
)
def test_runs_are_those_that_pycocotools_wrote(hw, density, seed):
    mask = np.random.default_rng(seed).random(hw) < density
    assert np.array_equal(unpack(encode(mask)), mask)


def test_runs_of_a_large_blob():
    rows, columns = np.mgrid[:256, :256]
    mask = (rows - 130) ** 2 + (columns - 90) ** 2 < 80**2
    assert np.array_equal(unpack(encode(mask)), mask)


def test_uncompressed_counts_are_taken():
    assert rle_runs({"size": [2, 3], "counts": [1, 4, 1]}).tolist() == [1, 4, 1]


def test_convention_later_parts_overwrite_earlier():
    first, second = np.zeros((2, 256, 256), dtype=bool)
    first[10:30, 10:40] = True
    second[20:50, 20:30] = True
    masks = [[] for _ in range(14)]
    masks[1], masks[13] = encode(first), encode(second)
    merged = merge_dp_masks(masks)
    assert merged.dtype == np.uint8
    assert merged.flags.c_contiguous
    assert np.array_equal(merged, np.where(second, 14, np.where(first, 2, 0)))


def test_no_part_gives_background():
    assert not merge_dp_masks([[]] * 14).any()


GOOD = encode(np.eye(256, dtype=bool))
BROKEN = {
    "cut off": ({**GOOD, "counts": GOOD["counts"][:-4]}, "does not decode"),
    "too long": ({**GOOD, "counts": GOOD["counts"] + "99"}, "does not decode"),
    "letters": ({**GOOD, "counts": "!?"}, "characters"),
    "not ascii": ({**GOOD, "counts": "üü"}, "characters"),
    "open end": ({**GOOD, "counts": "o"}, "middle of a run"),
    "huge run": ({**GOOD, "counts": "o" * 12 + "0"}, "longer than any mask"),
    "negative": ({**GOOD, "counts": [70000, -4464]}, "negative"),
    "empty": ({**GOOD, "counts": ""}, "cover 0 cells"),
    "garbage that pycocotools accepts": ({**GOOD, "counts": "zzzzzzzz"}, "does not decode"),
    "other size": (encode(np.ones((56, 56))), "size"),
    "size not two numbers": ({"size": [256], "counts": "0"}, "size"),
    "no counts": ({"size": [256, 256]}, "not"),
    "number": (5, "not"),
    "float counts": ({**GOOD, "counts": [1.5]}, "neither text nor"),
}


@pytest.mark.parametrize(("rle", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_codes_name_the_part(rle, message):
    masks = [[] for _ in range(14)]
    masks[6] = rle
    with pytest.raises(ValueError, match=rf"part 7: .*{message}"):
        merge_dp_masks(masks)


@pytest.mark.parametrize("masks", [[[]] * 13, None, "RLE", {}])
def test_other_than_14_parts_is_an_error(masks):
    with pytest.raises(ValueError, match="not 14"):
        merge_dp_masks(masks)
