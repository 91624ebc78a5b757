"""Make the picture at the top of the README: a synthetic person, its charts, U and V.

Usage: python demo/figure_pipeline.py [--out docs/assets/pipeline.png] [--seed N] [--colours N]

Rendered from the body surface with exact ground truth, so the picture follows the code and needs no
licence. The same seed gives the same picture, byte for byte.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from mmktn.synthetic.dataset import GeneratorOptions, Sample, make_sample
from mmktn.synthetic.scene import SceneOptions
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output
from mmktn.utils.user_error import one_line_errors
from mmktn.visualization import ChartCanvas, panel_row, render_preset, write_image
from mmktn.visualization.panels import with_legend

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ASSETS / "pipeline.png")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument(
        "--colours",
        type=int,
        default=255,
        help="palette of a .png (0: all colours, several times larger)",
    )
    parser.add_argument("--size", nargs=2, type=int, default=[400, 320], metavar=("H", "W"))
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def canvas_of_sample(sample: Sample) -> ChartCanvas:
    """Exact labels of a rendered picture as a canvas."""
    maps = sample.labels.maps
    uv = np.clip(255 * maps.uv(), 0, 255).astype(np.uint8) * (maps.chart > 0)
    iuv = np.concatenate([maps.chart[None].astype(np.uint8), uv])
    return ChartCanvas(iuv, maps.instance.astype(np.int32))


def draw_pipeline(seed: int, *, people: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Image, charts, U and V side by side with their legends.

    Args:
        seed: Of scene, clothes and background.
        people: Number of people.
        size_hw: Size of the rendered picture.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    scene = SceneOptions(size_hw=size_hw, people=(people, people), occluder_rate=0.0)
    sample = make_sample(GeneratorOptions(seed=seed, scene=scene), "val", 0)
    canvas = canvas_of_sample(sample)
    grey = cv2.cvtColor(sample.picture, cv2.COLOR_RGB2GRAY)
    # Lighter than the preset's grey: the maps are the message here.
    backdrop = np.repeat((grey // 3 + 168)[..., None], 3, axis=2)
    maps = [render_preset(canvas, "overlay", image=backdrop, field=f) for f in ("charts", "u", "v")]
    panels = with_legend([sample.picture, *maps], preset_colormap="sides")
    return panel_row(panels, titles=["image", "chart I", "U", "V", "", ""])


@one_line_errors("figure_pipeline")
def main(argv: list[str] | None = None) -> int:
    """Draw and write; returns the exit status."""
    args = parse_args(argv)
    claim_output(args.out, overwrite=args.overwrite)
    picture = draw_pipeline(args.seed, people=args.people, size_hw=tuple(args.size))
    written = write_image(args.out, picture, colours=args.colours or None)
    print(f"{written}: {picture.shape[1]} x {picture.shape[0]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
