import pytest
import torch
from mmpose.models.backbones import HRNet
from mmpose.models.heads import HeatmapHead

from mmktn.models.backbones.staged_hrnet import StagedHRNet
from mmktn.stip.checkpoint_keys import check_fit, convert_stip_state_dict
from tests.test_stip.small_models import small_extra, small_head


def hrnet_pose(width=8, keypoints=14):
    """A state dict in the official names of a plain HRNet pose estimator."""
    torch.manual_seed(0)
    weights = dict(HRNet(small_extra(width)).state_dict())
    weights["final_layer.weight"] = torch.randn(keypoints, width, 1, 1)
    weights["final_layer.bias"] = torch.randn(keypoints)
    return weights


def test_hrnet_pose_checkpoint_becomes_the_baseline():
    conversion = convert_stip_state_dict(
        {f"module.{name}": weight for name, weight in hrnet_pose().items()}
    )
    assert (conversion.kind, conversion.width, conversion.num_keypoints) == ("hrnet-pose", 8, 14)
    model = torch.nn.ModuleDict(
        {
            "backbone": StagedHRNet(small_extra()),
            "head": HeatmapHead(8, 14, deconv_out_channels=None),
        }
    )
    assert check_fit(conversion, model.state_dict()) == []
    model.load_state_dict(conversion.state_dict, strict=True)


def test_imagenet_checkpoint_fills_the_backbone_and_names_its_classifier():
    weights = hrnet_pose()
    del weights["final_layer.weight"], weights["final_layer.bias"]
    weights["classifier.weight"] = torch.zeros(10, 64)
    conversion = convert_stip_state_dict(weights)
    assert conversion.kind == "hrnet"
    assert set(conversion.unused) == {"classifier.weight"}
    model = torch.nn.ModuleDict({"backbone": StagedHRNet(small_extra()), "head": small_head()})
    missing = check_fit(conversion, model.state_dict())
    assert missing
    assert all(name.startswith("head.") for name in missing)


def test_unknown_name_is_an_error():
    weights = {**hrnet_pose(), "limb_head.0.weight": torch.zeros(1)}
    with pytest.raises(KeyError, match=r"'limb_head\.0\.weight' belongs to no known STIP"):
        convert_stip_state_dict(weights)


def test_checkpoint_in_mmpose_names_is_recognised_as_such():
    weights = {f"backbone.{name}": weight for name, weight in hrnet_pose().items()}
    with pytest.raises(KeyError, match=r"already in mmpose's names"):
        convert_stip_state_dict(weights)


@pytest.mark.parametrize(
    ("width", "keypoints", "message"),
    [
        (16, 14, r"backbone\.transition1.*\(16.*\(8.*HRNet-W16, 14 keypoints.*config"),
        (8, 17, r"head\.final_layer.*is \(17.*wants \(14.*17 keypoints"),
    ],
    ids=["width", "keypoints"],
)
def test_first_weight_that_does_not_fit_is_named_with_a_hint(width, keypoints, message):
    conversion = convert_stip_state_dict(hrnet_pose(width, keypoints))
    model = torch.nn.ModuleDict(
        {
            "backbone": StagedHRNet(small_extra()),
            "head": HeatmapHead(8, 14, deconv_out_channels=None),
        }
    )
    with pytest.raises(ValueError, match=message):
        check_fit(conversion, model.state_dict())


def test_model_with_more_parts_than_the_checkpoint_is_refused():
    conversion = convert_stip_state_dict(hrnet_pose(keypoints=5))
    model = torch.nn.ModuleDict({"backbone": StagedHRNet(small_extra()), "head": small_head()})
    with pytest.raises(ValueError, match=r"the model wants head\..*which the checkpoint lacks"):
        check_fit(conversion, model.state_dict())
