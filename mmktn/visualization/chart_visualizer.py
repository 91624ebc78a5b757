"""`ChartVisualizer`: mmdet's local visualizer that draws boxes, charts, U and V side by side.

Works with mmdet's `DetVisualizationHook` and every mmengine backend; the drawing itself is in
drawing.py, panels.py and colormaps.py and needs neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from mmengine.structures import InstanceData

from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
from mmktn.formats.picture_writing import write_image
from mmktn.registry import VISUALIZERS
from mmktn.visualization.annotation_drawing import draw_annotations
from mmktn.visualization.colormaps import get_preset
from mmktn.visualization.drawing import draw_boxes
from mmktn.visualization.field_panels import field_panels
from mmktn.visualization.panels import prediction_panels, prediction_row
from mmktn.visualization.task_drawing import draw_tasks


@VISUALIZERS.register_module()
class ChartVisualizer(DetLocalVisualizer):
    """Draw dense-pose ground truth and predictions.

    Args:
        name: Name of the instance, as mmengine's manager asks of every visualizer.
        preset: Look of the chart, U and V panels, a name of `colormaps.PRESETS`.
        legend: Append the colours of the charts and of U, V.
        **kwargs: Arguments of `DetLocalVisualizer` (vis_backends, save_dir, ...).

    Raises:
        ValueError: Unknown preset.
    """

    def __init__(
        self,
        name: str = "visualizer",
        *,
        preset: str = "overlay",
        legend: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.preset = get_preset(preset)
        self.legend = legend

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        pred_score_thr: float = 0.3,
        step: int = 0,
    ) -> None:
        """Draw a sample and hand the picture to a window, a file or the backends.

        Ground truth and prediction, where both are there, stand below each other.

        Args:
            name: Identifier of the picture.
            image: (H, W, 3) RGB.
            data_sample: Sample whose `gt_instances` and `pred_instances` are in pixels of `image`;
                both may carry `densepose`. None draws the bare image.
            draw_gt: Draw `gt_instances`.
            draw_pred: Draw `pred_instances`.
            show: Open a window.
            wait_time: Seconds that the window stays; 0 until a key is pressed.
            out_file: Write the picture here and not to the backends.
            pred_score_thr: Leave out predictions at or below this score.
            step: Global step for the backends.
        """
        picture = image.clip(0, 255).astype(np.uint8)
        rows = []
        # Samples of a test pipeline carry ground truth without boxes: nothing to draw.
        truth = getattr(data_sample, "gt_instances", None)
        if draw_gt and truth is not None and "bboxes" in truth:
            rows.append(self.draw_ground_truth(picture, truth))
        if data_sample is not None and draw_pred and "pred_instances" in data_sample:
            predictions = data_sample.pred_instances
            rows.append(
                self.draw_predictions(picture, predictions[predictions.scores > pred_score_thr])
            )
        drawn = _stack(rows) if rows else picture
        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_image(out_file, drawn)
        else:
            self.add_image(name, drawn, step)

    def draw_predictions(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        """Return boxes, charts, U and V of an image side by side; boxes alone without `densepose`.

        Keypoints, masks and segmentations, where there are any, are drawn with the boxes.

        Args:
            image: (H, W, 3) uint8 RGB.
            instances: N predictions in pixels of `image`: `bboxes`, `scores`, `labels` and, for the
                maps, `densepose` (`ChartResults`).
        """
        boxes = as_numpy(instances.bboxes)
        texts = self._texts(instances)
        with_boxes = draw_boxes(draw_tasks(image, instances), boxes, texts=texts)
        if "densepose" not in instances:
            return with_boxes
        canvas = canvas_of(instances, (image.shape[0], image.shape[1]))
        panels = prediction_panels(
            image,
            canvas,
            boxes_xyxy=boxes,
            texts=texts,
            preset=self.preset,
        )
        panels[0] = with_boxes
        return prediction_row(
            panels,
            field_panels(image, canvas, list(instances.densepose)),
            colormap=self.preset.colormap,
            legend=self.legend,
        )

    def draw_ground_truth(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        """Return the boxes and, where there are any, the annotated points and coarse parts.

        Args:
            image: (H, W, 3) uint8 RGB.
            instances: `bboxes` and optionally `densepose` (`DensePoseAnnotations`).
        """
        boxes = as_numpy(instances.bboxes)
        if "densepose" not in instances:
            return draw_boxes(image, boxes)
        return draw_annotations(image, boxes, instances.densepose)

    def _texts(self, instances: InstanceData) -> list[str]:
        """Return a line of class name and score for each box."""
        classes = self.dataset_meta.get("classes") or ("person",)
        labels, scores = as_numpy(instances.labels), as_numpy(instances.scores)
        names = [classes[int(i)] if int(i) < len(classes) else str(int(i)) for i in labels]
        return [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]


def canvas_of(instances: InstanceData, image_hw: tuple[int, int]) -> ChartCanvas:
    """Paint the predictions of an image, the highest score on top.

    Args:
        instances: `bboxes` (N, 4) xyxy in image pixels, `scores` and `densepose` of N persons.
        image_hw: Image size.
    """
    return paint_people(
        image_hw,
        as_numpy(instances.bboxes),
        iuvs=[result.iuv_uint8() for result in instances.densepose],
        scores=as_numpy(instances.scores),
    )


def as_numpy(values: Any) -> np.ndarray:
    """Return the array of a tensor, of mmdet boxes (`BaseBoxes`) or of an array."""
    values = getattr(values, "tensor", values)
    return values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    """Return the pictures below each other, left aligned on white."""
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(padded, axis=0)[:-4]
