"""A table of everything that can be wrong in a file: name -> (change, annotation id, field).

Each change edits the content of a fake file (two images, annotations 100..103, of which 100 and 102
carry dense pose) in place.
"""

import math


def edit(position, **fields):
    def change(data):
        data["annotations"][position].update(fields)

    return change


def drop(position, field):
    def change(data):
        del data["annotations"][position][field]

    return change


def edit_list(position, field, index, value):
    def change(data):
        data["annotations"][position][field][index] = value

    return change


def shorten(position, field):
    def change(data):
        data["annotations"][position][field].pop()

    return change


def edit_image(**fields):
    def change(data):
        data["images"][1].update(fields)

    return change


# Found by reading numbers alone.
CHEAP = {
    **{
        f"no {field}": (drop(0, field), 100, field)
        for field in ("dp_x", "dp_y", "dp_I", "dp_U", "dp_V", "dp_masks")
    },
    **{f"short {field}": (shorten(2, field), 102, field) for field in ("dp_x", "dp_I", "dp_V")},
    "dp_U no list": (edit(2, dp_U=0.5), 102, "dp_U"),
    "dp_U of text": (edit(2, dp_U=["a"] * 15), 102, "dp_U"),
    "dp_V nested": (edit(2, dp_V=[[0.5]] * 15), 102, "dp_V"),
    "chart 0": (edit_list(2, "dp_I", 4, 0), 102, "dp_I"),
    "chart 25": (edit_list(2, "dp_I", 4, 25.0), 102, "dp_I"),
    "chart 1.5": (edit_list(2, "dp_I", 4, 1.5), 102, "dp_I"),
    "U above 1": (edit_list(0, "dp_U", 0, 1.01), 100, "dp_U"),
    "V below 0": (edit_list(0, "dp_V", 0, -0.01), 100, "dp_V"),
    "U nan": (edit_list(0, "dp_U", 3, math.nan), 100, "dp_U"),
    "x infinite": (edit_list(0, "dp_x", 3, math.inf), 100, "dp_x"),
    "x above 256": (edit_list(0, "dp_x", 3, 256.5), 100, "dp_x"),
    "y below 0": (edit_list(0, "dp_y", 3, -1), 100, "dp_y"),
    "box of three": (edit(1, bbox=[1, 2, 3]), 101, "bbox"),
    "box of text": (edit(1, bbox="all"), 101, "bbox"),
    "box nan": (edit(1, bbox=[1, 2, math.nan, 4]), 101, "bbox"),
    "box without width": (edit(1, bbox=[5, 5, 0, 10]), 101, "bbox"),
    "box of negative height": (edit(1, bbox=[5, 5, 10, -2]), 101, "bbox"),
    "box right of the image": (edit(1, bbox=[70, 5, 10, 10]), 101, "bbox"),
    "box sticking out": (edit(1, bbox=[-3, 5, 10, 10]), 101, "bbox"),
    "keypoints of 16": (edit(3, keypoints=[0] * 48), 103, "keypoints"),
    "keypoints no list": (edit(3, keypoints=None), 103, "keypoints"),
    "keypoint nan": (edit_list(3, "keypoints", 7, math.nan), 103, "keypoints"),
    "keypoint v 3": (edit_list(3, "keypoints", 2, 3), 103, "keypoints"),
}

# Ids, links, required fields: found even with validation='structure'.
STRUCTURE = {
    **{
        f"no {field}": (drop(3, field), 103, field)
        for field in ("image_id", "category_id", "bbox", "area", "iscrowd")
    },
    "no annotation id": (drop(3, "id"), None, "id"),
    "annotation id a list": (edit(3, id=[1]), None, "id"),
    "annotation id twice": (edit(3, id=100), 100, "id"),
    "unknown image": (edit(2, image_id=999), 102, "image_id"),
    "unknown category": (edit(2, category_id=7), 102, "category_id"),
    "image id a list": (edit(2, image_id=[1]), 102, "image_id"),
    "image id twice": (edit_image(id=1), None, "id"),
    "image without name": (edit_image(file_name=None), None, "file_name"),
    "image of no height": (edit_image(height=0), None, "height"),
    "image width a text": (edit_image(width="64"), None, "width"),
}

# Found only by decoding.
EXPENSIVE = {
    "13 masks": (shorten(2, "dp_masks"), 102, "dp_masks"),
    "mask cut off": (
        edit_list(2, "dp_masks", 0, {"size": [256, 256], "counts": "abc"}),
        102,
        "dp_masks",
    ),
    "mask of other size": (
        edit_list(2, "dp_masks", 0, {"size": [56, 56], "counts": [3136]}),
        102,
        "dp_masks",
    ),
    "mask a number": (edit_list(2, "dp_masks", 0, 3), 102, "dp_masks"),
}
