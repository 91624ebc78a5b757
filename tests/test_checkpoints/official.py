"""Made-up official checkpoints: the complete names and shapes of the key lists, without values."""

import os
import re
from pathlib import Path

import torch

from tests.reference_files import COPIES, KEYS

CONFIGS = Path(__file__).parents[2] / "configs" / "densepose"
CONFIDENCE_COPIES = COPIES / "confidence_cse"
CONFIDENCES = Path(os.environ.get("MMKTN_CONFIDENCE_CSE_DIR") or CONFIDENCE_COPIES)
LISTS = {
    path.stem: path
    for folder in (COPIES / "keys", KEYS, CONFIDENCE_COPIES / "keys", CONFIDENCES / "keys")
    for path in folder.glob("*.tsv")
}


def official_weights(name: str) -> dict[str, torch.Tensor]:
    """Official name -> zeros that share one number, from the key list of that name."""
    weights = {}
    for line in LISTS[name].read_text().splitlines():
        key, shape = line.split("\t")
        size = [] if shape == "scalar" else [int(n) for n in shape.split("x")]
        weights[key] = torch.zeros(()).expand(size)
    return weights


def with_101_layers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same model on ResNet-101: 23 blocks in its third stage instead of 6."""
    extended = dict(weights)
    for name, weight in weights.items():
        if re.match(r"backbone\.bottom_up\.res4\.1\.", name):
            for block in range(6, 23):
                extended[name.replace(".res4.1.", f".res4.{block}.")] = weight
    return extended
