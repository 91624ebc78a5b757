"""One bad file, three readers: checker, data set and evaluator refuse it alike, in one line."""

import copy
import json
import math

import numpy as np
import pytest

from mmktn.datasets import DensePoseCocoDataset
from mmktn.evaluation.cli import main
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.formats.file_check import check_file
from mmktn.formats.json_files import RepeatedKeyWarning
from mmktn.formats.result_files import save_npz
from tests.test_evaluation.builders import World, part_masks

PIPELINE = [
    {"type": "mmktn.LoadDensePoseAnnotations"},
]
SQUARE = [10.0, 10.0, 40.0, 10.0, 40.0, 40.0]


def edit(**fields):
    return lambda data: data["annotations"][0].update(fields)


def drop(field):
    return lambda data: data["annotations"][0].pop(field)


def part(**fields):
    def change(data):
        masks = data["annotations"][0]["dp_masks"]
        place = next(k for k, mask in enumerate(masks) if mask)
        masks[place] = {**masks[place], **fields}

    return change


def image(**fields):
    return lambda data: data["images"][0].update(fields)


def category(**fields):
    return lambda data: data["categories"][0].update(fields)


def rle(size, counts):
    return edit(segmentation={"size": size, "counts": counts})


BAD = {
    "polygon nan": (edit(segmentation=[[math.nan, *SQUARE[1:]]]), "segmentation"),
    "polygon infinite": (edit(segmentation=[[math.inf, *SQUARE[1:]]]), "segmentation"),
    "polygon far": (edit(segmentation=[[1e9, *SQUARE[1:]]]), "segmentation"),
    "polygon of text": (edit(segmentation=[["a"] * 6]), "segmentation"),
    "polygon of 4": (edit(segmentation=[SQUARE[:4]]), "segmentation"),
    "polygon odd": (edit(segmentation=[[*SQUARE, 3.0]]), "segmentation"),
    "polygon empty beside one": (edit(segmentation=[SQUARE, []]), "segmentation"),
    "polygon nested": (edit(segmentation=[[[1, 2], [3, 4], [1, 4]]]), "segmentation"),
    "polygon pairs": (edit(segmentation=[[1, 2], [3, 4], [1, 4]]), "segmentation"),
    "polygon flat": (edit(segmentation=SQUARE), "segmentation"),
    "polygon of digits": (edit(segmentation=[["1"] * 6]), "segmentation"),
    "polygon to and fro": (edit(segmentation=[[0, 0, 150, 0] * 15000]), "segmentation"),
    "polygons to and fro": (edit(segmentation=[[0, 0, 150, 0] * 1000] * 15), "segmentation"),
    "rle swapped": (rle([160, 120], [160 * 120]), "segmentation"),
    "rle short": (rle([120, 160], [5, 5]), "segmentation"),
    "rle bomb": (rle([100000, 100000], [5 * 10**9, 5 * 10**9]), "segmentation"),
    "rle text bomb": (rle([100000, 100000], "PPPPP"), "segmentation"),
    "rle size no list": (rle(5, "0"), "segmentation"),
    "rle huge run": (rle([120, 160], [10**40]), "segmentation"),
    "mask short": (part(counts=[100, 50]), "dp_masks"),
    "mask short text": (part(counts="05"), "dp_masks"),
    "mask garbage": (part(counts="é€!!"), "dp_masks"),
    "mask negative": (part(counts=[-5, 65541]), "dp_masks"),
    "mask huge": (part(size=[10**6, 10**6], counts=[10**12]), "dp_masks"),
    "box huge": (edit(bbox=[0, 0, 1e6, 1e6]), "bbox"),
    "box infinite": (edit(bbox=[0, 0, math.inf, 5]), "bbox"),
    "box missing": (drop("bbox"), "bbox"),
    "area text": (edit(area="12"), "area"),
    "area null": (edit(area=None), "area"),
    "area nan": (edit(area=math.nan), "area"),
    "id fraction": (edit(id=1.5), "id"),
    "id text": (edit(id="abc"), "id"),
    "id null": (edit(id=None), "id"),
    "id huge": (edit(id=10**30), "id"),
    "id twice": (lambda d: d["annotations"].append(d["annotations"][0]), "id"),
    "point huge": (lambda d: d["annotations"][0]["dp_x"].__setitem__(0, 10**400), "dp_x"),
    "point markup": (edit(dp_I=["[/red]"]), "dp_I"),
    "no dp_U": (drop("dp_U"), "dp_U"),
    "image huge": (image(height=10**6, width=10**6), "height"),
    "image height negative": (image(height=-5), "height"),
    "image leads out": (image(file_name="../../x.jpg"), "file_name"),
    "image elsewhere": (image(file_name="/x.jpg"), "file_name"),
    "image text": (lambda d: d["images"].append("x"), "id"),
    "regions": (image(ignore_regions_x=[[1, [2]]], ignore_regions_y=[[1, 2]]), "ignore_regions_x"),
    "category number": (lambda d: d["categories"].append(1), "categories"),
    "category dog": (category(name="dog"), "categories"),
    "keypoints number": (category(keypoints=5), "categories"),
    "annotation list": (lambda d: d["annotations"].append([]), "id"),
    "no images": (lambda d: d.pop("images"), "images"),
}


