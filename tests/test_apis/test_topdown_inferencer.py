"""Top-down systems from Python: given boxes, boxes of a detector, clear errors."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData

from demo import image_demo
from mmktn.apis import DensePoseInferencer, TopdownDensePoseInferencer, load_model, open_inferencer
from mmktn.registry import TRANSFORMS
from mmktn.visualization.chart_visualizer import ChartVisualizer

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TOPDOWN = CONFIGS / "topdown/densepose-td_hrnet-w16n_ktm1_cpu_dp-synth.py"
DETECTOR = CONFIGS / "densepose/densepose-rcnn_r18_fpn_cpu_dp-synth.py"
BOXES = np.array([[10.0, 8.0, 50.0, 90.0], [30.0, 5.0, 70.5, 60.0]], np.float32)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return load_model(TOPDOWN, device="cpu")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (96, 120, 3)).astype(np.uint8)


def test_given_boxes_come_back_with_charts(model, image):
    (prediction,) = TopdownDensePoseInferencer(model)(image, boxes=[BOXES])
    assert prediction.boxes_xyxy.tolist() == BOXES.tolist()
    assert prediction.scores.tolist() == [1.0, 1.0]
    assert [result.hw for result in prediction.densepose] == [(82, 40), (55, 40)]


def test_result_is_that_of_the_test_pipeline(model, image):
    """What tools/test.py would store for the same box."""
    inferencer = TopdownDensePoseInferencer(model)
    (prediction,) = inferencer(image, boxes=[BOXES[:1]], channel_order="BGR")
    results = {
        "img": image,
        "img_id": 1,
        "id": 0,
        "ori_shape": image.shape[:2],
        "img_shape": image.shape[:2],
        "bbox": BOXES[:1],
        "bbox_score": np.ones(1, np.float32),
    }
    for step in model.cfg.test_dataloader.dataset.pipeline[1:]:
        results = TRANSFORMS.build(step)(results)
    with torch.no_grad():
        (sample,) = model.test_step(pseudo_collate([results]))
    expected = sample.pred_instances.densepose[0]
    assert torch.equal(expected.labels, prediction.densepose[0].labels)
    assert torch.equal(expected.uv, prediction.densepose[0].uv)


def test_image_without_boxes_has_nobody_and_no_error(model, image):
    (prediction,) = TopdownDensePoseInferencer(model)(image, boxes=[np.zeros((0, 4))])
    assert len(prediction) == 0
    assert prediction.error is None


def test_detector_gives_boxes_and_scores(model, image):
    detector = DensePoseInferencer(DETECTOR, device="cpu")
    found = InstanceData(
        bboxes=torch.tensor([*BOXES.tolist(), [1.0, 1, 9, 9], [2, 2, 9, 9]]),
        scores=torch.tensor([0.5, 0.9, 0.01, 0.8]),
        labels=torch.tensor([0, 0, 0, 1]),
    )
    detector.predict = lambda images, **_: [found for _ in images]
    (prediction,) = TopdownDensePoseInferencer(model, detector=detector)(image)
    assert prediction.boxes_xyxy.tolist() == BOXES[::-1].tolist()
    assert prediction.scores.tolist() == pytest.approx([0.9, 0.5])


def test_real_detector_runs_through(image):
    inferencer = open_inferencer(TOPDOWN, detector=DETECTOR, device="cpu")
    inferencer.min_box_score = 0.0
    (prediction,) = inferencer(image, score_thr=-1)
    assert len(prediction) <= 20
    assert len(prediction.densepose) == len(prediction.boxes_xyxy)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10, 10, 10, 20], "box 0 .* has no area"),
        ([np.nan, 0, 1, 1], "box 0 .* not finite"),
    ],
)
def test_bad_boxes_are_named(model, image, box, message):
    with pytest.raises(ValueError, match=message):
        list(TopdownDensePoseInferencer(model)(image, boxes=[np.array([box])]))


def test_boxes_outside_are_an_error_of_their_picture(model, image):
    boxes = [np.array([[200, 10, 210, 20]]), BOXES]
    outside, inside = TopdownDensePoseInferencer(model)([image, image], boxes=boxes)
    assert "outside its picture of 120 x 96" in outside.error
    assert len(inside) == 2
    with pytest.raises(ValueError, match=r"image 0: box 0 .* outside its picture"):
        TopdownDensePoseInferencer(model).predict([image], boxes=boxes[:1])


def test_nobody_says_where_the_people_are(model, image):
    inferencer = TopdownDensePoseInferencer(model)
    with pytest.raises(ValueError, match="give boxes of the people, or those of a detector"):
        inferencer.stream(image)  # at the call, before any work
    with pytest.raises(ValueError, match="give boxes"):
        inferencer.predict([image])


def test_kinds_are_not_mixed_up(model):
    with pytest.raises(ValueError, match="use TopdownDensePoseInferencer"):
        DensePoseInferencer(model)
    with pytest.raises(ValueError, match="not a top-down config"):
        TopdownDensePoseInferencer(DETECTOR, device="cpu")
    with pytest.raises(ValueError, match="finds people itself"):
        open_inferencer(DETECTOR, detector=DETECTOR)
    assert type(open_inferencer(DETECTOR, device="cpu")) is DensePoseInferencer


def test_demo_draws_given_boxes(model, image, tmp_path, capsys):
    checkpoint = tmp_path / "weights.pth"
    torch.save({"state_dict": model.state_dict()}, checkpoint)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    (tmp_path / "boxes.json").write_text(f'{{"a.png": {BOXES.tolist()}}}')
    common = [str(tmp_path / "a.png"), str(TOPDOWN), str(checkpoint), "--device", "cpu"]
    common += ["--out-dir", str(tmp_path / "out"), "--overwrite"]
    assert image_demo.main([*common, "--boxes", str(tmp_path / "boxes.json")]) == 0
    assert "2 people" in capsys.readouterr().out
    assert (tmp_path / "out/a.png").is_file()
    assert image_demo.main(common) == 1
    assert "give --detector or --boxes" in capsys.readouterr().err
    (tmp_path / "boxes.json").write_text('{"b.png": []}')
    assert image_demo.main([*common, "--boxes", str(tmp_path / "boxes.json")]) == 1
    assert "has no entry 'a.png'" in capsys.readouterr().out


def test_visualizer_draws_a_sample(model, image):
    """The pictures of training and testing read the same fields as those of a detector."""
    (found,) = TopdownDensePoseInferencer(model).predict([image], boxes=[BOXES])
    visualizer = ChartVisualizer("topdown")
    visualizer.dataset_meta = {"classes": ("person",)}
    picture = visualizer.draw_predictions(image, found)
    assert picture.shape[1] > 4 * image.shape[1]
