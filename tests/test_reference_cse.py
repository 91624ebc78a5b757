"""Parity with detectron2's continuous surface embeddings: networks, losses, nearest vertices.

Every `d2_cse*.npz` of MMKTN_CONFIDENCE_CSE_DIR is read, else the copy in
tests/data/reference/confidence_cse.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures.mask import BitmapMasks

from mmktn.checkpoints.keys import convert_densepose_keys
from mmktn.models.rcnn.matched_rois import MatchedRoIs
from mmktn.models.targets import build_chart_targets, sample_maps_at_points
from mmktn.registry import MODELS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from mmktn.surface.reference_mesh import ReferenceMesh
from tests.reference_files import COPIES
from tests.test_reference_models import (
    GRADIENT_FLOOR,
    GRADIENT_RTOL,
    LOSS_RTOL,
    OUTPUT_RTOL,
    ROUNDING_LIMIT,
    Reference,
    pool,
    predict,
)

FOLDER = Path(os.environ.get("MMKTN_CONFIDENCE_CSE_DIR") or COPIES / "confidence_cse")
FILES = sorted(path for path in FOLDER.glob("d2_cse*.npz") if ".features" not in path.suffixes)
OUTPUTS = {
    "coarse": "coarse_segm",
    "embedding": "embedding",
    "coarse_segm_confidence": "coarse_segm_confidence",
}
# Two nearest vertices whose squared distances differ by less are a tie (README of the files).
MARGIN = 1e-3


class CseReference(Reference):
    """A CSE file and the head its content describes."""

    def _predictor(self) -> dict:
        shape = self.shape("densepose_predictor.embed_lowres.weight")
        maps = {"embedding": shape[1]}
        if self.has("coarse_segm_confidence_lowres"):
            maps["coarse_segm_confidence"] = 1
        return {
            "type": "mmktn.ChartPredictor",
            "in_channels": shape[0],
            "coarse_channels": self.shape("densepose_predictor.coarse_segm_lowres.weight")[1],
            "with_charts": False,
            "upscale": self._upscale("coarse"),
            "extra_maps": maps,
        }

    def _embedder(self) -> dict:
        meshes = {}
        for name in self.arrays["mesh_names"].tolist():
            kind = str(self.arrays[f"embedder/{name}/type"]).removeprefix("vertex_")
            meshes[name] = {"kind": {"feature": "features", "direct": "direct"}[kind]}
            if kind == "feature":
                shape = self.shape(f"embedder.embedder_{name}.features")
                trained = bool(self.arrays[f"embedder/{name}/features_trainable"])
                meshes[name] |= {"num_features": shape[1], "features_trainable": trained}
        return {"type": "mmktn.SurfaceEmbedder", "meshes": meshes}

    def _build(self) -> torch.nn.Module:
        model = torch.nn.Module()
        model.roi_head = torch.nn.Module()
        model.roi_head.densepose_neck = MODELS.build(self._neck())
        model.roi_head.densepose_head = torch.nn.Module()
        head = model.roi_head.densepose_head
        head.trunk = MODELS.build(self._trunk())
        head.predictor = MODELS.build(self._predictor())
        head.embedder = MODELS.build(self._embedder())
        converted = convert_densepose_keys(self.params, model.state_dict().keys())
        assert not converted.missing
        assert not converted.unused
        model.load_state_dict(converted.state_dict)
        head.embedder.use_meshes({name: self.mesh(name) for name in self.mesh_names})
        return model

    @property
    def mesh_names(self) -> list[str]:
        return self.arrays["mesh_names"].tolist()

    @property
    def embedder(self):
        return self.model.roi_head.densepose_head.embedder

    @property
    def variants(self) -> list[str]:
        names = (name.split("/") for name in self.arrays if name.endswith("/settings"))
        return [name[1] for name in names if name[0] == "loss"]

    def mesh(self, name: str) -> ReferenceMesh:
        found = {k: self.arrays[f"mesh/{name}/{k}"] for k in ("vertices", "faces")}
        return ReferenceMesh(
            name,
            {
                "shape": found,
                "geodesics": self.arrays[f"mesh/{name}/geodists"].astype(np.float32),
                "mirror": self.arrays[f"mesh/{name}/vertex_transforms"],
            },
        )

    def annotations(self, variant: str = "hard") -> DensePoseAnnotations:
        return DensePoseAnnotations(
            self._cse_annotation(image, k, variant)
            for image in self.images
            for k in range(len(self.arrays[f"box/{image}"]))
        )

    def _cse_annotation(self, image: int, k: int, variant: str) -> DensePoseAnnotation:
        prefix = f"gt/{image}/{k}"
        if f"{prefix}/x" not in self.arrays:
            return DensePoseAnnotation.without_densepose()
        xy = np.stack([self.arrays[f"{prefix}/x"], self.arrays[f"{prefix}/y"]], axis=1)
        xy = torch.from_numpy(xy) + (1000 if variant == "no_points" else 0)
        vertices = torch.from_numpy(self.arrays[f"{prefix}/vertex"].copy())
        if variant.endswith("vertex_minus1") and (image, k) == (0, 0):
            vertices[:2] = -1
        coarse = torch.from_numpy(
            np.kron(self.arrays[f"{prefix}/segm16"], np.ones((16, 16), dtype=np.uint8))
        )
        if variant == "hard_segm_missing_once" and (image, k) == (1, 0):
            coarse = None
        return DensePoseAnnotation(
            point_xy=torch.zeros(0, 2),
            point_charts=torch.zeros(0, dtype=torch.int64),
            point_uv=torch.zeros(0, 2),
            coarse_map=coarse,
            mesh=str(self.arrays[f"{prefix}/mesh"]),
            vertex_xy=xy.to(self.dtype) / 256,
            vertices=vertices,
        )

    def roi_masks(self, maps: torch.Tensor) -> torch.Tensor:
        pairs = []
        for image in self.images:
            masks = self.arrays[f"gt_mask/{image}"]
            persons = torch.arange(len(self.arrays[f"box/{image}"]))
            pairs.append((BitmapMasks(masks, *masks.shape[1:]), persons))
        rois = self.rois().float()
        return MatchedRoIs(rois, rois[:, 1:], DensePoseAnnotations(), 2, pairs).roi_masks(maps)

    def targets(self, variant: str = "hard", *, roi_masks=None):
        return build_chart_targets(
            self.boxes("box"),
            self.boxes("gtbox"),
            self.annotations(variant),
            roi_masks=roi_masks,
        )

    def forward(self) -> dict:
        roi_head, stages = self.model.roi_head, {}
        names = sorted(n for n in self.arrays if n.startswith("feat/"))
        levels = roi_head.densepose_neck(tuple(self.features(name) for name in names))
        stages["decoder"] = levels[0]
        x = stages["pooled"] = pool(levels, self.rois(), self.output_shape("pooled")[-1])
        x = stages["head"] = roi_head.densepose_head.trunk(x)
        output = stages["output"] = roi_head.densepose_head.predictor(x)
        return stages | {name: output.get(field) for name, field in OUTPUTS.items()}

    def losses(self, variant: str) -> dict[str, torch.Tensor]:
        """Losses of a variant by their official names."""
        settings = json.loads(str(self.arrays[f"loss/{variant}/settings"]))
        if variant == "hard_zero_embedder":
            for name, parameter in self.embedder.named_parameters():
                if name.endswith("embeddings"):
                    parameter.data.zero_()
        output = self.forward()["output"]
        masks = self.roi_masks(output["coarse_segm"])
        targets = self.targets(variant, roi_masks=masks)
        charts = MODELS.build(
            {
                "type": "mmktn.ChartLoss",
                "weights": {"coarse_segm": settings["segm_weight"]},
                "coarse_from_masks": settings["masks"],
                "coarse_needs_all": True,
            }
        )
        found = charts(output, targets)
        loss = MODELS.build({"type": "mmktn.EmbeddingLoss", **loss_options(settings)})
        self._give_draws(loss, f"loss/{variant}")
        found |= loss(output, targets, self.embedder)
        official = {
            "loss_densepose_S": found["loss_coarse_segm"],
            "loss_shape2shape": found.get("loss_shape_cycle"),
            "loss_pix2shape": found.get("loss_pixel_cycle"),
        }
        for name in self.mesh_names:
            official[f"loss_densepose_E{name}"] = found[f"loss_embedding_{name}"]
        return {name: value for name, value in official.items() if value is not None}

    def _give_draws(self, loss, where: str) -> None:
        """What the official code drew at random."""
        arrays = self.arrays

        def vertices(name: str, count: int):
            found = arrays.get(f"{where}/vertices/{name}")
            return None if found is None else torch.from_numpy(found).long()

        loss.draw_pair = lambda names: tuple(arrays[f"{where}/shape_pair"].tolist())
        loss.draw_vertices = vertices
        loss.draw_pixels = lambda roi, name, inside: torch.from_numpy(
            arrays[f"{where}/pixels/{roi}/{name}"]
        ).long()

    def gradient_norms(self, variant: str) -> dict[str, float]:
        losses = self.losses(variant)
        self.model.zero_grad()
        sum(losses.values()).backward()
        official = convert_densepose_keys({n: n for n in self.params}).state_dict
        return {
            official[name]: 0.0 if p.grad is None else float(p.grad.norm())
            for name, p in self.model.named_parameters()
        }


def loss_options(settings: dict) -> dict:
    """Settings of the official losses as options of `EmbeddingLoss`."""
    shapes, pixels = settings["shape_to_shape"], settings["pix_to_shape"]
    assert shapes["NORM_P"] == pixels["NORM_P"] == 2
    return {
        "weight": settings["embed_weight"],
        "soft": settings["embed_loss"] == "SoftEmbeddingLoss",
        "embedding_sigma": settings["embedding_sigma"],
        "geodesic_sigma": settings["geodesic_sigma"],
        "shape_cycle": {
            "weight": shapes["WEIGHT"],
            "temperature": shapes["TEMPERATURE"],
            "max_vertices": shapes["MAX_NUM_VERTICES"],
        }
        if shapes["ENABLED"]
        else None,
        "pixel_cycle": {
            "weight": pixels["WEIGHT"],
            "temperatures": (
                pixels["TEMPERATURE_PIXEL_TO_VERTEX"],
                pixels["TEMPERATURE_VERTEX_TO_PIXEL"],
            ),
            "num_pixels": pixels["NUM_PIXELS_TO_SAMPLE"],
            "all_meshes": pixels["USE_ALL_MESHES_NOT_GT_ONLY"],
        }
        if pixels["ENABLED"]
        else None,
    }


def variants() -> list:
    found = []
    for path in FILES:
        with np.load(path) as data:
            names = [n.split("/")[1] for n in data.files if n.endswith("/settings")]
        found += [pytest.param(path, name, id=f"{path.stem}-{name}") for name in names]
    return found


each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
each_variant = pytest.mark.parametrize(("path", "variant"), variants())


def test_cse_reference_folder_has_files():
    assert FILES, f"no d2_cse*.npz in {FOLDER}"


@each_file
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_cse_outputs_equal_the_reference(path, training):
    reference = CseReference(path)
    reference.model.train(training)
    with torch.no_grad():
        stages = reference.forward()
    for key in reference.arrays:
        if key.startswith("out/") and key.endswith("/shape"):
            name = key.split("/")[1]
            index = torch.from_numpy(reference.arrays[f"out/{name}/index"]).long()
            theirs = torch.from_numpy(reference.arrays[f"out/{name}/value"])
            assert tuple(stages[name].shape) == tuple(reference.arrays[key].tolist()), name
            error = (stages[name].flatten()[index] - theirs).abs().max()
            assert error <= OUTPUT_RTOL * theirs.abs().max(), name


@each_file
def test_cse_vertex_vectors_equal_the_reference(path):
    reference = CseReference(path)
    for name in reference.mesh_names:
        theirs = reference.arrays[f"embedder/{name}/out"]
        found = reference.embedder(name).detach().numpy()
        np.testing.assert_allclose(found, theirs, atol=1e-6)


@each_file
def test_cse_points_equal_the_reference(path):
    reference = CseReference(path)
    arrays = reference.arrays
    with torch.no_grad():
        embedding = reference.forward()["output"]["embedding"]
    targets = reference.targets()
    points, valid = targets.vertex_points, arrays["point/valid"]
    assert len(points.vertices) == valid.sum()
    np.testing.assert_array_equal(points.vertices, arrays["point/vertex"][valid])
    np.testing.assert_array_equal(points.roi_index, arrays["point/roi"][valid])
    names = [points.mesh_names[i] for i in points.mesh_index]
    assert names == arrays["point/mesh"][valid].tolist()
    found = sample_maps_at_points(
        embedding, points.roi_index, targets.vertex_grid(embedding.shape[-2:])
    )
    theirs = arrays["point/embedding"][valid]
    assert np.abs(found.numpy() - theirs).max() <= OUTPUT_RTOL * np.abs(theirs).max()


@each_file
def test_cse_mask_targets_equal_the_reference(path):
    reference = CseReference(path)
    theirs = reference.arrays["mask_target"]
    found = reference.roi_masks(torch.zeros(1, 1, *theirs.shape[-2:]))
    np.testing.assert_array_equal(found.numpy(), theirs > 0)


@each_variant
def test_cse_losses_equal_the_reference(path, variant):
    reference = CseReference(path)
    losses = reference.losses(variant)
    names = reference.arrays[f"loss/{variant}/names"].tolist()
    assert sorted(losses) == sorted(names)
    for name, value in zip(names, reference.arrays[f"loss/{variant}/values"], strict=True):
        assert float(losses[name].detach()) == pytest.approx(value, rel=LOSS_RTOL, abs=1e-12), name


@each_variant
def test_cse_gradient_norms_equal_the_reference(path, variant):
    """As for the charts: 1e-3, plus what rounding alone does to a norm (measured)."""
    arrays = CseReference(path).arrays
    where = f"loss/{variant}"
    expected = dict(
        zip(arrays[f"{where}/grad_names"].tolist(), arrays[f"{where}/grad_norms"], strict=True)
    )
    norms = CseReference(path).gradient_norms(variant)
    # Vectors of zero length carry a factor of 1e6 (clamp), which says nothing about the others.
    groups = [
        {n for n in expected if n.startswith("embedder.") == embedder} for embedder in (True, False)
    ]
    for names in groups:
        floor = GRADIENT_FLOOR * max(expected[name] for name in names)
        off = [
            n for n in names if abs(norms[n] - expected[n]) > GRADIENT_RTOL * expected[n] + floor
        ]
        if off:
            variants = [norms, CseReference(path, dtype=torch.float64).gradient_norms(variant)]
            seeds = range(3)
            variants += [CseReference(path, noise_seed=s).gradient_norms(variant) for s in seeds]
        for name in off:
            found = [each[name] for each in variants]
            rounding = min(max(found) - min(found), ROUNDING_LIMIT * expected[name])
            limit = GRADIENT_RTOL * expected[name] + 2 * rounding + floor
            assert norms[name] == pytest.approx(expected[name], abs=limit), name


@each_file
def test_cse_decoding_equals_the_reference(path):
    """Mask and nearest vertex of every pixel; sides below a pixel count as one."""
    reference = CseReference(path)
    reference.model.eval()
    arrays, compared = reference.arrays, 0
    decoder = MODELS.build(
        {
            "type": "mmktn.VertexDecoder",
            "class_meshes": reference.mesh_names[0],
            "all_meshes": True,
        }
    )
    decoder.bind(reference.embedder)
    for image in reference.images:
        boxes = reference.tensor(f"det/{image}/box")
        with torch.inference_mode():
            results = decoder.decode(predict(reference, image, boxes), boxes)["vertices"]
        for k, result in enumerate(results):
            where = f"det/{image}/{k}"
            if f"{where}/mask" not in arrays:
                continue
            h, w = arrays[f"{where}/size_hw"].tolist()
            assert result.hw == (h, w)
            mask = np.unpackbits(arrays[f"{where}/mask"])[: h * w].reshape(h, w) > 0
            agree = result.mask.numpy() == mask
            assert (~agree).mean() <= 1e-3
            for name in reference.mesh_names:
                if f"{where}/closest/{name}" in arrays:
                    clear = (arrays[f"{where}/margin/{name}"] >= MARGIN) & mask & agree
                    ours = result.vertices[name].numpy()
                    assert not ours[~result.mask.numpy()].any()
                    theirs = arrays[f"{where}/closest/{name}"]
                    np.testing.assert_array_equal(ours[clear], theirs[clear])
                    compared += int(clear.sum())
    assert compared
