"""The file room: how annotation and result files are read and checked, by one piece of code.

Imports numpy, pycocotools, the standard library and `mmktn.utils` only. Data sets, metrics and
tools ask here, so that a file is refused by all of them or by none, with the same message.
"""

from typing import TYPE_CHECKING

from mmktn.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmktn.formats.annotation_checks import AnnotationError
    from mmktn.formats.annotation_file import read_annotation_file
    from mmktn.formats.chart_arrays import ChartArrays, decode_png, encode_png
    from mmktn.formats.dense_detections import DenseDetections
    from mmktn.formats.dense_labels import DenseLabelFolder, DenseLabelWriter
    from mmktn.formats.dense_truth import read_dense_truth
    from mmktn.formats.file_check import check_file
    from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
    from mmktn.formats.iuv_files import (
        read_instance_png,
        read_iuv_png,
        write_instance_png,
        write_iuv_png,
    )
    from mmktn.formats.json_files import read_json
    from mmktn.formats.masks import decode_rle, merge_dp_masks, segmentation_mask
    from mmktn.formats.picture_writing import write_image
    from mmktn.formats.pictures import PictureError, read_picture
    from mmktn.formats.result_files import (
        official_entry,
        read_keypoint_results,
        read_results,
        save_npz,
    )

__all__ = [
    "AnnotationError",
    "ChartArrays",
    "ChartCanvas",
    "DenseDetections",
    "DenseLabelFolder",
    "DenseLabelWriter",
    "PictureError",
    "check_file",
    "decode_png",
    "decode_rle",
    "encode_png",
    "merge_dp_masks",
    "official_entry",
    "paint_people",
    "read_annotation_file",
    "read_dense_truth",
    "read_instance_png",
    "read_iuv_png",
    "read_json",
    "read_keypoint_results",
    "read_picture",
    "read_results",
    "save_npz",
    "segmentation_mask",
    "write_image",
    "write_instance_png",
    "write_iuv_png",
]

_HOMES = {
    "annotation_checks": ("AnnotationError",),
    "annotation_file": ("read_annotation_file",),
    "chart_arrays": (
        "ChartArrays",
        "decode_png",
        "encode_png",
    ),
    "dense_detections": ("DenseDetections",),
    "dense_labels": (
        "DenseLabelFolder",
        "DenseLabelWriter",
    ),
    "dense_truth": ("read_dense_truth",),
    "file_check": ("check_file",),
    "iuv_canvas": (
        "ChartCanvas",
        "paint_people",
    ),
    "iuv_files": (
        "read_instance_png",
        "read_iuv_png",
        "write_instance_png",
        "write_iuv_png",
    ),
    "json_files": ("read_json",),
    "masks": (
        "decode_rle",
        "merge_dp_masks",
        "segmentation_mask",
    ),
    "picture_writing": ("write_image",),
    "pictures": (
        "PictureError",
        "read_picture",
    ),
    "result_files": (
        "official_entry",
        "read_keypoint_results",
        "read_results",
        "save_npz",
    ),
}
__getattr__ = lazy_names(__name__, {name: home for home, names in _HOMES.items() for name in names})
