"""Sizes that 32 does not divide: every detector pads as the code it follows, and clips boxes there.

The whole way at such a size, 210 x 264, is compared with detectron2 and KTN v2 in
tests/test_reference_e2e.py, HRFPN's levels in test_cropping_hrnet.py.
"""

from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config

ROOT = Path(__file__).parents[3]
SIZES = [(250, 310), (201, 333)]


def detectors():
    for path in sorted((ROOT / "configs").glob("*/*.py")):
        full_size = not any(word in path.name for word in ("_cpu_", "_overfit_"))
        if full_size and path.parent.name not in ("_base_", "stip", "topdown", "fcn"):
            yield pytest.param(path, id=path.stem)


def official_batch(images, mean, divisor):
    """Official order: less the mean, to the corner of zeros as large as the largest, rounded up."""
    height, width = (max(image.shape[axis] for image in images) for axis in (1, 2))
    height, width = (-(-side // divisor) * divisor for side in (height, width))
    batch = torch.zeros(len(images), 3, height, width)
    for row, image in zip(batch, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = image.float() - mean
    return batch


@pytest.mark.parametrize("path", list(detectors()))
def test_pictures_of_any_size_are_padded_as_in_the_official_code(path):
    cfg = Config.fromfile(path).model
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in SIZES
    ]
    samples = [DetDataSample(metainfo={"img_shape": size}) for size in SIZES]
    found = MODELS.build(cfg.data_preprocessor)({"inputs": images, "data_samples": samples})
    mean = torch.tensor(cfg.data_preprocessor.mean)[:, None, None]
    divisor = 1 if "Cropping" in cfg.backbone.type else 32
    torch.testing.assert_close(
        found["inputs"], official_batch(images, mean, divisor), rtol=0, atol=1e-5
    )
    # Boxes are clipped to the picture, not to the padding.
    assert [sample.img_shape for sample in found["data_samples"]] == SIZES
