"""Poses of people in images: skeletons, JSON results, and STIP's inner maps.

Usage: python demo/pose_demo.py IMAGE_OR_FOLDER... (CONFIG CHECKPOINT | --model NAME)
           [--boxes FILE.json | --detector CONFIG CHECKPOINT] [--maps] [--out-dir DIR] [--overwrite]

CHECKPOINT 'none' stands for random weights.

Boxes come from a COCO annotation file (its images are found by file name), from a detector of
mmdet (any config; label 0 is the person), or, with neither, the whole image is one box. Detections
in COCO result format need the annotation file of their images beside them:
--boxes DETECTIONS.json --images-json FILE.json.

Every image is worked on even if another one is broken or has no boxes; exit status 1 says that one
was skipped (mmktn/apis/picture_command.py). No file that exists is written over without
--overwrite, no input ever.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmktn import apis
from mmktn.apis.image_inputs import ImageInput, files_of, list_inputs
from mmktn.apis.picture_command import (
    add_model_arguments,
    add_picture_arguments,
    attempts,
    read_model_arguments,
    report_pictures,
)
from mmktn.utils.output_files import claim_folder, claim_output, claim_outputs, write_json
from mmktn.utils.user_error import one_line_errors

if TYPE_CHECKING:
    from mmktn.apis.box_sources import BoxSource
    from mmktn.apis.pose_estimator import PosePrediction


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_arguments(parser)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--boxes", type=Path, help="COCO annotations or detections")
    source.add_argument("--detector", nargs=2, metavar=("CONFIG", "CHECKPOINT"), help="of mmdet")
    parser.add_argument("--images-json", type=Path, help="names the images of a detection file")
    parser.add_argument("--box-thr", type=float, default=0.3, help="lowest box score")
    parser.add_argument("--keypoint-thr", type=float, default=0.3, help="lowest score drawn")
    parser.add_argument("--maps", action="store_true", help="also draw STIP's maps of each crop")
    parser.add_argument("--keypoints", nargs="+", type=int, default=[], help="rows of the maps")
    add_picture_arguments(parser, out_dir="outputs")
    args = parser.parse_args(argv)
    read_model_arguments(parser, args, default=None)
    return args


def box_source(args: argparse.Namespace) -> BoxSource:
    """Where boxes come from."""
    if args.boxes:
        return apis.boxes_from_coco(args.boxes, args.images_json, args.box_thr)
    if args.detector:
        return apis.boxes_of_detector(*args.detector, device=args.device, threshold=args.box_thr)
    return apis.whole_picture


def persons_of(prediction: PosePrediction) -> list[dict]:
    """The poses as JSON: box, score and K x [x, y, score] of each person."""
    return [
        {
            "bbox_xyxy": box.tolist(),
            "score": float(score),
            "keypoints": np.c_[points, scores].round(3).tolist(),
        }
        for box, score, points, scores in zip(
            prediction.boxes_xyxy,
            prediction.box_scores,
            prediction.keypoints,
            prediction.keypoint_scores,
            strict=True,
        )
    ]


def draw(image_bgr: np.ndarray, prediction: PosePrediction, meta: dict, thr: float) -> np.ndarray:
    """Boxes and skeletons on the picture, RGB."""
    from mmktn.stip.pictures import draw_skeletons
    from mmktn.visualization.drawing import draw_boxes

    picture = draw_boxes(
        np.ascontiguousarray(image_bgr[..., ::-1]),
        prediction.boxes_xyxy,
        texts=[f"{score:.2f}" for score in prediction.keypoint_scores.mean(1)],
    )
    return draw_skeletons(
        picture,
        prediction.keypoints,
        prediction.keypoint_scores,
        links=meta["skeleton_links"],
        link_colours=meta["skeleton_link_colors"],
        keypoint_colours=meta["keypoint_colors"],
        score_threshold=thr,
    )


@one_line_errors("pose_demo")
def main(argv: list[str] | None = None) -> int:
    """Run the demo; returns the exit status."""
    args = parse_args(argv)
    import cv2

    from mmktn.formats.picture_writing import write_image
    from mmktn.stip.pictures import stip_overview

    cv2.setNumThreads(0)
    images = list_inputs(args.images)
    folder = claim_folder(args.out_dir)
    read = [*files_of(images), args.config, args.checkpoint or args.config, *(args.detector or [])]
    read += [path for path in (args.boxes, args.images_json) if path]
    claim_outputs(
        [folder / f"{i.stem}_pose.{end}" for i in images for end in ("png", "json")],
        inputs=read,
        overwrite=args.overwrite,
    )
    find_boxes = box_source(args)
    checkpoint = None if args.checkpoint == "none" else args.checkpoint
    estimator = apis.PoseEstimator(
        args.config, checkpoint, device=args.device, cfg_options=args.cfg_options
    )

    def work(entry: ImageInput) -> str:
        image = entry.read(max_pixels=args.max_pixels)
        boxes, scores = find_boxes(entry, image)
        prediction = estimator.predict(image, boxes, box_scores=scores)
        picture = draw(image, prediction, estimator.meta, args.keypoint_thr)
        write_image(folder / f"{entry.stem}_pose.png", picture)
        write_json(folder / f"{entry.stem}_pose.json", persons_of(prediction))
        for index, box in enumerate(prediction.boxes_xyxy if args.maps else ()):
            path = folder / f"{entry.stem}_maps_{index}.png"
            claim_output(path, inputs=read, overwrite=args.overwrite)
            crop, maps = estimator.stip_maps(image, box)
            overview = stip_overview(
                crop, maps, keypoint_names=estimator.keypoint_names, keypoints=args.keypoints
            )
            write_image(path, overview)
        return f"{len(boxes)} persons -> {folder}"

    return report_pictures(len(images), attempts(images, work))


if __name__ == "__main__":
    raise SystemExit(main())
