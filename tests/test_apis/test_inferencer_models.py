"""The inferencer on a real, small KTN v2 with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.apis import DensePoseInferencer, load_model

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "densepose"
KTN2 = CONFIGS / "ktn2_r18_fpn_cpu_dp-synth.py"
BASELINE = CONFIGS / "densepose-rcnn_r18_fpn_cpu_dp-synth.py"
BOXES = np.array([[10.0, 8.0, 50.0, 90.0], [30.0, 5.0, 70.0, 60.0]])


@pytest.fixture(scope="module")
def inferencer() -> DensePoseInferencer:
    torch.manual_seed(0)
    options = {"model.test_cfg.rcnn.score_thr": 0.0, "model.test_cfg.rcnn.max_per_img": 3}
    return DensePoseInferencer(KTN2, device="cpu", cfg_options=options)


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (96, 120, 3)).astype(np.uint8) for _ in range(2)]


def test_batches_give_what_single_images_give(inferencer, images):
    together = list(inferencer(images, batch_size=2, score_thr=-1))
    alone = list(inferencer(images, batch_size=1, score_thr=-1))
    for a, b in zip(together, alone, strict=True):
        assert len(a) == len(b) == 3
        # float32 convolutions of another batch size may sum in another order.
        np.testing.assert_allclose(a.boxes_xyxy, b.boxes_xyxy, atol=1e-2)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)


def test_charts_fill_the_integer_boxes(inferencer, images):
    (prediction,) = inferencer(images[0], score_thr=-1)
    for box, result in zip(prediction.boxes_xyxy, prediction.densepose, strict=True):
        expected = (max(int(box[3] - box[1]), 1), max(int(box[2] - box[0]), 1))
        assert result.hw == expected
    assert prediction.canvas().image_hw == (96, 120)


def test_given_boxes_come_back_with_charts(inferencer, images):
    (prediction,) = inferencer(images[0], boxes=[BOXES])
    assert prediction.boxes_xyxy.tolist() == BOXES.tolist()
    assert [result.hw for result in prediction.densepose] == [(82, 40), (55, 40)]


def test_given_boxes_match_the_detectors_own(inferencer, images):
    (found,) = inferencer(images[0], score_thr=-1)
    (given,) = inferencer(images[0], boxes=[found.boxes_xyxy])
    for a, b in zip(found.densepose, given.densepose, strict=True):
        assert a.hw == b.hw
        # The boxes went to image pixels and back; ties between charts may fall the other way.
        assert (a.labels == b.labels).float().mean() > 0.99


def test_bfloat16_model_runs(images):
    torch.manual_seed(0)
    model = load_model(BASELINE, device="cpu").bfloat16()
    (prediction,) = DensePoseInferencer(model)(images[0], boxes=[BOXES])
    assert len(prediction) == 2
    assert prediction.densepose[0].uv.dtype == torch.float32


def test_checkpoint_of_another_config_is_refused_by_name(tmp_path):
    model = load_model(BASELINE, device="cpu")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "baseline.pth")
    with pytest.raises(
        ValueError, match=r"baseline\.pth: .*roi_head\.densepose_\S+ (is missing|has)"
    ):
        load_model(KTN2, tmp_path / "baseline.pth", device="cpu")


def test_checkpoint_round_trip(tmp_path):
    torch.manual_seed(1)
    model = load_model(BASELINE, device="cpu")
    meta = {"dataset_meta": {"CLASSES": ("human",)}}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, tmp_path / "a.pth")
    again = load_model(BASELINE, tmp_path / "a.pth", device="cpu")
    assert again.dataset_meta["classes"] == ("human",)
    assert not again.training
    for (name, a), b in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_people_at_or_below_the_score_are_not_decoded(inferencer, images, monkeypatch):
    (everybody,) = inferencer(images[0], score_thr=-1)
    head, decoded = inferencer.model.roi_head.densepose_head, []
    predict = head.predict_instances

    def watched(features, boxes_xyxy, *more, **named):
        decoded.append(len(boxes_xyxy))
        return predict(features, boxes_xyxy, *more, **named)

    monkeypatch.setattr(head, "predict_instances", watched)
    (best,) = inferencer(images[0], score_thr=float(everybody.scores[1]))
    assert decoded == [len(best)] == [1]
    np.testing.assert_allclose(best.boxes_xyxy, everybody.boxes_xyxy[:1], atol=1e-2)
    assert (best.densepose[0].labels == everybody.densepose[0].labels).float().mean() > 0.99
    assert inferencer.model.roi_head.test_cfg.score_thr == 0
