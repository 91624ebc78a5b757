"""Pictures a second of `python -m mmktn ray` on a node of this machine, by number of actors.

    python projects/benchmark/bench_ray.py --pictures 12 60 --actors 1 2

Pictures of people are frames of rendered clips. An actor imports its libraries and opens the model
before its first picture; what a further picture costs is the difference of two runs.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from mmktn.apis.ray_command import main as predict
from mmktn.formats.picture_writing import write_image
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.user_error import one_line_errors


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, nargs=2, default=[12, 60], metavar="N")
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch-size", type=int, default=4)
    return parser.parse_args(argv)


def seconds_of(pictures, out, flags):
    """Wall seconds of the whole command."""
    begin = time.perf_counter()
    assert predict([str(pictures), "--out", str(out), *map(str, flags)]) == 0
    return time.perf_counter() - begin


@one_line_errors("bench_ray")
def main(argv=None):
    args = parse_args(argv)
    few, many = args.pictures
    frames = list(make_clip(ClipOptions(seed=1, frames=6, rate=6, size_hw=(480, 640))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (few, many):
            (folder / str(count)).mkdir()
            for k in range(count):
                picture = frames[k % len(frames)].picture
                write_image(folder / str(count) / f"{k:04d}.jpg", picture)
        print(f"{os.cpu_count()} cores, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}")
        for actors in args.actors:
            flags = ["--address", "auto"] if "RAY_ADDRESS" in os.environ else []
            flags += ["--actors", actors, "--batch-size", args.batch_size, "--overwrite"]
            first, second = (
                seconds_of(folder / str(count), folder / "out", flags) for count in (few, many)
            )
            print(
                f"{actors} actors: {few} pictures {first:.1f} s, {many} pictures {second:.1f} s, "
                f"a further picture {(second - first) / (many - few):.3f} s",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
