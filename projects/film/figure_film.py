"""Make the film of the README: rendered people, and what the shipped model says of them.

    python projects/film/figure_film.py --out docs/assets/film.webp

Clip, drawn film and JSON lines stay in `--work`, where they can be looked at.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from mmktn.apis.video_command import main as video
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.video.film import open_film
from mmktn.video.writing import write_film


def parse_args(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make the film of the README.")
    parser.add_argument("--out", default="docs/assets/film.webp", help="animated .webp or .gif")
    parser.add_argument("--work", default="work_dirs/figure_film", help="folder for the films")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rate", type=int, default=25)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--quality", type=int, default=55, help="of .webp, 0 to 100")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


def side_by_side(paths):
    """Frames of films next to each other."""
    films = [open_film(path).frames() for path in paths]
    for frames in zip(*films, strict=True):
        yield np.concatenate([frame.image for frame in frames], axis=1)


@one_line_errors("figure_film")
def main(argv=None):
    """Run the tool."""
    args = parse_args(argv)
    out, work = claim_output(args.out, overwrite=args.overwrite), Path(args.work)
    clip, drawn = (
        claim_output(work / name, overwrite=args.overwrite) for name in ("clip.mp4", "drawn.mp4")
    )
    options = ClipOptions(
        seed=args.seed,
        frames=args.frames,
        rate=args.rate,
        size_hw=(288, 384),
        action="cross",
        camera="pan",
    )
    pictures = (frame.picture for frame in make_clip(options))
    write_film(clip, pictures, Fraction(args.rate), tone_hz=330.0)
    lines = ["--jsonl", str(work / "drawn.jsonl"), "--overwrite"]
    if video([str(clip), "--out", str(drawn), "--ids", "--batch-size", "4", *lines]):
        raise UserError("the film could not be drawn")
    pictures = [Image.fromarray(picture) for picture in side_by_side([clip, drawn])]
    with replace_atomically(out) as handle:
        pictures[0].save(
            handle,
            format=out.suffix[1:],
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 / args.rate),
            loop=0,
            quality=args.quality,
            method=4,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
