"""ComfyUI node: pictures in, DensePose pictures or IUV out, on an exported system.

Put a link to this folder into ComfyUI's `custom_nodes`. torch is ComfyUI's own: the node hands its
pictures to numpy and back, everything between is onnxruntime (docs/export.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from mmktn.apis.exported import ExportedInferencer
from mmktn.formats.iuv_canvas import ChartCanvas
from mmktn.visualization import PRESETS, render_preset

# Colour maps by the names that graphs with a DensePose preprocessor hold.
COLOURS = {"Viridis (MagicAnimate)": "magicanimate", "Parula (CivitAI)": "viton"}
IUV = "IUV"


@lru_cache(maxsize=2)
def opened(folder: str) -> ExportedInferencer:
    """An exported folder; the last two stay open."""
    return ExportedInferencer(folder)


class DensePosePictures:
    """A batch of pictures to a batch of DensePose pictures of the same size."""

    RETURN_TYPES: ClassVar = ("IMAGE", "MASK")
    RETURN_NAMES: ClassVar = ("image", "people")
    FUNCTION = "run"
    CATEGORY = "mmktn"
    DESCRIPTION = "Body charts of all people, in a look that try-on and animation models know."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  # ComfyUI's name
        """What ComfyUI shows."""
        looks = [*COLOURS, *sorted(PRESETS), IUV]
        return {
            "required": {
                "image": ("IMAGE",),
                "folder": ("STRING", {"default": "exported/ktn"}),
                "cmap": (looks, {"default": looks[0]}),
            },
            "optional": {
                "min_score": ("FLOAT", {"default": 0.3, "min": 0.0, "max": 1.0, "step": 0.05}),
            },
        }

    def run(self, image: Any, folder: str, cmap: str, min_score: float = 0.3) -> tuple[Any, Any]:
        """Predict.

        Args:
            image: (B, H, W, 3) tensor of ComfyUI, values 0 to 1, RGB.
            folder: What `python -m mmktn export --out` wrote.
            cmap: A look: one of `INPUT_TYPES`.
            min_score: People at or below it are left out.

        Returns:
            Pictures (B, H, W, 3), values 0 to 1, and the people's pixels (B, H, W). 'IUV' has I, U
            and V as bytes over 255 in red, green and blue.

        Raises:
            ValueError: No such exported folder, or a picture that cannot be used.
        """
        import torch

        pictures = (np.asarray(image)[..., :3] * 255).round().clip(0, 255).astype(np.uint8)
        drawn, masks = [], []
        for prediction in opened(folder)(list(pictures), score_thr=min_score):
            if prediction.error is not None:
                raise ValueError(f"{prediction.name}: {prediction.error}")
            canvas = prediction.canvas()
            drawn.append(_drawn(canvas, cmap, prediction.image))
            masks.append(canvas.mask)
        shown = torch.from_numpy(np.stack(drawn).astype(np.float32) / 255)
        return shown, torch.from_numpy(np.stack(masks).astype(np.float32))


def _drawn(canvas: ChartCanvas, cmap: str, image: np.ndarray | None) -> np.ndarray:
    """(H, W, 3) uint8 picture of one canvas."""
    if cmap == IUV:
        return canvas.iuv.transpose(1, 2, 0)
    return render_preset(canvas, COLOURS.get(cmap, cmap), image=image)


NODE_CLASS_MAPPINGS = {"MmktnDensePose": DensePosePictures}
NODE_DISPLAY_NAME_MAPPINGS = {"MmktnDensePose": "DensePose (mmktn)"}
