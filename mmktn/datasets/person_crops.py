"""DensePose-COCO, one item per person, for systems that crop a person out of its image.

The top-down data set, whose items also know where the other persons of the image are: they are
neither the person nor background (DensePose, sections 3.1 and 3.2).
"""

from __future__ import annotations

from typing import Any

from mmktn.datasets.topdown_densepose import TopdownDensePoseDataset
from mmktn.registry import DATASETS

_OUTLINE_FIELDS = ("ann_id", "bbox", "mask", "ignore_flag")


@DATASETS.register_module()
class DensePosePersonDataset(TopdownDensePoseDataset):
    """Items of `TopdownDensePoseDataset` with `all_persons`: all persons of the image.

    Arguments as `TopdownDensePoseDataset`.
    """

    def _add_instances(self, data: dict[str, Any], items: dict[Any, dict[str, Any]]) -> None:
        super()._add_instances(data, items)
        for item in items.values():
            item["all_persons"] = [
                {field: instance[field] for field in _OUTLINE_FIELDS if field in instance}
                for instance in item["instances"]
            ]

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the files; items also name their annotation, `ann_id`, where they come from one."""
        persons = super().load_data_list()
        for person in persons:
            person["ann_id"] = person["instances"][0].get("ann_id")
        return persons
