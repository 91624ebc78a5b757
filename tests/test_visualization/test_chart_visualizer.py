import cv2
import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmktn.registry import VISUALIZERS
from mmktn.structures import ChartResult, ChartResults, DensePoseAnnotation, DensePoseAnnotations
from mmktn.visualization.chart_visualizer import ChartVisualizer, canvas_of
from mmktn.visualization.colormaps import chart_colours


def _people() -> InstanceData:
    charts = [(2, 8, 6), (9, 6, 8)]
    return InstanceData(
        bboxes=torch.tensor([[1.0, 1.0, 7.0, 9.0], [4.0, 2.0, 12.0, 8.0]]),
        scores=torch.tensor([0.5, 0.9]),
        labels=torch.zeros(2, dtype=torch.long),
        densepose=ChartResults(
            ChartResult(torch.full((h, w), c, dtype=torch.uint8), torch.full((2, h, w), 0.5))
            for c, h, w in charts
        ),
    )


def _truth() -> InstanceData:
    annotation = DensePoseAnnotation(
        point_xy=torch.tensor([[0.5, 0.5]]),
        point_charts=torch.tensor([3]),
        point_uv=torch.tensor([[0.2, 0.8]]),
    )
    return InstanceData(
        bboxes=torch.tensor([[1.0, 1.0, 7.0, 9.0]]),
        labels=torch.zeros(1, dtype=torch.long),
        densepose=DensePoseAnnotations([annotation]),
    )


@pytest.fixture
def image() -> np.ndarray:
    return np.full((40, 60, 3), 90, np.uint8)


def test_built_from_a_config_as_mmdet_does():
    visualizer = VISUALIZERS.build(
        {"type": "mmktn.ChartVisualizer", "name": "built", "preset": "viton"}
    )
    assert visualizer.preset.name == "viton"


def test_unknown_preset_is_an_error_at_once():
    with pytest.raises(ValueError, match="unknown preset 'x'"):
        ChartVisualizer(preset="x")


def test_predictions_are_boxes_charts_u_v_in_that_order(image):
    row = ChartVisualizer(preset="viton", legend=False).draw_predictions(image, _people())
    assert row.shape[1] == 4 * 60 + 3 * 4
    panels = [row[-40:, 64 * k : 64 * k + 60] for k in range(4)]
    assert (panels[0][30, 40] == 90).all()
    assert (panels[1][5, 10] == chart_colours("parula")[9]).all()
    # U and V are 0.5 everywhere: byte 127.
    assert (panels[2][5, 10] == panels[3][5, 10]).all()
    assert not panels[1][30, 40].any()


def test_file_and_threshold(image, tmp_path):
    visualizer = ChartVisualizer(preset="viton", legend=False)
    sample = DetDataSample(pred_instances=_people())
    out = tmp_path / "a.png"
    visualizer.add_datasample("a", image, sample, out_file=str(out), pred_score_thr=0.6)
    written = cv2.imread(str(out))[..., ::-1]
    assert (written == visualizer.get_image()).all()
    charts = written[-40:, 64:124]
    assert (charts[5, 10] == chart_colours("parula")[9]).all()
    assert not charts[5, 2].any()  # the person of score 0.5 is left out


def test_nothing_found_still_gives_a_picture(image, tmp_path):
    visualizer = ChartVisualizer()
    sample = DetDataSample(pred_instances=_people())
    visualizer.add_datasample(
        "a", image, sample, out_file=str(tmp_path / "a.png"), pred_score_thr=0.95
    )
    assert (tmp_path / "a.png").is_file()


def test_truth_and_prediction_stand_below_each_other(image):
    visualizer = ChartVisualizer()
    sample = DetDataSample(pred_instances=_people(), gt_instances=_truth())
    both, prediction, truth = (
        _drawn(visualizer, image, sample, draw_gt=gt, draw_pred=pred)
        for gt, pred in ((True, True), (False, True), (True, False))
    )
    assert both.shape[0] == prediction.shape[0] + truth.shape[0] + 4
    assert (both[: truth.shape[0], : truth.shape[1]] == truth).all()
    assert (both[-prediction.shape[0] :, : prediction.shape[1]] == prediction).all()


def _drawn(visualizer, image, sample, **kwargs) -> np.ndarray:
    visualizer.add_datasample("a", image, sample, **kwargs)
    return visualizer.get_image()


def test_boxes_alone_where_there_is_no_dense_pose(image):
    people = _people()
    del people.densepose
    drawn = ChartVisualizer().draw_predictions(image, people)
    assert drawn.shape == image.shape
    assert (drawn != image).any()


def test_no_sample_is_the_bare_image(image):
    visualizer = ChartVisualizer()
    visualizer.add_datasample("a", image)
    assert (visualizer.get_image() == image).all()


def test_pictures_reach_the_backends(image, tmp_path):
    visualizer = ChartVisualizer(vis_backends=[{"type": "LocalVisBackend"}], save_dir=str(tmp_path))
    visualizer.add_datasample("val_img", image, DetDataSample(pred_instances=_people()), step=7)
    assert len(list(tmp_path.rglob("val_img_7.png"))) == 1


def test_canvas_has_the_highest_score_on_top():
    canvas = canvas_of(_people(), (40, 60))
    assert canvas.labels[4, 5] == 9
    assert canvas.instances[4, 5] == 2


def test_mmdet_hook_draws_test_images(image, tmp_path):
    from types import SimpleNamespace

    from mmdet.engine.hooks import DetVisualizationHook

    cv2.imwrite(str(tmp_path / "photo.png"), image)
    name = "test_mmdet_hook"
    ChartVisualizer.get_instance(name)
    hook = DetVisualizationHook(draw=True, test_out_dir="drawn")
    sample = DetDataSample(
        pred_instances=_people(), metainfo={"img_path": str(tmp_path / "photo.png")}
    )
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp="now")
    hook.after_test_iter(runner, 0, {}, [sample])
    assert (tmp_path / "now" / "drawn" / "photo.png").is_file()


def test_sample_of_a_test_pipeline_has_no_truth_to_draw(image, tmp_path):
    """Its `gt_instances` carry no boxes; mmdet's hook asks for them to be drawn all the same."""
    sample = DetDataSample(pred_instances=_people(), gt_instances=InstanceData())
    ChartVisualizer(name="no_truth").add_datasample(
        "a", image, sample, out_file=str(tmp_path / "with.png")
    )
    ChartVisualizer(name="no_truth").add_datasample(
        "a", image, sample, draw_gt=False, out_file=str(tmp_path / "without.png")
    )
    assert (tmp_path / "with.png").read_bytes() == (tmp_path / "without.png").read_bytes()