@pytest.fixture(scope="module")
def good():
    world = World(0, images=2, people=2)
    for entry in world.data["images"]:
        entry["file_name"] = f"{entry['id']}.jpg"
    for entry, iuv in zip(world.data["annotations"], world.maps, strict=True):
        entry["dp_masks"] = part_masks(iuv)
    return world.data, world.detections()


def refusals(folder, detections, capsys):
    """First message of checker, data set and evaluator on `gt.json`; None where it is taken."""
    path = str(folder / "gt.json")
    found = [next((str(problem) for problem in check_file(path)), None)]
    try:
        items = DensePoseCocoDataset(
            ann_file=path, data_prefix={"img": str(folder)}, pipeline=PIPELINE, lazy_init=False
        )
        for index in range(len(items)):
            items[index]
        found.append(None)
    except ValueError as error:
        found.append(str(error).partition(" (and ")[0])
    save_npz(detections, folder / "r.npz")
    status = main(["--gt", path, "--results", str(folder / "r.npz"), "--metric", "iou", "--quiet"])
    text = capsys.readouterr().err
    assert text.count("\n") == status
    found.append(text.strip().removeprefix("evaluate: ").partition(" (and ")[0] or None)
    return found


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_bad_file_is_refused_by_all_with_one_message(change, good, tmp_path, capsys):
    data, detections = copy.deepcopy(good[0]), good[1]
    change[0](data)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    checker, data_set, evaluator = refusals(tmp_path, detections, capsys)
    assert checker is not None
    assert f"field {change[1]}" in checker
    assert checker.startswith(str(tmp_path / "gt.json"))
    assert data_set == checker
    assert evaluator == checker


SCORED = {
    "masks few": (edit(dp_masks=[[], []]), "dp_masks", "other than 14 dp_masks"),
    "masks many": (lambda d: d["annotations"][0]["dp_masks"].append([]), "dp_masks", "other than"),
    "box leaves": (edit(bbox=[-5.0, 10.0, 40.0, 40.0]), "bbox", "a box that leaves its image"),
    "box flat": (edit(bbox=[10.0, 10.0, 0.0, 40.0]), "bbox", "a box of zero size"),
    "no chart": (lambda d: d["annotations"][0]["dp_I"].__setitem__(0, 25), "dp_I", "on no chart"),
    "chart huge": (lambda d: d["annotations"][0]["dp_I"].__setitem__(0, 1e300), "dp_I", "no chart"),
    "no masks": (drop("dp_masks"), "dp_masks", None),
    "no name": (lambda d: d["images"][0].pop("file_name"), "file_name", None),
}


@pytest.mark.parametrize(("change", "field", "note"), SCORED.values(), ids=SCORED.keys())
def test_what_the_official_evaluator_scores_is_noted(change, field, note, good, tmp_path, capsys):
    data, detections = copy.deepcopy(good[0]), good[1]
    change(data)
    (tmp_path / "gt.json").write_text(json.dumps(data))
    checker, data_set, evaluator = refusals(tmp_path, detections, capsys)
    assert f"field {field}" in checker
    assert data_set == checker
    assert evaluator is None
    notes = DensePoseTruth.from_file(tmp_path / "gt.json").notes
    assert note is None or any(note in text for text in notes)


def test_a_repeated_key_is_said_and_the_last_value_counts(good, tmp_path, capsys):
    path = tmp_path / "gt.json"
    path.write_text('{"annotations": [],' + json.dumps(good[0])[1:])
    with pytest.warns(RepeatedKeyWarning, match="'annotations' stands more than once"):
        truth = DensePoseTruth.from_file(path)
    assert len(truth.all_persons()) == len(good[0]["annotations"])
    save_npz(good[1], tmp_path / "r.npz")
    argv = ["--gt", str(path), "--results", str(tmp_path / "r.npz"), "--metric", "iou", "--quiet"]
    assert main(argv) == 0
    assert "note: ground truth" in capsys.readouterr().out


def test_names_with_markup_are_printed_as_they_are(good, tmp_path, capsys):
    data, detections = copy.deepcopy(good[0]), good[1]
    data["categories"].append({"id": 9, "name": "[/b]"})
    data["annotations"][0]["category_id"] = 9
    (tmp_path / "gt.json").write_text(json.dumps(data))
    assert refusals(tmp_path, detections, capsys) == [None, None, None]


