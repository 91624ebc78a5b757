import json

import numpy as np
import pytest

from mmktn.formats.chart_arrays import decode_png, encode_png
from mmktn.formats.dense_detections import DenseDetections, result_hw
from mmktn.formats.result_files import (
    check_maps,
    from_entries,
    official_entry,
    read_results,
    save_npz,
)
from tests.test_evaluation.builders import World


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture
def entries(world):
    detections = world.detections()
    return [official_entry(detections, k) for k in range(len(detections))]


def same(a: DenseDetections, b: DenseDetections) -> bool:
    columns = ("image_ids", "category_ids", "boxes_xywh", "scores")
    maps = all(np.array_equal(a.iuv(k), b.iuv(k)) for k in range(len(a)))
    return maps and all(np.array_equal(getattr(a, c), getattr(b, c)) for c in columns)


def test_official_json_and_npz_come_back_as_they_went(world, entries, tmp_path):
    detections = world.detections()
    (tmp_path / "r.json").write_text(json.dumps(entries))
    save_npz(detections, tmp_path / "r.npz")
    assert same(read_results(tmp_path / "r.json"), detections)
    assert same(read_results(tmp_path / "r.npz"), detections)


def test_numbers_may_be_strings_and_base64_may_have_line_breaks(world, entries):
    for entry in entries:
        entry |= {
            "image_id": str(entry["image_id"]), "score": str(entry["score"]),
            "bbox": [str(v) for v in entry["bbox"]],
            "uv_shape": [str(v) for v in entry["uv_shape"]],
            "uv_data": "\n".join([entry["uv_data"][:50], entry["uv_data"][50:]]),
        }  # fmt: skip
    assert same(from_entries(entries), world.detections())


def test_the_older_detectron2_form_is_read(world, entries):
    old = [
        {k: v for k, v in e.items() if not k.startswith("uv_")}
        | {"densepose": [[e["uv_shape"], e["uv_data"]], e["bbox"]]}
        for e in entries
    ]
    assert same(from_entries(old), world.detections())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "high"}, "entry 1: score is no number"),
        ({"bbox": [1, 2, 3]}, "entry 1: bbox needs 4 numbers, got 3"),
        ({"image_id": "x"}, "entry 1: image_id is no number: 'x'"),
        ({"image_id": float("nan")}, "entry 1: image_id is no whole number"),
        ({"uv_shape": [3, 1, 1]}, r"entry 1 .*uv_shape \(3, 1, 1\), but the box"),
        ({"uv_data": 5}, "entry 1 .*uv_data is no text"),
        ({"densepose": 5}, "entry 1 .*densepose is not"),
    ],
)
def test_malformed_entries_are_named(entries, change, message):
    entries[1] |= change
    with pytest.raises(ValueError, match=message):
        from_entries(entries, "results")


@pytest.mark.parametrize("field", ["image_id", "category_id", "bbox", "score", "uv_data"])
def test_missing_fields_are_named(entries, field):
    del entries[3][field]
    with pytest.raises(ValueError, match=f"entry 3.*no field '{field}'"):
        from_entries(entries)


def test_malformed_pictures_are_named_when_they_are_needed(entries):
    entries[2]["uv_data"] = entries[2]["uv_data"][:40]
    entries[4]["uv_data"] = "?!"
    detections = from_entries(entries, "results")
    assert detections.iuv(0).shape[0] == 3
    with pytest.raises(ValueError, match=r"results: entry 2 \(image .*uv_data is no PNG"):
        detections.iuv(2)
    assert [k for k, _ in check_maps(detections)] == [2, 4]


def test_grey_pictures_are_refused():
    import base64
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (3, 3)).save(buffer, format="png")
    with pytest.raises(ValueError, match="mode L, not 8-bit RGB"):
        decode_png(base64.b64encode(buffer.getvalue()).decode(), where="entry 0")


def test_coding_is_lossless():
    iuv = np.random.default_rng(0).integers(0, 256, (3, 11, 7)).astype(np.uint8)
    assert np.array_equal(decode_png(encode_png(iuv)), iuv)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.npz"):
        read_results(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.json"):
        read_results(tmp_path / "a.json")
    (tmp_path / "b.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"b\.npz: not an \.npz file of results"):
        read_results(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", image_id=np.arange(2))
    with pytest.raises(ValueError, match="no field"):
        read_results(tmp_path / "c.npz")
    (tmp_path / "d.json").write_text("{}")
    with pytest.raises(ValueError, match="a list of results is expected"):
        read_results(tmp_path / "d.json")


def test_npz_whose_parts_do_not_fit_is_refused(world, tmp_path):
    save_npz(world.detections(), tmp_path / "r.npz")
    fields = dict(np.load(tmp_path / "r.npz"))
    np.savez(tmp_path / "s.npz", **fields | {"iuv": fields["iuv"][:-3]})
    with pytest.raises(ValueError, match="iuv_offset does not fit"):
        read_results(tmp_path / "s.npz")
    np.savez(tmp_path / "t.npz", **fields | {"score": fields["score"][1:]})
    with pytest.raises(ValueError, match="11 scores"):
        read_results(tmp_path / "t.npz")


def test_convention_map_size_is_the_truncated_box_and_at_least_one_pixel():
    assert result_hw(np.array([0.5, 0.5, 20.9, 30.2])) == (30, 20)
    assert result_hw(np.array([0.0, 0.0, 0.3, 0.0])) == (1, 1)
