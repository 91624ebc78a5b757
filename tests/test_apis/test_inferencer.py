import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.formats.iuv_files import read_iuv_png
from mmktn.utils.user_error import UserError
from tests.test_apis.fake_detector import FakeDetector


def _picture(height: int = 20, width: int = 30, value: int = 200) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def inferencer() -> DensePoseInferencer:
    return DensePoseInferencer(FakeDetector())


def test_people_come_best_score_first_with_their_own_charts(inferencer):
    (prediction,) = inferencer(_picture())
    assert prediction.scores.tolist() == pytest.approx([0.9, 0.5])
    assert prediction.boxes_xyxy[0].tolist() == [4, 2, 12, 8]
    assert [int(r.labels[0, 0]) for r in prediction.densepose] == [9, 2]
    assert prediction.image_hw == (20, 30)


def test_a_model_that_makes_no_charts_is_named(inferencer, monkeypatch):
    people = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    people.keypoints = torch.zeros(0, 17, 2)
    monkeypatch.setattr(inferencer, "predict", lambda images, **_: [people for _ in images])
    with pytest.raises(ValueError, match=r"no charts but \['bboxes', 'keypoints', 'scores'\]"):
        list(inferencer(_picture()))


def test_threshold_is_strict(inferencer):
    (prediction,) = inferencer(_picture(), score_thr=0.5)
    assert len(prediction) == len(prediction.scores) == len(prediction.boxes_xyxy) == 1


def test_batches_are_real_and_the_last_one_is_short(inferencer):
    predictions = list(inferencer([_picture() for _ in range(5)], batch_size=2))
    assert len(predictions) == 5
    assert [shape[0] for shape, _ in inferencer.model.batches] == [2, 2, 1]


def test_results_stream(inferencer):
    stream = inferencer.stream([_picture() for _ in range(3)])
    assert inferencer.model.batches == []
    next(stream)
    assert len(inferencer.model.batches) == 1


