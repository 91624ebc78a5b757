"""EfficientNet-Lite said plainly, on a state dict with the names of the released files."""

import torch
import torch.nn.functional as F

# lite0: blocks, kernel, stride, expansion, width.
LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def released_weights(seed=0, classes=10):
    """Random weights with the names and shapes of the released lite0 (but fewer classes)."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}

    def conv(name, out, inputs, kernel):
        scale = (inputs * kernel * kernel) ** -0.5
        weights[f"{name}.weight"] = torch.randn(out, inputs, kernel, kernel, generator=generator)
        weights[f"{name}.weight"] *= 2 * scale

    def norm(name, width):
        weights[f"{name}.weight"] = torch.rand(width, generator=generator) + 0.5
        weights[f"{name}.bias"] = torch.randn(width, generator=generator) * 0.3
        weights[f"{name}.running_mean"] = torch.randn(width, generator=generator) * 0.3
        weights[f"{name}.running_var"] = torch.rand(width, generator=generator) + 0.5
        weights[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    width, index = 32, 0
    for blocks, kernel, _, expansion, out in LITE0:
        for _ in range(blocks):
            name, inner = f"_blocks.{index}", width * expansion
            if expansion != 1:
                conv(f"{name}._expand_conv", inner, width, 1)
                norm(f"{name}._bn0", inner)
            conv(f"{name}._depthwise_conv", inner, 1, kernel)
            norm(f"{name}._bn1", inner)
            conv(f"{name}._project_conv", out, inner, 1)
            norm(f"{name}._bn2", out)
            width, index = out, index + 1
    conv("_conv_head", 1280, 320, 1)
    norm("_bn1", 1280)
    weights["_fc.weight"] = torch.randn(classes, 1280, generator=generator) * 0.03
    weights["_fc.bias"] = torch.zeros(classes)
    return weights


def stage_maps(weights, x):
    """The maps after each of the seven stages, padding as TensorFlow's "same"."""

    def conv(x, name, stride=1, groups=1):
        weight = weights[f"{name}.weight"]
        for axis in (3, 2):  # columns first, one axis at a time
            size, kernel = x.shape[axis], weight.shape[axis]
            outputs = -(-size // stride)
            total = max((outputs - 1) * stride + kernel - size, 0)
            shape = list(x.shape)
            shape[axis] = total // 2
            before = x.new_zeros(shape)
            shape[axis] = total - total // 2
            x = torch.cat([before, x, x.new_zeros(shape)], axis)
        return F.conv2d(x, weight, stride=stride, groups=groups)

    def norm(x, name):
        mean, var, gain, bias = (
            weights[f"{name}.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 0.001).sqrt() * gain + bias

    x = norm(conv(x, "_conv_stem", 2), "_bn0").clamp(0, 6)
    maps, index = [], 0
    for blocks, _, stride, expansion, _ in LITE0:
        for first in (True, *[False] * (blocks - 1)):
            name, y = f"_blocks.{index}", x
            if expansion != 1:
                y = norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
            y = conv(y, f"{name}._depthwise_conv", stride if first else 1, y.shape[1])
            y = norm(y, f"{name}._bn1").clamp(0, 6)
            y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
            x = x + y if y.shape == x.shape and not first else y
            index += 1
        maps.append(x)
    return maps
