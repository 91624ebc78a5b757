"""Parity with the official implementations.

Every branch file of the reference folder is rebuilt from its content (weights by official name
through the converters' key maps) and has to reproduce stored outputs, losses and gradient norms.
tests/reference_files.py says which folder that is.
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.ops import RoIAlign
from torch import nn

from mmktn.checkpoints.keys import convert_densepose_keys
from mmktn.models.targets import build_chart_targets
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, DensePoseAnnotation, DensePoseAnnotations
from tests.reference_files import FOLDER, files

FILES = files("branch")

# Tolerances of reference/README.md: float32 on the CPU, other summation orders.
OUTPUT_RTOL = 1e-4
LOSS_RTOL = 1e-4
GRADIENT_RTOL = 1e-3
# Of the largest norm: gradients that vanish analytically (GN over a 1 x 1 map) are noise in both.
GRADIENT_FLOOR = 1e-5
# Relative change of the inputs, the size of the rounding of one convolution.
NOISE = 1e-6
# More than this is never put down to rounding.
ROUNDING_LIMIT = 1e-2

GN = {"type": "GN", "num_groups": 32}
LOSS_NAMES = {
    "loss_densepose_U": "loss_u",
    "loss_densepose_V": "loss_v",
    "loss_densepose_I": "loss_fine_segm",
    "loss_densepose_S": "loss_coarse_segm",
    "loss_densepose_M": "loss_body_mask",
    "loss_densepose_UV": "loss_uv",
}
CONFIDENCES = ("sigma_2", "kappa_u", "kappa_v", "fine_segm_confidence", "coarse_segm_confidence")
OUTPUT_FIELDS = {
    "coarse": "coarse_segm",
    "fine": "fine_segm",
    "u": "u",
    "v": "v",
    "mask": "body_mask",
    "kpt": "keypoint_heatmaps",
    **{name: name for name in CONFIDENCES},
}


class Reference:
    """One file, and the model its content describes."""

    def __init__(
        self, path: Path, *, dtype: torch.dtype = torch.float32, noise_seed: int | None = None
    ):
        self.arrays = {
            name: array
            for part in (path, path.with_suffix(".features.npz"))
            if part.exists()
            for name, array in np.load(part, allow_pickle=False).items()
        }
        self.dtype = dtype
        self.noise = None if noise_seed is None else torch.Generator().manual_seed(noise_seed)
        self.params = {
            name.removeprefix("param/"): self.tensor(name)
            for name in self.arrays
            if name.startswith("param/")
        }
        self.model = self._build().to(dtype)

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name]).to(self.dtype)

    def features(self, name: str) -> torch.Tensor:
        """An input map, with relative noise if asked for."""
        x = self.tensor(name)
        if self.noise is None:
            return x
        return x + NOISE * x * torch.randn(x.shape, generator=self.noise, dtype=x.dtype)

    def has(self, text: str) -> bool:
        return any(text in name for name in self.params)

    def count(self, pattern: str) -> int:
        found = (re.match(pattern, name) for name in self.params)
        return len({match.group(1) for match in found if match})

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a parameter, None if absent."""
        return tuple(self.params[name].shape) if name in self.params else None

    def output_shape(self, name: str) -> tuple[int, ...] | None:
        array = self.arrays.get(f"out/{name}/shape")
        return None if array is None else tuple(array.tolist())

    def _build(self) -> nn.Module:
        neck, trunk, predictor = self._neck(), self._trunk(), self._predictor()
        model = nn.Module()
        model.roi_head = nn.Module()
        if neck is not None:
            model.roi_head.densepose_neck = MODELS.build(neck)
        model.roi_head.densepose_head = nn.Module()
        if trunk is not None:
            model.roi_head.densepose_head.trunk = MODELS.build(trunk)
        model.roi_head.densepose_head.predictor = MODELS.build(predictor)
        if "box_predictor.cls_score.weight" in self.params:
            dim = self.shape("box_predictor.cls_score.weight")[1]
            model.roi_head.bbox_head = nn.Module()
            model.roi_head.bbox_head.fc_cls = nn.Linear(dim, 2)
            model.roi_head.bbox_head.fc_reg = nn.Linear(dim, 4)
        converted = convert_densepose_keys(self.params, model.state_dict().keys())
        assert not converted.missing
        unused = [name for name in converted.unused if not name.startswith("index_uv_lowres")]
        assert not unused
        model.load_state_dict(converted.state_dict)
        return model

    def _neck(self) -> dict | None:
        if self.has("mid_decoder."):
            return {
                "type": "mmktn.MultiInstanceDecoderV2",
                "channels": self.shape("mid_decoder.predictor.weight")[0],
                "num_levels": self.count(r"mid_decoder\.p(\d)\."),
                "with_multi_dilation": self.has("mid_decoder.trident_convs"),
                "norm_cfg": GN if self.has("adt_conv.norm") else None,
            }
        if self.has("decoder."):
            out_channels, channels = self.shape("decoder.predictor.weight")[:2]
            return {
                "type": "mmktn.PanopticFPNDecoder",
                "in_channels": self.shape("decoder.p2.0.weight")[1],
                "channels": channels,
                "out_channels": out_channels,
                "num_levels": self.count(r"decoder\.p(\d)\."),
                "norm_cfg": GN if self.has("decoder.p2.0.norm") else None,
            }
        return None

    def _trunk(self) -> dict | None:
        if self.has("head.asppv3"):
            return {
                "type": "mmktn.GCETrunk",
                "in_channels": self.shape("head.asppv3.0.0.weight")[1],
                "branch_channels": self.shape("head.asppv3.0.0.weight")[0],
                "channels": self.shape("head.feat.0.0.weight")[0],
                "num_convs": self.count(r"head\.conv_after_asppv3\.(\d+)\."),
            }
        first = self.shape("densepose_head.body_conv_fcn1.weight")
        if first is None:
            return None
        trunk = {
            "type": "mmktn.ConvTrunk",
            "channels": first[0],
            "in_channels": first[1],
            "num_convs": self.count(r"densepose_head\.body_conv_fcn(\d+)\."),
            "norm_cfg": GN if self.has("body_conv_fcn1.norm") else None,
        }
        if self.has("densepose_head.ASPP"):
            trunk |= {"type": "mmktn.DeepLabTrunk", "with_nonlocal": self.has("densepose_head.nlb")}
        if self.has("densepose_head.ScaleConvs"):
            trunk["type"] = "mmktn.KTNTrunk"
        return trunk

    def _predictor(self) -> dict:
        names = {
            name.removeprefix("densepose_predictor."): tuple(p.shape)
            for name, p in self.params.items()
        }
        names |= {
            name.replace("output.deconv_Ann", "ann_index_lowres"): shape
            for name, shape in names.items()
        }
        keypoints = names.get("k_lowres.weight") or names.get("body_kpt_weight")
        any_map = names.get("u_lowres.weight") or names["output.deconv_U.weight"]
        predictor = {
            "type": "mmktn.ChartPredictor",
            "in_channels": any_map[0],
            "coarse_channels": names.get("ann_index_lowres.weight", (0, 0))[1],
            "with_body_mask": "m_lowres.weight" in names,
            "num_keypoints": keypoints[1] if keypoints else 0,
            "upscale": self._upscale("fine"),
            "extra_maps": [name for name in CONFIDENCES if f"{name}_lowres.weight" in names],
        }
        if keypoints and self.output_shape("kpt"):
            predictor["keypoint_upscale"] = self._upscale("kpt")
        relations = {
            source: f"{official}_crgk_matrix" in names
            for source, official in (("keypoint", "kpt"), ("box", "bbox"), ("part", "part"))
        }
        if any(relations.values()):
            predictor |= {
                "type": "mmktn.KTMv2ChartPredictor",
                "sources": [source for source, present in relations.items() if present],
                "box_dim": (self.shape("box_predictor.cls_score.weight") or (2, 1024))[1],
            }
        elif "kpt_surface_transfer_matrix" in names:
            predictor |= {
                "type": "mmktn.KTMv1ChartPredictor",
                "mlp": "kpt_surface_transformer.0.weight" in names,
            }
        if "KTM" in predictor["type"]:
            predictor["graph"] = {"relation_source": "random"}
        return predictor

    def _upscale(self, name: str) -> int:
        """Size of a map over that of the transposed convolution."""
        features = self.output_shape("head") or self.arrays["input"].shape
        return self.output_shape(name)[-1] // (2 * features[-1])

    @property
    def images(self) -> list[int]:
        return sorted(int(name.split("/")[1]) for name in self.arrays if name.startswith("box/"))

    def boxes(self, kind: str) -> torch.Tensor:
        return torch.cat([self.tensor(f"{kind}/{i}") for i in self.images])

    def rois(self) -> torch.Tensor:
        counts = [len(self.arrays[f"box/{image}"]) for image in self.images]
        index = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        return torch.cat([index[:, None].to(self.dtype), self.boxes("box")], dim=1)

    def annotations(self) -> DensePoseAnnotations:
        return DensePoseAnnotations(
            self._annotation(f"gt/{image}/{k}")
            for image in self.images
            for k in range(len(self.arrays[f"box/{image}"]))
        )

    def _annotation(self, prefix: str) -> DensePoseAnnotation:
        field = {k: torch.from_numpy(self.arrays[f"{prefix}/{k}"]) for k in "xyiuv"}
        coarse = np.kron(self.arrays[f"{prefix}/segm16"], np.ones((16, 16), dtype=np.uint8))
        return DensePoseAnnotation(
            point_xy=torch.stack([field["x"], field["y"]], dim=1) / 256,
            point_charts=field["i"].long(),
            point_uv=torch.stack([field["u"], field["v"]], dim=1),
            coarse_map=torch.from_numpy(coarse),
        )

    def loss_config(self) -> dict:
        """Weights of the file; KTN's official ones where it has none."""
        if "weights" in self.arrays:
            points, part, index = (float(value) for value in self.arrays["weights"])
            weights = {"u": points, "v": points, "fine_segm": part, "coarse_segm": index}
            weights["sigma_2"] = points
        else:
            weights = {"u": 0.01, "v": 0.01, "fine_segm": 1.0, "coarse_segm": 2.0}
        return {"type": "mmktn.ChartLoss", "weights": {"body_mask": 5.0, **weights}}

    def forward(self) -> dict[str, torch.Tensor | None]:
        """Run the model; keys are those of `out/`, and `output` the whole `ChartOutput`."""
        roi_head, stages = self.model.roi_head, {}
        if "input" in self.arrays:
            x = self.features("input")
        else:
            levels = tuple(
                self.features(name)
                for name in sorted(n for n in self.arrays if n.startswith("feat/"))
            )
            if hasattr(roi_head, "densepose_neck"):
                levels = roi_head.densepose_neck(levels)
                stages["decoder"] = stages["mid"] = levels[0]
            x = stages["pooled"] = pool(levels, self.rois(), self.output_shape("pooled")[-1])
        if hasattr(roi_head.densepose_head, "trunk"):
            x = stages["head"] = roi_head.densepose_head.trunk(x)
        box_weights = None
        if hasattr(roi_head, "bbox_head"):
            box = roi_head.bbox_head
            box_weights = {"cls": box.fc_cls.weight, "reg": box.fc_reg.weight}
        predictor = roi_head.densepose_head.predictor
        output = stages["output"] = predictor(x, box_weights)
        stages |= {name: output.get(field) for name, field in OUTPUT_FIELDS.items()}
        stages["surface_weight"] = predictor.kernel("fine_segm", box_weights)[0]
        return stages


