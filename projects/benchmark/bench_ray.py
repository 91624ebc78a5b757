"""Pictures a second of `python -m mmktn ray` on this machine, by number of actors.

    python projects/benchmark/bench_ray.py --pictures 160 --actors 1 2

Pictures of people are frames of rendered clips. Actors take long to import their libraries and open
the model, and not equally long, so what counts is the time in which all of them predict.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from mmktn.apis.ray_command import predict_with_ray
from mmktn.formats.picture_writing import write_image
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.optional import require
from mmktn.utils.user_error import one_line_errors


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=160)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch-size", type=int, default=4)
    return parser.parse_args(argv)


def timed_inferencer(folder):
    """The shipped model; each batch leaves a line in a file of its process."""
    from mmktn.apis import DensePoseInferencer

    inferencer = DensePoseInferencer()
    path = Path(folder, f"{os.getpid()}.txt")

    def predict(images, **options):
        begin, processor = time.time(), time.process_time()
        found = inferencer(images, **options)
        spent = time.process_time() - processor
        with path.open("a") as file:
            file.write(f"{begin} {time.time()} {spent} {len(images)}\n")
        return found

    return predict


def pace(folder):
    """Pictures per second while all actors predict, processor seconds per picture, and the time."""
    actors = []
    for path in Path(folder).glob("*.txt"):
        lines = path.read_text().splitlines()
        actors.append([[float(word) for word in line.split()] for line in lines])
    begin = max(batches[0][0] for batches in actors)
    end = min(batches[-1][1] for batches in actors)
    inside = sum(b[3] for batches in actors for b in batches if b[0] >= begin and b[1] <= end)
    spent = sum(b[2] for batches in actors for b in batches)
    count = sum(b[3] for batches in actors for b in batches)
    return inside / (end - begin), spent / count, end - begin


@one_line_errors("bench_ray")
def main(argv=None):
    args = parse_args(argv)
    ray = require("ray", "ray")
    known = "RAY_ADDRESS" in os.environ
    own = {} if known else {"num_cpus": max(args.actors) + 1, "include_dashboard": False}
    frames = list(make_clip(ClipOptions(seed=1, frames=6, rate=6, size_hw=(480, 640))))
    ray.init(log_to_driver=False, **own)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        for k in range(args.pictures):
            write_image(folder / f"{k:04d}.jpg", frames[k % len(frames)].picture)
        for actors in args.actors:
            times = Path(name, f"times{actors}")
            times.mkdir()
            count, failed = predict_with_ray(
                [str(folder)],
                Path(name, f"out{actors}"),
                lambda times=str(times): timed_inferencer(times),
                actors=actors,
                batch_size=args.batch_size,
            )
            assert (count, failed) == (args.pictures, {})
            rate, processor, seconds = pace(times)
            print(
                f"{actors} actors: {rate:.2f} pictures per second over {seconds:.1f} s, "
                f"{processor:.3f} s of processor each",
                flush=True,
            )
    ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
