"""Ray: two actors, one killed in the middle; nothing is lost, nothing is there twice."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmktn.apis.ray_predict import main, predict_with_ray
from tests.command_line import refused

ray = pytest.importorskip("ray")


class Killing:
    """Stands for an inferencer; the process that comes to picture 17 first is killed."""

    def __init__(self, marker):
        self.marker = Path(marker)

    def __call__(self, images, **options):
        from mmktn.apis.prediction import ImagePrediction

        if any(image.name == "17.png" for image in images) and not self.marker.exists():
            self.marker.write_text("killed")
            os.kill(os.getpid(), 9)
        out = []
        for image in images:
            prediction = ImagePrediction(image.name, 0, image_hw=image.source.shape[:2])
            prediction.scores = np.zeros(0, np.float32)
            out.append(prediction)
        return out


@pytest.fixture(scope="module")
def cluster():
    root = str(Path(__file__).parents[2])
    ray.init(
        num_cpus=3,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": root}},
    )
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.multiprocess
def test_a_killed_actor_loses_nothing(cluster, tmp_path):
    import pyarrow.parquet as parquet

    (tmp_path / "in").mkdir()
    for k in range(40):
        cv2.imwrite(str(tmp_path / "in" / f"{k}.png"), np.full((20, 30, 3), k, np.uint8))
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    marker = str(tmp_path / "marker")
    count, failed = predict_with_ray(
        [str(tmp_path / "in")],
        tmp_path / "out",
        lambda: Killing(marker),
        actors=2,
        batch_size=4,
    )
    assert Path(marker).exists()
    assert (count, failed) == (41, 1)
    tables = [parquet.read_table(path) for path in (tmp_path / "out").glob("*.parquet")]
    rows = [row for table in tables for row in table.to_pylist()]
    assert sorted(r["name"] for r in rows) == sorted([*(f"{k}.png" for k in range(40)), "bad.png"])
    assert {r["name"] for r in rows if r["error"]} == {"bad.png"}
    assert {(r["height"], r["width"]) for r in rows if not r["error"]} == {(20, 30)}


def test_mistakes_are_named(tmp_path):
    refused(main, [tmp_path / "none", "--out", tmp_path / "out", "--actors", "0"], "at least 1")
