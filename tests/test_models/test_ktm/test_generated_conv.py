import torch
from torch import nn

from mmktn.models.ktm import GeneratedConv, GeneratedDeconv

RANDOM = {"relation_source": "random"}


def pair():
    """The same machine for both kinds of layers, and a keypoint classifier in both layouts."""
    torch.manual_seed(0)
    conv = GeneratedConv(2, {"keypoint": 17}, kernel_size=3, graph=RANDOM)
    deconv = GeneratedDeconv(2, {"keypoint": 17}, kernel_size=3, graph=RANDOM)
    deconv.load_state_dict(conv.state_dict())
    weight = nn.Parameter(torch.rand(17, 2, 3, 3))
    return conv, deconv, weight


def test_only_the_axes_differ_from_the_deconvolution():
    conv, deconv, weight = pair()
    kernel = conv({"keypoint": (weight,)})
    assert kernel.shape == (25, 2, 3, 3)
    assert torch.equal(kernel.transpose(0, 1), deconv({"keypoint": (weight.transpose(0, 1),)}))


def test_row_of_a_class_comes_from_its_own_row_of_the_source():
    """With an identity relation and no perceptron the kernel is the source's."""
    graph = {"relation_source": "matrix", "matrices": {"keypoint": torch.eye(25).tolist()}}
    conv = GeneratedConv(2, {"keypoint": 25}, kernel_size=3, mlp=False, graph=graph)
    weight = nn.Parameter(torch.rand(25, 2, 3, 3))
    torch.testing.assert_close(conv({"keypoint": (weight,)}), weight)


def test_folding_keeps_the_kernel_and_the_axes_of_the_stored_one():
    conv, deconv, weight = pair()
    kernel = conv({"keypoint": (weight,)})
    conv.fold({"keypoint": (weight,)})
    deconv.fold({"keypoint": (weight.transpose(0, 1),)})
    assert torch.equal(conv({}), kernel)
    assert list(conv.state_dict()) == ["weight"]
    assert torch.equal(conv.weight, deconv.weight)
    conv.fold({})  # a second time changes nothing
    assert torch.equal(conv({}), kernel)
