import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.metrics import DensePoseMetric
from mmktn.formats.result_files import read_results
from mmktn.registry import METRICS
from mmktn.structures.chart_result import ChartResult, ChartResults
from tests.test_evaluation.builders import World


@pytest.fixture
def ann_file(tmp_path, world):
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(world.data))
    return path


def sample(world, image_id, detections):
    chosen = np.flatnonzero(detections.image_ids == image_id)
    boxes = detections.boxes_xywh[chosen].copy()
    boxes[:, 2:] += boxes[:, :2]
    results = [ChartResult.from_iuv_uint8(detections.iuv(int(k))) for k in chosen]
    instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32),
        scores=torch.tensor(detections.scores[chosen]),
        labels=torch.zeros(len(chosen), dtype=torch.long),
        densepose=ChartResults(results),
    )
    return {"img_id": image_id, "ori_shape": (120, 160), "pred_instances": instances}


def fed(metric, world, detections, images=None):
    for image in world.data["images"]:
        if images is None or image["id"] in images:
            metric.process({}, [sample(world, image["id"], detections)])
    return metric


def test_numbers_are_those_of_the_functions(world, ann_file, surface):
    spoiled = world.spoiled()
    # Boxes pass through float32; rounding them first keeps both routes at the same pixels.
    spoiled.boxes_xywh = spoiled.boxes_xywh.astype(np.float32).astype(np.float64)
    metric = METRICS.build(
        {"type": "mmktn.DensePoseMetric", "ann_file": str(ann_file), "surface": surface,
         "normaliser": ("per_part", "global")}
    )  # fmt: skip
    found = fed(metric, world, spoiled).evaluate(4)
    expected = evaluate_densepose(
        world.truth(), spoiled, surface, normalisers=["per_part", "global"]
    ).values()
    assert found == pytest.approx({f"densepose/{k}": v for k, v in expected.items()})
    assert "densepose/gps_kappa0.255/AP" in found


def test_images_that_were_not_processed_count_as_missed(world, ann_file, surface):
    metric = DensePoseMetric(ann_file, surface, metric="gps")
    found = fed(metric, world, world.detections(), images=[10, 15]).evaluate(2)
    assert found["densepose/gps/AR"] == pytest.approx(0.5)


def test_only_small_records_are_kept(world, ann_file, surface):
    metric = fed(DensePoseMetric(ann_file, surface), world, world.detections())
    size = sum(
        array.nbytes
        for record in metric.results
        for pair in record["pairs"]
        for array in [*pair.similarities.values(), pair.box_iou]
    )
    assert size < sum(m.nbytes for m in world.maps) / 20
    assert all("entries" not in record for record in metric.results)


def test_format_only_writes_the_official_file(world, ann_file, surface, tmp_path):
    prefix = tmp_path / "sub" / "out"
    metric = DensePoseMetric(ann_file, surface, format_only=True, outfile_prefix=str(prefix))
    assert fed(metric, world, world.detections()).evaluate(4) == {}
    written = read_results(f"{prefix}.densepose.json")
    assert len(written) == len(world.maps)
    assert np.array_equal(written.iuv(0), world.maps[0])
    with pytest.raises(ValueError, match="outfile_prefix"):
        DensePoseMetric(ann_file, surface, format_only=True)


def test_missing_files_and_unknown_names_are_refused_at_once(ann_file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ann_file: no file .*none\.json"):
        DensePoseMetric(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match=r"surface: .*none\.npz does not exist"):
        DensePoseMetric(ann_file, tmp_path / "none.npz")
    with pytest.raises(ValueError, match="metric must be some of"):
        DensePoseMetric(ann_file, metric="ap")
    with pytest.raises(ValueError, match="protocol 'strict'"):
        DensePoseMetric(ann_file, protocol="strict")


def test_predictions_that_do_not_fit_name_the_image(world, ann_file, surface):
    metric = DensePoseMetric(ann_file, surface)
    wrong = sample(world, 10, world.detections())
    with pytest.raises(ValueError, match="image 999"):
        metric.process({}, [wrong | {"img_id": 999}])
    nan = sample(world, 10, world.detections())
    nan["pred_instances"].scores[0] = float("nan")
    with pytest.raises(ValueError, match=r"image 10.*score is not a finite"):
        metric.process({}, [nan])
    bare = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
    with pytest.raises(ValueError, match="image 10: pred_instances has no field 'densepose'"):
        metric.process({}, [{"img_id": 10, "pred_instances": bare}])


def test_labels_follow_the_class_order_of_the_dataset(tmp_path, surface):
    world = World(0, images=1, people=2)
    world.data["categories"] = [{"id": 3, "name": "person"}, {"id": 8, "name": "statue"}]
    for entry in world.data["annotations"]:
        entry["category_id"] = 8
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(world.data))
    metric = DensePoseMetric(path, surface, metric="gps")
    metric.dataset_meta = {"classes": ("statue", "person")}
    found = fed(metric, world, world.detections()).evaluate(1)
    assert found["densepose/gps/AP-statue"] == pytest.approx(1)
    assert found["densepose/gps/AP-person"] == -1


def _rank(ann_file, body, folder):
    import torch.distributed as dist

    from mmktn.surface import load_surface

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    world = World()
    metric = DensePoseMetric(ann_file, load_surface(body))
    images = [i["id"] for i in world.data["images"]][rank::2]
    values = fed(metric, world, world.spoiled(), images=images).evaluate(4)
    Path(folder, f"{rank}.json").write_text(json.dumps(values))
    dist.destroy_process_group()


@pytest.mark.multiprocess
def test_two_processes_give_the_numbers_of_one(world, ann_file, surface, tmp_path):
    from tests.processes import run_ranks
    from tests.test_evaluation.reference_cases import folder_file

    run_ranks(_rank, str(ann_file), str(folder_file("body.npz")), str(tmp_path))
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    single = fed(DensePoseMetric(ann_file, surface), world, world.spoiled()).evaluate(4)
    assert found[0] == found[1] == single