def test_odd_but_valid_files_are_taken_by_all(good, tmp_path, capsys):
    data, detections = copy.deepcopy(good[0]), good[1]
    data["annotations"][0]["id"] = -5
    data["annotations"][0]["segmentation"] = []
    data["categories"][0]["supercategory"] = "[/b]"
    (tmp_path / "gt.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(data).encode())
    assert refusals(tmp_path, detections, capsys) == [None, None, None]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a complete JSON"),
        (b"null", "images"),
        (b"[1]", "images"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" + b"9" * 5000 + b"]", "JSON"),
    ],
)
def test_no_annotation_file_at_all(content, said, good, tmp_path, capsys):
    (tmp_path / "gt.json").write_bytes(content)
    for read in (
        lambda path: list(check_file(path)).__iter__().__next__(),
        lambda path: DensePoseCocoDataset(ann_file=path, pipeline=[]),
    ):
        try:
            text = str(read(str(tmp_path / "gt.json")))
        except ValueError as error:
            text = str(error)
        assert said in text
    assert main(["--gt", str(tmp_path / "gt.json"), "--results", "r.json", "--metric", "iou"]) == 1
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1


RESULTS = {
    "top number": 1,
    "top null": None,
    "entries numbers": [1],
    "entries lists": [[1]],
    "keypoint number": [{"image_id": 1, "category_id": 1, "score": 1, "keypoints": 5}],
    "keypoint text": [{"image_id": 1, "category_id": 1, "score": 1, "keypoints": ["a"] * 51}],
    "id fraction": [{"image_id": 1.7}],
    "id huge": [{"image_id": 10**30}],
    "id null": [{"image_id": None}],
    "box infinite": [{"bbox": [0, 0, math.inf, math.inf]}],
    "box huge": [{"bbox": [0, 0, 1e9, 1e9]}],
    "score list": [{"score": [1, 2]}],
    "score nan": [{"score": math.nan}],
    "shape null": [{"uv_shape": None}],
    "shape text": [{"uv_shape": "[/b]"}],
    "data number": [{"uv_data": 5}],
    "data no picture": [{"uv_data": "aGVsbG8="}],
    "data not ascii": [{"uv_data": "é"}],
}


@pytest.mark.parametrize("content", RESULTS.values(), ids=RESULTS.keys())
def test_bad_results_are_one_line(content, good, tmp_path, capsys):
    (tmp_path / "gt.json").write_text(json.dumps(good[0]))
    if isinstance(content, list) and isinstance(content[0], dict) and "keypoints" not in content[0]:
        entry = {"image_id": good[0]["images"][0]["id"], "category_id": 1, "score": 1.0}
        entry |= {"bbox": [1, 1, 5, 5], "uv_shape": [3, 5, 5], "uv_data": ""}
        content = [entry | content[0]]
    (tmp_path / "r.json").write_text(json.dumps(content))
    args = ["--gt", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.json"), "--quiet"]
    assert main(args) == 1
    text = capsys.readouterr().err
    assert text.startswith("evaluate: ")
    assert "r.json" in text or "gt.json" in text
    assert "internal error" not in text


@pytest.mark.parametrize(
    "changed",
    [
        {"score": np.float64(1)},
        {"score": np.array(["a"])},
        {"iuv": np.array([{}], dtype=object)},
        {"iuv_shape": np.array([[2**40, 2**40]])},
        {"iuv_shape": np.array([[-1, -1]])},
        {"bbox": np.zeros((1, 3))},
        {"bbox": np.full((1, 4), np.inf)},
    ],
    ids=["scalar", "text", "object", "huge", "negative", "narrow", "infinite"],
)
def test_bad_npz_is_one_line(changed, good, tmp_path, capsys):
    (tmp_path / "gt.json").write_text(json.dumps(good[0]))
    fields = {
        "image_id": np.array([good[0]["images"][0]["id"]]),
        "category_id": np.array([1]),
        "bbox": np.array([[1.0, 1, 2, 2]]),
        "score": np.array([0.5]),
        "iuv_shape": np.array([[2, 2]]),
        "iuv_offset": np.array([0, 12]),
        "iuv": np.zeros(12, dtype=np.uint8),
    }
    np.savez(tmp_path / "r.npz", **fields | changed)
    args = ["--gt", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.npz"), "--quiet"]
    assert main(args) == 1
    text = capsys.readouterr().err
    assert "r.npz" in text
    assert "internal error" not in text


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_the_evaluator_writes_over_nothing(option, good, tmp_path, capsys):
    (tmp_path / "gt.json").write_text(json.dumps(good[0]))
    (tmp_path / "mine.json").write_text("mine")
    save_npz(good[1], tmp_path / "r.npz")
    args = ["--gt", str(tmp_path / "gt.json"), "--results", str(tmp_path / "r.npz"), "--quiet"]
    args += ["--metric", "iou", option]
    before = (tmp_path / "gt.json").read_bytes()
    assert main([*args, str(tmp_path / "gt.json"), "--overwrite"]) == 1
    assert "is an input" in capsys.readouterr().err
    assert main([*args, str(tmp_path / "mine.json")]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "gt.json").read_bytes() == before
    assert (tmp_path / "mine.json").read_text() == "mine"
