"""What cameras and web sites do to pictures: blur, noise, compression, lost colour."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmktn.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomDegrade(BaseTransform):
    """Spoil the picture, each way with its own probability, in the order of the arguments.

    Required key: img, (H, W, 3) of values 0..255; written as uint8. Draws from numpy's global
    generator, as mmcv does.

    Args:
        grey: Probability of losing the colour.
        gamma: Probability of another gamma, 0.6 to 1.7.
        blur: Probability of a Gaussian blur of up to 1.5 pixels.
        noise: Probability of grain of up to 12 grey levels.
        jpeg: Probability of a JPEG compression, quality 25 to 90.
    """

    def __init__(
        self,
        grey: float = 0.1,
        gamma: float = 0.3,
        blur: float = 0.3,
        noise: float = 0.2,
        jpeg: float = 0.3,
    ) -> None:
        self.chances = {"grey": grey, "gamma": gamma, "blur": blur, "noise": noise, "jpeg": jpeg}

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Spoil `img`."""
        image = np.clip(results["img"], 0, 255).astype(np.uint8)
        for name, chance in self.chances.items():
            if np.random.random() < chance:  # noqa: NPY002
                image = getattr(self, f"_{name}")(image)
        results["img"] = image
        return results

    def _grey(self, image: np.ndarray) -> np.ndarray:
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)

    def _gamma(self, image: np.ndarray) -> np.ndarray:
        gamma = np.exp(np.random.uniform(*np.log((0.6, 1.7))))  # noqa: NPY002
        table = 255 * (np.arange(256) / 255) ** gamma
        return cv2.LUT(image, np.rint(table).astype(np.uint8))

    def _blur(self, image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (0, 0), np.random.uniform(0.3, 1.5))  # noqa: NPY002

    def _noise(self, image: np.ndarray) -> np.ndarray:
        grain = np.random.standard_normal(image.shape)  # noqa: NPY002
        grain *= np.random.uniform(1, 12.0)  # noqa: NPY002
        return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)

    def _jpeg(self, image: np.ndarray) -> np.ndarray:
        quality = int(np.random.randint(25, 91))  # noqa: NPY002
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        spoiled = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
        return image if spoiled is None else spoiled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self.chances.items())})"
