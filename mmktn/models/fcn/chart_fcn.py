"""DP-FCN: dense pose without boxes (Guler et al., CVPR 2018, section 3.1).

A dilated backbone, `DensePoseHead` with 1 x 1 classifiers, and the shared targets, losses and
decoder; the only RoI is the input itself. The same network on a person's crop is the single-person
system and the teacher. Layers and schedule are chosen here; none were published.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.models.detectors.base import BaseDetector
from mmdet.structures import SampleList
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from mmktn.models.fcn.person_views import (
    box_results,
    covered_window,
    given_boxes,
    restrict_to_person,
)
from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.postprocess.box_resizing import resize, resize_axis
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.models.targets import add_background_points, build_chart_targets
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, DensePoseAnnotations, encode_dense_labels
from mmktn.structures.box_grid import ANNOTATION_GRID
from mmktn.structures.crop_grid import box_in_window

STRIDE = 8


@MODELS.register_module()
class ChartFCN(BaseDetector):
    """Charts, U and V at every pixel.

    Training reads `gt_instances.bboxes` and `.densepose`, and, where the pipeline has
    `LoadPersonMap`, `gt_sem_seg` (0 background, 1 the person or persons, 2 others, 255 unknown).
    Without it, background is what lies outside all boxes.

    At test a sample gives, in pixels of its image: one result over the whole image; or, with
    `given_boxes` in its meta information (`LoadGivenBoxes`), one per box, cut out of that result;
    or, if `WarpToPerson` cropped a person, that person's.

    Args:
        backbone: Config of a backbone whose last level has stride 8.
        chart_head: Config of the `DensePoseHead`; its predictor enlarges by 8.
        data_preprocessor: As in mmdet; `pad_seg=True`, `pad_size_divisor` a multiple of 8.
        train_cfg: `background_ratio` (default 1): background points drawn per annotated point; 0
            ignores the background (teacher).
        test_cfg: `scales` (default (1.0,)): of the input, averaged. `flip` (default False): average
            with the mirrored input too, U, V by the tables of `surface`. `person_only` (default
            False): charts inside the person's mask only, background never (figure-ground oracle).
        init_cfg: As in `mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        backbone: dict,
        chart_head: dict,
        *,
        data_preprocessor: dict | None = None,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.chart_head: DensePoseHead = MODELS.build(chart_head)
        self.train_cfg = dict(train_cfg or {})
        self.test_cfg = dict(test_cfg or {})

    def extract_feat(self, batch_inputs: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the last level (N, C, H / 8, W / 8)."""
        return self.backbone(batch_inputs)[-1]

    def _forward(
        self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None
    ) -> ChartOutput | dict[str, Tensor]:
        return self.chart_head(self.extract_feat(batch_inputs)).traceable()

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Compute the losses at annotated points and at drawn background pixels.

        Args:
            batch_inputs: (N, 3, H, W), padded.
            batch_data_samples: N samples, see the class.

        Returns:
            Losses of `ChartLoss`.

        Raises:
            KeyError: An image's `gt_instances` has no `densepose`.
        """
        output = self.chart_head(self.extract_feat(batch_inputs))
        num_images, _, height, width = batch_inputs.shape
        whole = batch_inputs.new_tensor([0, 0, width, height], dtype=torch.float32)
        boxes, people, image = [], [], []
        for index, sample in enumerate(batch_data_samples):
            truth = sample.gt_instances
            if "densepose" not in truth:
                raise KeyError(
                    "gt_instances has no 'densepose': load it with mmktn.LoadDensePoseAnnotations "
                    "and pack it with mmktn.PackDensePoseInputs"
                )
            boxes.append(get_box_tensor(truth.bboxes))
            people.append(truth.densepose)
            image += [index] * len(truth)
        targets = build_chart_targets(
            whole.expand(num_images, -1),
            torch.cat(boxes),
            DensePoseAnnotations.cat(people),
            roi_of_person=torch.tensor(image, dtype=torch.int64, device=whole.device),
        )
        # Crops of persons differ in size and lose points at their edges.
        shapes = [s.metainfo.get("img_shape", (height, width))[:2] for s in batch_data_samples]
        targets = targets.inside_images(shapes)
        ratio = self.train_cfg.get("background_ratio", 1.0)
        if ratio:
            free = background_pixels(batch_data_samples, (height, width), whole.device)
            targets = add_background_points(targets, free, ratio=ratio)
        return self.chart_head.chart_loss(output, targets, num_images=num_images)

    def predict(
        self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True
    ) -> SampleList:
        """Predict charts.

        Args:
            batch_inputs: (N, 3, H, W), padded.
            batch_data_samples: N samples, see the class.
            rescale: Give results in pixels of the original image, else of the input.

        Returns:
            The samples with `pred_instances`: `bboxes` (M, 4) xyxy, `scores`, `labels`,
            `densepose`.
        """
        maps = self._maps(batch_inputs, batch_data_samples)
        device = batch_inputs.device
        results = []
        for index, sample in enumerate(batch_data_samples):
            boxes, scores = given_boxes(sample, rescale=rescale)
            window = covered_window(sample, maps.map_hw, rescale=rescale)
            found = box_results(
                self.chart_head.predict_by_feat, maps[index], sample,
                boxes_xyxy=boxes, window_xyxy=window, rescale=rescale,
            )  # fmt: skip
            results.append(
                InstanceData(
                    bboxes=boxes.to(device),
                    scores=scores.to(device),
                    labels=torch.zeros(len(boxes), dtype=torch.int64, device=device),
                    densepose=found,
                )
            )
        return self.add_pred_to_datasample(batch_data_samples, results)

    @torch.no_grad()
    def label_persons(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> list[Tensor]:
        """Label every pixel of the persons of `WarpToPerson` crops (DensePose, section 3.2).

        Args:
            batch_inputs: (N, 3, H, W), padded.
            batch_data_samples: N samples of one person each, with `gt_sem_seg`.

        Returns:
            N dense label maps (4, 256, 256) uint8 over the person's box, 0 outside the person. The
            confidence is the share of the chosen chart among the 24.
        """
        maps = self._maps(batch_inputs, batch_data_samples, person_only=True)
        grid = maps["u"].new_tensor([[0, 0, ANNOTATION_GRID, ANNOTATION_GRID]])
        labels = []
        for index, sample in enumerate(batch_data_samples):
            box, _ = given_boxes(sample)
            window = covered_window(sample, maps.map_hw)
            # The window in the frame in which the person's box is the grid of 256.
            extent = (box[0, 2:] - box[0, :2]).repeat(2)
            moved = ((window - box[0, :2].repeat(2)) / extent * ANNOTATION_GRID).to(grid)
            output = maps[index]
            result = self.chart_head.predict_by_feat(output, grid, windows_xyxy=moved[None])[0]
            sure = output["fine_segm"][0, 1:].softmax(dim=0).amax(dim=0)[..., None]
            x1, y1, x2, y2 = box_in_window(grid, moved[None])[0].tolist()
            rows = resize_axis(ANNOTATION_GRID, sure.shape[0], sure, span=(y1, y2))
            columns = resize_axis(ANNOTATION_GRID, sure.shape[1], sure, span=(x1, x2))
            confidence = resize(sure, rows, columns)[..., 0]
            labels.append(encode_dense_labels(result.labels, result.uv, confidence).cpu())
        return labels

    def _maps(
        self, batch_inputs: Tensor, samples: SampleList, *, person_only: bool | None = None
    ) -> ChartOutput:
        """Return the maps of the size of the inputs, averaged over scales and flips."""
        input_hw = (batch_inputs.shape[-2], batch_inputs.shape[-1])
        flip = self.test_cfg.get("flip", False)
        views, mirrored = [], []
        for scale in self.test_cfg.get("scales", (1.0,)):
            inputs = resized(batch_inputs, scaled_hw(input_hw, scale))
            for shown in (inputs, inputs.flip(-1)) if flip else (inputs,):
                mirrored.append(shown is not inputs)
                views.append(self._view(shown).map(lambda maps: resized(maps, input_hw)))
        maps = average_views(
            views,
            mirrored=mirrored,
            rules=lambda: surface_flip_rules(self.test_cfg.get("surface", "human")),
            uv_by_chart=True,
        )
        if self.test_cfg.get("person_only", False) if person_only is None else person_only:
            return restrict_to_person(maps, samples)
        return maps

    def _view(self, inputs: Tensor) -> ChartOutput:
        """Return the maps of one view that decoding reads."""
        return self.chart_head(self.extract_feat(inputs), fields=self.chart_head.decoded_fields)


def scaled_hw(input_hw: tuple[int, int], scale: float) -> tuple[int, int]:
    """Size of a scaled input: the nearest multiples of the stride."""
    height, width = (max(round(side * scale / STRIDE), 1) * STRIDE for side in input_hw)
    return height, width


def resized(maps: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Return the maps (N, C, h, w) resized bilinearly; the same maps where nothing changes."""
    if tuple(maps.shape[-2:]) == size_hw:
        return maps
    return F.interpolate(maps, size=size_hw, mode="bilinear", align_corners=False)


def background_pixels(
    samples: SampleList, input_hw: tuple[int, int], device: torch.device
) -> Tensor:
    """Return the pixels (N, H, W) bool of padded inputs that show nobody.

    Args:
        samples: N samples; `gt_sem_seg` says where persons are, else their boxes do.
        input_hw: Size of the padded inputs.
        device: Where to make them.
    """
    free = torch.zeros((len(samples), *input_hw), dtype=torch.bool, device=device)
    for index, sample in enumerate(samples):
        height, width = sample.metainfo.get("img_shape", input_hw)[:2]
        if "gt_sem_seg" in sample:
            known = sample.gt_sem_seg.sem_seg[0].to(device) == 0
            free[index, :height, :width] = known[:height, :width]
            continue
        free[index, :height, :width] = True
        for name in ("gt_instances", "ignored_instances"):
            if name in sample and "bboxes" in sample.get(name):
                for x1, y1, x2, y2 in get_box_tensor(sample.get(name).bboxes).tolist():
                    rows = slice(max(int(y1), 0), max(int(y2) + 1, 0))
                    free[index, rows, max(int(x1), 0) : max(int(x2) + 1, 0)] = False
    return free