def test_arrays_are_rgb_unless_bgr_is_said(inferencer, tmp_path):
    """A file, its RGB array and its BGR array are one picture, for the model and in the result."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(100, 255, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    seen = []
    inferencer.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    calls = [(tmp_path / "a.png", "RGB"), (rgb, "RGB"), (rgb[..., ::-1], "BGR")]
    for image, order in calls:
        (prediction,) = inferencer(image, channel_order=order)
        assert (prediction.image == rgb).all()
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    inferencer.predict([rgb])
    inferencer.predict([rgb[..., ::-1]], channel_order="BGR")
    assert torch.equal(seen[3], seen[0])
    assert torch.equal(seen[4], seen[0])
    with pytest.raises(UserError, match="channel_order is 'rgb'"):
        inferencer(rgb, channel_order="rgb")


def test_input_follows_the_dtype_of_the_model(inferencer):
    inferencer.model.bfloat16()
    list(inferencer(_picture()))
    assert inferencer.model.batches[0][1] == torch.bfloat16


def test_broken_files_are_reported_and_the_rest_go_on(inferencer, tmp_path):
    done, coded = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (40, 40, 3)))
    assert done
    (tmp_path / "a_truncated.jpg").write_bytes(coded.tobytes()[: len(coded) // 2])
    (tmp_path / "b_text.png").write_text("hello")
    cv2.imwrite(str(tmp_path / "c_good.png"), _picture())
    (tmp_path / "notes.txt").write_text("not a picture, left alone")
    predictions = list(inferencer([tmp_path, tmp_path / "d_missing.png"], batch_size=3))
    assert [p.name for p in predictions] == [
        "a_truncated.jpg",
        "b_text.png",
        "c_good.png",
        "d_missing.png",
    ]
    assert "truncated" in predictions[0].error
    assert "no image" in predictions[1].error
    assert predictions[2].error is None
    assert "no such file" in predictions[3].error
    assert [len(p) for p in predictions] == [0, 0, 2, 0]
    assert [shape[0] for shape, _ in inferencer.model.batches] == [1]


def test_image_without_people_has_no_error(inferencer, tmp_path):
    (prediction,) = inferencer(
        _picture(value=10), vis_out_dir=tmp_path, pred_out_dir=tmp_path, save=("json", "iuv")
    )
    assert prediction.error is None
    assert len(prediction) == 0
    assert json.loads((tmp_path / "array_0.json").read_text()) == []
    assert not read_iuv_png(tmp_path / "array_0_IUV.png").any()


def test_files_keep_the_name_of_the_image(inferencer, tmp_path):
    cv2.imwrite(str(tmp_path / "000000000785.png"), _picture())
    out = tmp_path / "out"
    (prediction,) = inferencer(
        tmp_path / "000000000785.png",
        vis_out_dir=out,
        pred_out_dir=out,
        save=("json", "npz", "iuv", "charts"),
        preset="viton",
        return_vis=True,
    )
    assert sorted(p.name for p in out.iterdir()) == [
        "000000000785.json",
        "000000000785.npz",
        "000000000785.png",
        "000000000785_INDS.png",
        "000000000785_IUV.png",
        "000000000785_viton.png",
    ]
    entries = json.loads((out / "000000000785.json").read_text())
    assert [entry["image_id"] for entry in entries] == [785, 785]
    assert entries[0]["bbox"] == [4, 2, 8, 6]
    assert (cv2.imread(str(out / "000000000785.png"))[..., ::-1] == prediction.picture).all()
    # Highest score on top where the two people overlap (x 4..6, y 2..7).
    iuv = read_iuv_png(out / "000000000785_IUV.png")
    assert iuv[:, 4, 5].tolist() == [9, 127, 127]
    assert iuv[:, 4, 2].tolist() == [2, 127, 127]
    instances = cv2.imread(str(out / "000000000785_INDS.png"), cv2.IMREAD_UNCHANGED)
    assert instances[4, 5] == 1
    assert instances[4, 2] == 2


def test_npz_opens_without_pickle(inferencer, tmp_path):
    list(inferencer(_picture(), pred_out_dir=tmp_path, save=["npz"]))
    with np.load(tmp_path / "array_0.npz", allow_pickle=False) as arrays:
        assert arrays["boxes_xyxy"].shape == (2, 4)
        assert (arrays["labels_0"] == 9).all()
        assert arrays["uv_1"].shape == (2, 8, 6)
        assert arrays["image_hw"].tolist() == [20, 30]


def test_given_boxes_skip_the_detector_and_reach_it_in_network_pixels(inferencer):
    boxes = [np.array([[2, 4, 10, 16]]), np.zeros((0, 4))]
    predictions = list(inferencer([_picture(32, 32), _picture(32, 32)], boxes=boxes, batch_size=2))
    assert [len(p) for p in predictions] == [1, 0]
    assert predictions[0].scores.tolist() == [1.0]
    assert predictions[0].boxes_xyxy.tolist() == [[2, 4, 10, 16]]
    assert inferencer.model.rois[0].tolist() == [[4, 8, 20, 32]]  # 32 px resized to 64


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"preset": "vton"}, "unknown preset 'vton'"),
        ({"boxes": []}, "0 lists of boxes for 1 images"),
    ],
)
def test_bad_arguments_fail_at_the_call(inferencer, kwargs, message):
    with pytest.raises(ValueError, match=message):
        inferencer(_picture(), **kwargs)


def test_box_without_area_is_named(inferencer):
    with pytest.raises(ValueError, match=r"array_0.png: box 0 \[5.0, 5.0, 5.0, 9.0\] .*no area"):
        list(inferencer(_picture(), boxes=[[[5, 5, 5, 9]]]))


def test_unknown_save_format_is_named(inferencer, tmp_path):
    with pytest.raises(ValueError, match="unknown format 'pkl'; known: json, npz, iuv, charts"):
        list(inferencer(_picture(), pred_out_dir=tmp_path, save=["pkl"]))