def pool(levels: tuple[torch.Tensor, ...], rois: torch.Tensor, size: int) -> torch.Tensor:
    """RoIAlign (sampling ratio 2, not aligned); several levels: P2..P5 by the size of the RoI."""
    extent = rois[:, 3:] - rois[:, 1:3]
    level = torch.floor(4 + torch.log2(extent.prod(dim=1).sqrt() / 224 + 1e-8)).clamp(2, 5).long()
    if len(levels) == 1:
        level = torch.full_like(level, 2)
    pooled = levels[0].new_zeros((len(rois), levels[0].shape[1], size, size))
    for index in level.unique():
        stride = 2 ** int(index)
        align = RoIAlign(size, spatial_scale=1 / stride, sampling_ratio=2, aligned=False)
        chosen = level == index
        pooled[chosen] = align(levels[index - 2], rois[chosen])
    return pooled


def predict(reference: Reference, image: int, boxes: torch.Tensor) -> ChartOutput:
    """Maps of some boxes of an image."""
    roi_head = reference.model.roi_head
    names = sorted(name for name in reference.arrays if name.startswith("feat/"))
    levels = tuple(reference.tensor(name)[image : image + 1] for name in names)
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1)
    x = pool(roi_head.densepose_neck(levels), rois, reference.output_shape("pooled")[-1])
    return roi_head.densepose_head.predictor(roi_head.densepose_head.trunk(x))


