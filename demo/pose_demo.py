"""Poses of people in images: skeletons, JSON results, and STIP's inner maps.

Usage: python demo/pose_demo.py IMAGE_OR_FOLDER... CONFIG CHECKPOINT [--boxes FILE.json |
       --detector CONFIG CHECKPOINT] [--maps] [--out-dir DIR]

Boxes come from a COCO annotation file (its images are found by file name), from a detector of
mmdet (any config; label 0 is the person), or, with neither, the whole image is one box. Detections
in COCO result format need the annotation file of their images beside them:
--boxes DETECTIONS.json --images-json FILE.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import DictAction
from mmengine.registry import DefaultScope

from mmktn.apis.image_inputs import list_inputs
from mmktn.apis.inferencer import DensePoseInferencer
from mmktn.apis.pose_estimator import PoseEstimator, PosePrediction
from mmktn.datasets.detection_file import (
    box_of,
    image_of,
    images_of,
    read_json,
    require_fields,
)
from mmktn.visualization.drawing import draw_boxes
from mmktn.visualization.iuv_files import write_image
from mmktn.visualization.pose_drawing import draw_skeletons, stip_overview

Boxes = tuple[np.ndarray, np.ndarray]


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", help="image files and folders of images")
    parser.add_argument("config", help="config of configs/stip")
    parser.add_argument("checkpoint", help="checkpoint file, or 'none' for random weights")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--boxes", type=Path, help="COCO annotations or detections")
    source.add_argument("--detector", nargs=2, metavar=("CONFIG", "CHECKPOINT"), help="of mmdet")
    parser.add_argument("--images-json", type=Path, help="names the images of a detection file")
    parser.add_argument("--box-thr", type=float, default=0.3, help="lowest box score")
    parser.add_argument("--keypoint-thr", type=float, default=0.3, help="lowest score drawn")
    parser.add_argument("--maps", action="store_true", help="also draw STIP's maps of each crop")
    parser.add_argument("--keypoints", nargs="+", type=int, default=[], help="rows of the maps")
    parser.add_argument("--out-dir", type=Path, default=Path("outputs"))
    parser.add_argument("--device", help="cpu, cuda:0, ...; default: the GPU if there is one")
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="override config keys: key=value ..."
    )
    return parser.parse_args(argv)


def boxes_from_file(path: Path, images_json: Path | None, threshold: float) -> dict[str, Boxes]:
    """Boxes and scores by file name of the image.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: The file is neither annotations nor detections, names an unknown image, or an
            entry has no usable box.
    """
    content = read_json(path, "--boxes")
    if isinstance(content, dict) and "annotations" in content:
        images, entries, source = images_of(content, path), content["annotations"], path
        if not isinstance(entries, list):
            raise ValueError(f"{path}: 'annotations' is {entries!r}, not a list")
    elif isinstance(content, list):
        if images_json is None:
            raise ValueError(f"{path} holds detections: give --images-json, which names the images")
        source = images_json
        images = images_of(read_json(images_json, "--images-json"), images_json)
        entries = content
    else:
        raise ValueError(f"{path} is neither a COCO annotation file nor a list of detections")
    found: dict[str, list] = {Path(image["file_name"]).name: [] for image in images.values()}
    for index, entry in enumerate(entries):
        where = f"entry {index} of {path}"
        require_fields(entry, ("image_id",), where)
        image = image_of(entry, images, where, source=source)
        score = entry.get("score", 1.0)
        if not isinstance(score, int | float):
            raise ValueError(f"{where}: score {score!r} is not a number")
        if entry.get("category_id", 1) == 1 and score >= threshold and not entry.get("iscrowd"):
            require_fields(entry, ("bbox",), where)
            x, y, w, h = box_of(entry, where)
            found[Path(image["file_name"]).name].append([x, y, x + w, y + h, score])
    tables = {name: np.array(rows, dtype=np.float32).reshape(-1, 5) for name, rows in found.items()}
    return {name: (table[:, :4], table[:, 4]) for name, table in tables.items()}


def detector_boxes(
    config: str, checkpoint: str, *, device: str | None, threshold: float
) -> Callable[[str, np.ndarray], Boxes]:
    """Function from name and picture to the people that a detector finds.

    The detector is any config of mmdet whose label 0 is the person. Its parts are looked up in its
    own scope, whatever scope the pose model has set by then.
    """
    detector = DensePoseInferencer(config, checkpoint, device=device)
    scope = detector.model.cfg.get("default_scope") or "mmdet"

    def detect(_name: str, image: np.ndarray) -> Boxes:
        with DefaultScope.overwrite_default_scope(scope):
            (found,) = detector.predict([image])
        kept = (found.labels == 0) & (found.scores >= threshold)
        return found.bboxes[kept].float().cpu().numpy(), found.scores[kept].float().cpu().numpy()

    return detect


def box_source(args: argparse.Namespace) -> Callable[[str, np.ndarray], Boxes]:
    """Function from name and picture to boxes and scores."""
    if args.boxes:
        table = boxes_from_file(args.boxes, args.images_json, args.box_thr)

        def look_up(name: str, _image: np.ndarray) -> Boxes:
            if name not in table:
                raise ValueError(f"{args.boxes} has no image of the name {name}")
            return table[name]

        return look_up
    if args.detector:
        return detector_boxes(*args.detector, device=args.device, threshold=args.box_thr)

    def whole_image(_name: str, image: np.ndarray) -> Boxes:
        height, width = image.shape[:2]
        return np.array([[0, 0, width, height]], dtype=np.float32), np.ones(1, dtype=np.float32)

    return whole_image


def write_result(path: Path, prediction: PosePrediction) -> None:
    """Write the poses as JSON: box, score and K x [x, y, score] of each person."""
    persons = [
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
    path.write_text(json.dumps(persons))


def draw(image_bgr: np.ndarray, prediction: PosePrediction, meta: dict, thr: float) -> np.ndarray:
    """Boxes and skeletons on the picture, RGB."""
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


def run(args: argparse.Namespace) -> None:
    """Work on all images."""
    find_boxes = box_source(args)
    checkpoint = None if args.checkpoint == "none" else args.checkpoint
    estimator = PoseEstimator(
        args.config, checkpoint, device=args.device, cfg_options=args.cfg_options
    )
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for entry in list_inputs(args.images):
        image = entry.read()
        boxes, scores = find_boxes(entry.name, image)
        prediction = estimator.predict(image, boxes, box_scores=scores)
        picture = draw(image, prediction, estimator.meta, args.keypoint_thr)
        write_image(args.out_dir / f"{entry.stem}_pose.png", picture)
        write_result(args.out_dir / f"{entry.stem}_pose.json", prediction)
        for index, box in enumerate(boxes if args.maps else ()):
            crop, maps = estimator.stip_maps(image, box)
            overview = stip_overview(
                crop, maps, keypoint_names=estimator.keypoint_names, keypoints=args.keypoints
            )
            write_image(args.out_dir / f"{entry.stem}_maps_{index}.png", overview)
        print(f"{entry.name}: {len(boxes)} persons -> {args.out_dir}")


def main(argv: list[str] | None = None) -> int:
    """Run and turn errors of the input into one line."""
    cv2.setNumThreads(0)
    try:
        run(parse_args(argv))
    except (ValueError, FileNotFoundError, KeyError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        print(f"error: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
