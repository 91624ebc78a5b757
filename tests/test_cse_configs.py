"""Configs of continuous surface embeddings build; their twins learn and predict vertices."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS, init_default_scope

from mmktn.evaluation.metrics import VertexMetric
from mmktn.surface.reference_mesh import body_mesh_name
from mmktn.utils.setup_env import register_all_modules
from mmktn.zoo.conversion import _classes
from tests.fake_annotations import write_fake_dataset

ROOT = Path(__file__).parents[1] / "configs" / "densepose"
FULL = sorted(p for p in ROOT.glob("densepose-cse*.py") if "_cpu_" not in p.stem)
TWINS = sorted(ROOT.glob("densepose-cse*_cpu_dp-synth.py"))
IMAGE_HW = (96, 128)


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_meshes_of_categories_are_known_to_the_model(path):
    head = Config.fromfile(path).model.roi_head
    decoder = head.densepose_head.task_decoders[0]
    meshes = decoder.class_meshes
    meshes = [meshes] if isinstance(meshes, str) else meshes
    assert len(meshes) in (1, head.bbox_head.num_classes)
    assert set(meshes) <= set(head.densepose_head.embedder.meshes)


@pytest.mark.parametrize("path", FULL, ids=lambda p: p.stem)
def test_solver_is_that_of_the_released_code(path):
    cfg = Config.fromfile(path)
    assert cfg.optim_wrapper.constructor == "mmktn.TensorClipConstructor"
    assert cfg.optim_wrapper.clip_grad == {"max_norm": 1.0, "norm_type": 2}
    length = {"4k": (4000, [3000, 3500]), "16k": (16000, [12000, 14000])}
    length |= {"24k": (24000, [20000, 22000]), "s1x": (130000, [100000, 120000])}
    word = next(w for w in path.stem.split("_") if w in length)
    steps = cfg.param_scheduler[1]
    assert (cfg.train_cfg.max_iters, steps.milestones) == length[word]
    assert steps.end == cfg.train_cfg.max_iters
    loss = cfg.model.roi_head.densepose_head.embedding_loss
    animals = "dp-lvis" in path.stem or "dp-chimps" in path.stem
    sigma = 0.1 if animals else 0.01
    assert (loss.embedding_sigma, loss.geodesic_sigma) == (sigma, sigma)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("densepose-cse_r50_fpn_s1x_dp-coco", ("person",)),
        ("densepose-cse-soft_r50_fpn_agnostic_4k_dp-lvis1", ("sheep",)),
        (
            "densepose-cse-soft_r50_fpn_16k_dp-lvis2",
            ("bear", "cow", "cat", "dog", "elephant", "giraffe", "horse", "sheep", "zebra"),
        ),
    ],
)
def test_converted_checkpoints_name_the_classes(name, classes):
    assert _classes(ROOT / f"{name}.py") == classes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Fake people whose points name vertices of the body."""
    path = tmp_path_factory.mktemp("fake")
    write_fake_dataset(path, num_images=2, persons=1, image_hw=IMAGE_HW)
    file = path / "annotations.json"
    data = json.loads(file.read_text())
    rng = np.random.default_rng(0)
    for person in data["annotations"]:
        if "dp_x" in person:
            count = len(person["dp_x"])
            person["dp_vertex"] = rng.integers(0, 7151, count).tolist()
            person["ref_model"] = body_mesh_name()
    file.write_text(json.dumps(data))
    return path


def batch(cfg: Config, loader: str, folder: Path) -> dict:
    dataset = cfg[loader].dataset
    dataset.update(data_root=str(folder), ann_file="annotations.json")
    dataset.data_prefix = dict(img="images/")
    built = DATASETS.build(dataset)
    return pseudo_collate([built[0], built[1]])


@pytest.mark.parametrize("path", TWINS, ids=lambda p: p.stem)
def test_twins_learn_and_predict_vertices(path, folder):
    torch.manual_seed(0)
    cfg = Config.fromfile(path)
    cfg.model.test_cfg.rcnn.score_thr = -1.0
    cfg.model.test_cfg.rcnn.max_per_img = 2
    embedder = cfg.model.roi_head.densepose_head.embedder
    embedder.meshes = {"human_7151": dict(num_features=8)}
    model = MODELS.build(cfg.model)
    model.roi_head.densepose_head.embedder.init_weights()
    data = model.data_preprocessor(batch(cfg, "train_dataloader", folder), training=True)
    truth = [sample.gt_instances for sample in data["data_samples"]]
    assert any(item.num_vertices for each in truth for item in each.densepose)
    losses = model.train()(**data, mode="loss")
    loss = losses["loss_embedding_human_7151"]
    assert 0.6 * np.log(7151) == pytest.approx(
        float(loss.detach()), rel=1e-4
    )  # vectors are still zero
    loss.backward()
    head = model.roi_head.densepose_head
    assert head.embedder.embedders["human_7151"].embeddings.grad.abs().sum() > 0
    torch.nn.init.normal_(head.embedder.embedders["human_7151"].embeddings)
    with torch.no_grad():
        results = model.eval().test_step(batch(cfg, "test_dataloader", folder))
    metric = VertexMetric(folder / "annotations.json", people=("human_7151",))
    samples = [{"img_id": r.img_id, "pred_instances": r.pred_instances} for r in results]
    metric.process(None, samples)
    found = metric.evaluate(len(samples))
    assert set(found) >= {"vertices/gps/AP", "vertices/gpsm/AP50", "vertices/iou/AR"}
    for result in results:
        assert len(result.pred_instances.vertices) == len(result.pred_instances) > 0
        for vertices in result.pred_instances.vertices:
            assert vertices.vertices["human_7151"].max() < 7151


def test_the_head_of_a_topdown_system_learns_and_predicts_vertices(folder):
    """The top-down twin with an embedding in place of its charts."""
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT.parent / "topdown" / "densepose-td_r18_cpu_dp-synth.py")
    init_default_scope(cfg.get("default_scope", "mmpose"))
    head = cfg.model.head.densepose_head
    head.predictor.update(with_charts=False, with_body_mask=False, extra_maps=["embedding"])
    head.embedder = dict(type="mmktn.SurfaceEmbedder", meshes={"human_7151": dict(num_features=8)})
    head.embedding_loss = dict(type="mmktn.EmbeddingLoss", embedding_sigma=0.05)
    head.task_decoders = [dict(type="mmktn.VertexDecoder", class_meshes="human_7151")]
    for step in cfg.train_dataloader.dataset.pipeline:
        if step.type == "mmktn.LoadDensePoseAnnotations":
            step.update(with_charts=False, with_vertices=True)
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(batch(cfg, "train_dataloader", folder), training=True)
    losses = model.train()(**data, mode="loss")
    assert float(losses["loss_embedding_human_7151"].detach()) == pytest.approx(
        0.6 * np.log(7151), rel=1e-4
    )
    torch.nn.init.normal_(model.head.densepose_head.embedder.embedders["human_7151"].embeddings)
    torch.nn.init.normal_(model.head.densepose_head.embedder.embedders["human_7151"].features)
    with torch.no_grad():
        results = model.eval().test_step(batch(cfg, "test_dataloader", folder))
    for result in results:
        (person,) = result.pred_instances.vertices
        assert person.vertices["human_7151"].shape == person.mask.shape
