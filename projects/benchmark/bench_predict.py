"""Speed of `python -m mmktn predict` against a plain loop, and its memory over many pictures.

    python projects/benchmark/bench_predict.py --pictures 24     # the shipped model, both ways
    python projects/benchmark/bench_predict.py --memory 10000    # memory as pictures go by

Pictures of people are frames of rendered clips. The second measurement replaces the network by one
that finds nobody: it is about reading, records and files.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from mmktn.apis import DensePoseInferencer, predict_command
from mmktn.apis.prediction import ImagePrediction, save_prediction
from mmktn.formats.picture_writing import write_image
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.user_error import one_line_errors


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=24, help="of the measurement of speed")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--memory", type=int, metavar="N", help="measure memory over N pictures")
    return parser.parse_args(argv)


def resident_mb():
    """Memory of this process, MB."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 1e6


def seconds_of(work):
    """Wall and processor seconds of a call."""
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def speed(folder, count, batch_size):
    """Both ways over the same pictures; prints seconds per picture."""
    frames = make_clip(ClipOptions(seed=1, frames=min(count, 6), rate=6, size_hw=(480, 640)))
    pictures = [frame.picture for frame in frames]
    files = []
    for k in range(count):
        files.append(folder / f"{k:04d}.jpg")
        write_image(files[-1], pictures[k % len(pictures)])
    inferencer = DensePoseInferencer()

    def loop():
        for file in files:
            image = cv2.imread(str(file))
            (found,) = inferencer(image, channel_order="BGR")
            found.name = file.name
            save_prediction(found, folder / "loop", formats=["npz"])

    def command():
        flags = ["--out", str(folder / "command"), "--batch-size", str(batch_size)]
        status = predict_command.main([str(f) for f in files] + flags)
        assert status == 0

    # The command opens the model itself; both ways shall pay for the pictures alone.
    predict_command.open_inferencer = lambda *_, **__: inferencer
    loop_files = files[:2]
    for file in loop_files:
        inferencer(str(file))
    for name, work in (("plain loop", loop), (f"predict, batches of {batch_size}", command)):
        wall, processor = seconds_of(work)
        print(f"{name}: {wall / count:.3f} s per picture, {processor / count:.3f} s of processor")


class Nobody:
    """An inferencer without a network."""

    def __init__(self):
        self.seen, self.held = 0, []

    def check_confidence(self, *_):
        """Confidences are not asked for."""

    def __call__(self, images, **_):
        """Return predictions without people; memory is noted on the way."""
        out = []
        for image in images:
            self.seen += 1
            if self.seen % 500 == 0:
                self.held.append((self.seen, resident_mb()))
            prediction = ImagePrediction(image.name, 0, image_hw=image.source.shape[:2])
            prediction.image = image.source
            out.append(prediction)
        return out


def memory(folder, count):
    """One run over many small pictures; prints the memory as they go by."""
    rng = np.random.default_rng(0)
    for k in range(count):
        write_image(folder / f"{k:06d}.jpg", rng.integers(0, 256, (48, 64, 3), np.uint8))
    model = Nobody()
    predict_command.open_inferencer = lambda *_, **__: model
    out = folder.parent / f"{folder.name}_out"
    assert predict_command.main([str(folder), "--out", str(out)]) == 0
    for seen, held in model.held[:: max(len(model.held) // 10, 1)]:
        print(f"{seen} pictures: {held:.1f} MB")
    first, last = model.held[0][1], model.held[-1][1]
    print(f"from {model.held[0][0]} to {model.held[-1][0]} pictures: {last - first:+.1f} MB")


@one_line_errors("bench_predict")
def main(argv=None):
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "in")
        folder.mkdir()
        if args.memory is None:
            speed(folder, args.pictures, args.batch_size)
        else:
            memory(folder, args.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
