"""The data part of the configs, built and run on made-up files in the documented layouts."""

import itertools
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import mmktn.datasets  # noqa: F401  (registers)
from mmktn.engine.seeded_batches import seed_batches
from tests.fake_annotations import fake_coco_file

FOLDER = Path(__file__).parents[2] / "configs" / "_base_" / "datasets"


def write_layout(root, annotation_file, image_folder, prefix="", num_images=3, seed=0):
    """An annotation file and its images below `root`; file names get `prefix`."""
    data = fake_coco_file(num_images, image_hw=(40, 60), seed=seed)
    (root / image_folder).mkdir(parents=True, exist_ok=True)
    (root / annotation_file).parent.mkdir(parents=True, exist_ok=True)
    for image in data["images"]:
        image["id"] += 1000 * seed
        image["file_name"] = f"{prefix}{image['id']:012d}.jpg"
        noise = np.full((40, 60, 3), seed, np.uint8)
        cv2.imwrite(str(root / image_folder / image["file_name"]), noise)
    for record in data["annotations"]:
        record["image_id"] += 1000 * seed
    (root / annotation_file).write_text(json.dumps(data))


def load(name, root, **changes):
    config = Config.fromfile(FOLDER / name)
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
        for dataset in loader.dataset.get("datasets", [loader.dataset]):
            dataset.data_root = str(root)
            for step in dataset.pipeline:
                step.update({k: v for k, v in changes.items() if k in step})
    return config


def first_batches(loader, count=2):
    return list(itertools.islice(Runner.build_dataloader(loader, seed=0), count))


def assert_trains(batches, size):
    samples = [sample for batch in batches for sample in batch["data_samples"]]
    assert len(samples) == 2 * size
    assert all(sample.gt_instances.densepose.valid.any() for sample in samples)
    return {sample.img_id for sample in samples}


@pytest.mark.parametrize(
    ("train", "minival"),
    [
        ("densepose_coco_2014_{}.json", "densepose_coco_2014_{}.json"),
        ("densepose_{}2014.json", "densepose_{}2014.json"),
    ],
    ids=["project names", "detectron2 names"],
)
def test_densepose_coco(tmp_path, train, minival):
    folder = "annotations/"
    write_layout(tmp_path, folder + train.format("train"), "train2014", "COCO_train2014_", seed=1)
    write_layout(
        tmp_path, folder + train.format("valminusminival"), "val2014", "COCO_val2014_", seed=2
    )
    write_layout(tmp_path, folder + minival.format("minival"), "val2014", "COCO_val2014_", seed=3)
    config = load("densepose_coco.py", tmp_path, surface="human", scales=[(90, 60)], scale=(90, 60))
    ids = assert_trains(first_batches(config.train_dataloader, 2), 2)
    assert {i // 1000 for i in ids} <= {1, 2}
    (batch,) = first_batches(config.val_dataloader, 1)
    assert batch["data_samples"][0].img_id == 3001
    assert batch["data_samples"][0].img_shape == (60, 90)


def test_densepose_synthetic(tmp_path):
    for split in ("train", "val"):
        write_layout(tmp_path, f"annotations/densepose_{split}.json", split)
    config = load("densepose_synthetic.py", tmp_path)
    assert_trains(first_batches(config.train_dataloader), config.train_dataloader.batch_size)
    assert len(first_batches(config.val_dataloader, 5)) == 3


@pytest.mark.parametrize("part", ["train_dataloader", "val_dataloader"])
def test_loaders_can_be_handed_to_spawned_workers(tmp_path, part):
    """macOS and Windows start workers anew, so that all they get is pickled."""
    for split in ("train", "val"):
        write_layout(tmp_path, f"annotations/densepose_{split}.json", split)
    config = load("densepose_synthetic.py", tmp_path)
    loader = Runner.build_dataloader(config[part], seed=0)
    key = next(iter(seed_batches(loader, seed=0, rank=0, endless=False)))
    given = (loader.dataset, loader.collate_fn, loader.worker_init_fn, key)
    dataset, collate, _, sent = pickle.loads(pickle.dumps(given))
    assert list(sent) == list(key)
    wanted = loader.collate_fn([loader.dataset[place] for place in key])
    found = collate([dataset[place] for place in sent])
    for one, other in zip(found["inputs"], wanted["inputs"], strict=True):
        assert torch.equal(one, other)
    ids = [[sample.img_id for sample in batch["data_samples"]] for batch in (found, wanted)]
    assert ids[0] == ids[1]


def test_densepose_real_takes_its_folder_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_REAL_DATA", str(tmp_path))
    write_layout(tmp_path, "densepose_real.json", ".")
    config = Config.fromfile(FOLDER / "densepose_real.py")
    assert config.val_evaluator.ann_file == f"{tmp_path}/densepose_real.json"
    batches = first_batches(config.train_dataloader)
    assert_trains(batches, 2)
    assert not any(s.get("flip", False) for b in batches for s in b["data_samples"])


@pytest.mark.parametrize("name", ["densepose_coco.py", "densepose_synthetic.py"])
def test_missing_files_say_what_to_get(tmp_path, name):
    config = load(name, tmp_path, surface="human")
    with pytest.raises(FileNotFoundError, match=r"docs/datasets\.md"):
        Runner.build_dataloader(config.val_dataloader, seed=0)
