"""Made-up data for tests."""

from mmktn.testing.fake_annotations import (
    fake_annotation,
    fake_annotations,
    fake_batch,
    fake_coarse_map,
    fake_coco_file,
    fake_coco_record,
    write_fake_dataset,
)

__all__ = [
    "fake_annotation",
    "fake_annotations",
    "fake_batch",
    "fake_coarse_map",
    "fake_coco_file",
    "fake_coco_record",
    "write_fake_dataset",
]