def assert_outputs_equal(reference: Reference, stages: dict) -> dict[str, float]:
    errors = {}
    for key, shape in reference.arrays.items():
        if not (key.startswith("out/") and key.endswith("/shape")):
            continue
        name = key.split("/")[1]
        ours = stages[name]
        assert ours is not None, f"{name} is not predicted"
        assert tuple(ours.shape) == tuple(shape.tolist()), name
        index = torch.from_numpy(reference.arrays[f"out/{name}/index"]).long()
        theirs = torch.from_numpy(reference.arrays[f"out/{name}/value"])
        difference = (ours.detach().flatten()[index] - theirs).abs().max()
        errors[name] = float(difference / theirs.abs().max())
    assert errors
    assert {name: e for name, e in errors.items() if not e <= OUTPUT_RTOL} == {}
    return errors


def assert_losses_equal(path: Path) -> None:
    reference, losses, _ = losses_and_gradient_norms(path)
    for name, value in zip(losses, reference.arrays["loss_values"], strict=True):
        assert losses[name] == pytest.approx(value, rel=LOSS_RTOL), name


def losses_and_gradient_norms(
    path: Path, **options
) -> tuple[Reference, dict[str, float], dict[str, float]]:
    """Losses and gradient norms of the summed losses, both by official name."""
    reference = Reference(path, **options)
    targets = build_chart_targets(
        reference.boxes("box"), reference.boxes("gtbox"), reference.annotations()
    )
    losses = MODELS.build(reference.loss_config())(reference.forward()["output"], targets)
    used = {name: losses[LOSS_NAMES[name]] for name in reference.arrays["loss_names"].tolist()}
    sum(used.values()).backward()
    ours_to_official = convert_densepose_keys({n: n for n in reference.params}).state_dict
    norms = {
        ours_to_official[name]: 0.0 if p.grad is None else float(p.grad.norm())
        for name, p in reference.model.named_parameters()
    }
    return reference, {name: float(loss.detach()) for name, loss in used.items()}, norms


