"""The config that fits is found, with other widths too; constants are compared with it."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmktn.checkpoints import (
    DetectorConversion,
    check_constants,
    convert_detector,
    describe,
    find_config,
    hint_for,
    model_shapes,
    part_types,
    width_options,
)

from .official import CONFIGS, KEYS, official_weights, with_101_layers

D2, KTN = "d2_densepose_rcnn_R_50_FPN_s1x", "ktnv2_r50"


def tiny():
    arrays = np.load(KEYS.parent / "e2e_d2_densepose_tiny.npz")
    return {
        name.removeprefix("param/"): torch.from_numpy(arrays[name]).float()
        for name in arrays.files
        if name.startswith("param/")
    }


def weights_of(official):
    return convert_detector(official).state_dict


def test_parts_are_told_from_names():
    parts = part_types(weights_of(official_weights(KTN)))
    assert parts == {
        "backbone.type": ("ResNet",),
        "backbone.depth": (50,),
        "neck.type": ("FPN",),
        "roi_head.densepose_neck.type": ("MultiInstanceDecoderV2",),
        "roi_head.densepose_head.trunk.type": ("KTNTrunk",),
        "roi_head.densepose_head.predictor.type": ("KTMv2ChartPredictor",),
        "roi_head.densepose_head.predictor.extra_maps": (None,),
        "roi_head.densepose_head.embedder.meshes": (None,),
    }
    legacy = part_types(weights_of(official_weights(f"{D2}_legacy")))
    assert legacy["roi_head.densepose_neck.type"] == (None,)
    deep = part_types(weights_of(with_101_layers(official_weights(D2))))
    assert deep["backbone.depth"] == (101,)


def test_widths_are_told_from_shapes():
    widths = width_options(weights_of(tiny()), "PanopticFPNDecoder")
    assert widths["backbone.base_channels"] == 8
    assert widths["neck.in_channels"] == [32, 64, 128, 256]
    assert widths["roi_head.bbox_head.fc_out_channels"] == 16
    assert widths["roi_head.bbox_head.roi_feat_size"] == 7
    assert widths["roi_head.densepose_head.predictor.in_channels"] == 32
    assert widths["roi_head.densepose_neck.out_channels"] == 32


def test_pyramid_and_widths_of_hrfpn_are_told():
    weights = weights_of(official_weights("d2_densepose_rcnn_HRFPN_HRNet_w32_s1x"))
    assert part_types(weights)["neck.type"] == ("KTNHRFPN",)
    assert part_types(weights)["backbone.depth"] == (None,)
    widths = width_options(weights, "PanopticFPNDecoder")
    assert widths["neck.in_channels"] == [32, 64, 128, 256]
    assert widths["neck.out_channels"] == 256
    assert "KTNHRFPN" in describe(weights)


def test_description_names_backbone_and_maps():
    text = describe(weights_of(tiny()))
    assert "ResNet-50 of base width 8" in text
    assert "coarse_segm 2" in text


def test_narrow_checkpoint_adapts_the_config_of_its_structure():
    found = find_config(convert_detector(tiny()), CONFIGS)
    assert found.path.stem == "densepose-rcnn_r50_fpn_s1x_dp-coco"
    assert found.config.model.backbone.base_channels == 8
    assert found.widths["neck.out_channels"] == 32
    assert "neck.num_outs" not in found.widths


def test_narrow_hrnet_adapts_the_config_of_its_structure():
    name = "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco"
    narrow = Config.fromfile(str(CONFIGS / f"{name}.py"))
    widths = [8, 16, 32, 64]
    for stage in (2, 3, 4):
        narrow.model.backbone.extra[f"stage{stage}"].update(
            num_modules=1, num_blocks=(1,) * stage, num_channels=tuple(widths[:stage])
        )
    narrow.model.neck.update(in_channels=widths)
    weights = {key: torch.zeros(()).expand(size) for key, size in model_shapes(narrow).items()}
    conversion = DetectorConversion(weights, {key: key for key in weights}, {}, {})
    found = find_config(conversion, CONFIGS)
    assert found.path.stem == name
    assert found.config.model.backbone.extra == narrow.model.backbone.extra
    assert found.widths["neck.in_channels"] == widths
    assert set(found.widths) == {
        "neck.in_channels",
        *(
            f"backbone.extra.stage{stage}.{key}"
            for stage in (2, 3, 4)
            for key in ("num_modules", "num_blocks", "num_channels")
            if (stage, key) != (2, "num_modules")
        ),
    }


def test_structure_without_a_config_finds_none(tmp_path):
    (tmp_path / "x_r50_y.py").write_text("model = dict(type='mmdet.FasterRCNN')")
    conversion = convert_detector(tiny())
    assert find_config(conversion, tmp_path) is None
    assert "fits it" in hint_for(conversion, tmp_path)


def test_hint_names_the_config_that_fits():
    hint = hint_for(convert_detector(official_weights(f"{D2}_legacy")), CONFIGS)
    assert "the config that fits is densepose-rcnn-legacy_r50_fpn_s1x_dp-coco.py" in hint


@pytest.fixture
def config():
    return Config.fromfile(str(CONFIGS / "densepose-rcnn_r50_fpn_s1x_dp-coco.py"))


def test_constants_of_detectron2_agree_with_our_config(config):
    # detectron2: area size^2, ratio height / width, centred on the corner of the cell.
    anchors = {}
    for level, size in enumerate((32, 64, 128, 256, 512)):
        rows = []
        for ratio in (0.5, 1.0, 2.0):
            w = (size**2 / ratio) ** 0.5
            h = ratio * w
            rows.append([-w / 2, -h / 2, w / 2, h / 2])
        anchors[f"proposal_generator.anchor_generator.cell_anchors.{level}"] = torch.tensor(rows)
    mean = torch.tensor([103.530, 116.280, 123.675]).reshape(3, 1, 1)
    std = torch.ones(3, 1, 1)
    check_constants(anchors | {"pixel_mean": mean, "pixel_std": std}, config)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pixel_std", [57.375, 57.12, 58.395], r"pixel_std is \[57\.3.*data_preprocessor\.std"),
        ("pixel_mean", [123.675, 116.280, 103.530], "data_preprocessor.mean"),
        ("x.anchor_generator.cell_anchors.0", [[-1.0, -1, 1, 1]] * 3, "anchor_generator"),
        ("x.anchor_generator.cell_anchors.5", [[0.0] * 4] * 3, "5 levels only"),
    ],
)
def test_constant_that_differs_is_an_error(config, name, value, message):
    with pytest.raises(ValueError, match=message):
        check_constants({name: torch.tensor(value)}, config)
