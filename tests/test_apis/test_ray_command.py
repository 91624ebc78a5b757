"""Ray: two actors, one killed in the middle; nothing is lost, nothing is there twice."""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmktn.apis.prediction import ImagePrediction
from mmktn.apis.ray_command import Predictor, counted, main, predict_with_ray, read_files
from mmktn.utils.user_error import UserError
from tests.command_line import refused

ROOT = Path(__file__).parents[2]


class Killing:
    """Stands for an inferencer; the process that comes to picture 17 first is killed."""

    def __init__(self, marker):
        self.marker = Path(marker)

    def __call__(self, images, **options):
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
    """The cluster of RAY_ADDRESS, else a node of this machine."""
    ray = pytest.importorskip("ray")
    known = "RAY_ADDRESS" in os.environ
    own = {} if known else {"num_cpus": 3, "include_dashboard": False}
    # Workers find the classes of this file, and what this process finds.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    ray.init(log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}}, **own)
    yield
    ray.shutdown()


def folder_of(tmp_path, count=40):
    (tmp_path / "in").mkdir()
    for k in range(count):
        cv2.imwrite(str(tmp_path / "in" / f"{k}.png"), np.full((20, 30, 3), k, np.uint8))
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    return str(tmp_path / "in")


@pytest.mark.slow
@pytest.mark.multiprocess
def test_a_killed_actor_loses_nothing(cluster, tmp_path):
    import pyarrow.parquet as parquet

    marker, out = tmp_path / "marker", tmp_path / "out"
    given = [folder_of(tmp_path)], out, lambda: Killing(str(marker))
    count, failed = predict_with_ray(*given, actors=2, batch_size=4)
    assert (count, set(failed)) == (41, {"bad.png"})
    assert marker.exists()
    rows = [row for path in out.glob("*.parquet") for row in parquet.read_table(path).to_pylist()]
    assert sorted(r["name"] for r in rows) == sorted([*(f"{k}.png" for k in range(40)), "bad.png"])
    assert {r["name"] for r in rows if r["error"]} == {"bad.png"}
    assert {(r["height"], r["width"]) for r in rows if not r["error"]} == {(20, 30)}
    assert all(path.suffix == ".parquet" for path in out.iterdir())
    # Results stay until others are there.
    with pytest.raises(UserError, match="--overwrite"):
        predict_with_ray(*given)
    again = predict_with_ray(*given, batch_size=16, overwrite=True)
    assert again == (41, failed) == counted(out, [r["name"] for r in rows])


class Small:
    """Stands for an inferencer whose memory holds one picture; it finds nobody."""

    def __init__(self):
        self.batches = []

    def __call__(self, images, **options):
        self.batches.append(len(images))
        if len(images) > 1 or images[0].source.max() == 9:
            raise RuntimeError("out of memory\nnot a line more")
        return [ImagePrediction(images[0].name, 0, image_hw=images[0].source.shape[:2])]


def test_a_batch_gives_a_row_for_each_picture(tmp_path):
    folder = Path(folder_of(tmp_path, count=10))
    os.mkfifo(folder / "pipe.png")
    sources = [str(folder / f"{name}.png") for name in ("3", "9", "bad", "none", "pipe")]
    batch = {"name": ["3", "9", "bad", "none", "pipe", "list"], "source": [*sources, "list.txt"]}
    batch = read_files({**batch, "error": [""] * 5 + ["line 2: no such file"]})
    small = Small()
    rows = Predictor(lambda: small, 0.3).rows(batch)
    assert small.batches == [2, 1, 1]  # together, then one by one
    three, nine, bad, none, pipe, listed = rows
    assert [row["name"] for row in rows] == batch["name"]
    assert (three["error"], three["height"], three["width"]) == (None, 20, 30)
    assert three["scores"] == three["boxes_xyxy"] == three["uv_data"] == []
    assert three["sha256"] == hashlib.sha256((folder / "3.png").read_bytes()).hexdigest()
    assert nine["error"].startswith("RuntimeError: out of memory")
    assert "\n" not in nine["error"]
    assert bad["error"].startswith("is truncated or no image")
    assert bad["sha256"] is not None
    assert none["error"] == "no such file"
    assert none["sha256"] is None
    assert pipe["error"] == "is a named pipe, not a regular file"
    assert listed["error"] == "line 2: no such file"


def test_names_that_are_missing_or_there_twice_are_counted(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pytest.importorskip("pyarrow").Table.from_pydict
    parquet.write_table(table({"name": ["a", "b"], "error": [None, "x"]}), tmp_path / "0.parquet")
    assert counted(tmp_path, ["a", "b"]) == (2, {"b": "x"})
    with pytest.raises(UserError, match="1 pictures are missing and 0 are there twice"):
        counted(tmp_path, ["a", "b", "c"])
    parquet.write_table(table({"name": ["b"], "error": [None]}), tmp_path / "1.parquet")
    with pytest.raises(UserError, match="0 pictures are missing and 1 are there twice"):
        counted(tmp_path, ["a", "b"])


def test_mistakes_are_named(tmp_path):
    given = [folder_of(tmp_path, count=1), "--out", tmp_path / "out"]
    refused(main, [tmp_path / "none", *given[1:]], "none: no such file")
    refused(main, [*given, "--gpus", "-1"], "--gpus -1.0: give 0 for CPUs")
    refused(main, [*given, "--gpus", "nan"], "--gpus nan: give 0 for CPUs")