def with_losses(paths: list[Path]) -> list[Path]:
    return [path for path in paths if "loss_names" in np.load(path).files]


def test_reference_folder_has_parity_files():
    assert any(FOLDER.glob("*.npz")), f"no .npz in {FOLDER}"
    assert not files("unknown"), "neither image_bgr, input nor feat/p2 is in these"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_branch_reproduces_reference_outputs(path):
    reference = Reference(path)
    assert_outputs_equal(reference, reference.forward())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_branch_reproduces_reference_outputs_in_eval_mode(path):
    reference = Reference(path)
    reference.model.eval()
    with torch.inference_mode():
        assert_outputs_equal(reference, reference.forward())
        # Once more, now from the cached kernel of the KTM.
        assert_outputs_equal(reference, reference.forward())


@pytest.mark.parametrize("path", with_losses(FILES), ids=lambda path: path.stem)
def test_branch_reproduces_reference_losses(path):
    assert_losses_equal(path)


def assert_gradient_norms_equal(path: Path) -> None:
    """Norms agree to 1e-3 plus what rounding alone does to them.

    A pre-activation within rounding of 0 may fall on either side of ReLU, and each such case moves
    the norms of these small nets by about 1e-3; the same code differs by that much between one and
    two threads. The share is measured: float64 and inputs with a relative noise of NOISE.
    """
    reference, _, norms = losses_and_gradient_norms(path)
    expected = dict(
        zip(reference.arrays["grad_names"].tolist(), reference.arrays["grad_norms"], strict=True)
    )
    floor = GRADIENT_FLOOR * max(expected.values())
    off = {
        name: norm
        for name, norm in expected.items()
        if abs(norms[name] - norm) > GRADIENT_RTOL * norm + floor
    }
    if off:
        variants = [norms, losses_and_gradient_norms(path, dtype=torch.float64)[2]]
        variants += [losses_and_gradient_norms(path, noise_seed=seed)[2] for seed in range(5)]
    for name, norm in off.items():
        found = [variant[name] for variant in variants]
        rounding = min(max(found) - min(found), ROUNDING_LIMIT * norm)
        assert norms[name] == pytest.approx(
            norm, abs=GRADIENT_RTOL * norm + 2 * rounding + floor
        ), name
    relative = {
        name: abs(norms[name] / norm - 1) for name, norm in expected.items() if norm > floor
    }
    assert np.median(list(relative.values())) <= GRADIENT_RTOL
    extra = {name for name, norm in norms.items() if norm > floor} - set(expected)
    assert not extra, "these have a gradient here, none in the official code"


@pytest.mark.parametrize("path", with_losses(FILES), ids=lambda path: path.stem)
def test_branch_reproduces_reference_gradient_norms(path):
    assert_gradient_norms_equal(path)
