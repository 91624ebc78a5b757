"""What all metrics share in reading their arguments."""

import pytest

from mmktn.evaluation.metrics import (
    BodyMaskMetric,
    DensePoseMetric,
    OKSMetric,
    PartSegmentationMetric,
    PointwiseDensePoseMetric,
)


@pytest.mark.parametrize(
    "metric",
    [BodyMaskMetric, DensePoseMetric, OKSMetric, PartSegmentationMetric, PointwiseDensePoseMetric],
)
def test_every_metric_finds_its_file_under_the_other_name(metric, tmp_path):
    asked, other = tmp_path / "densepose_coco_2014_val.json", tmp_path / "densepose_val2014.json"
    with pytest.raises(FileNotFoundError, match=f"{asked.name} or .*{other.name}"):
        metric(asked)
    other.write_text('{"images": [], "annotations": [], "categories": []}')
    assert metric(asked).ann_file == other
