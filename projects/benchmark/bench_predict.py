"""Speed of `python -m mmktn predict` against a plain loop, and its memory over many pictures.

    python projects/benchmark/bench_predict.py --pictures 24     # the shipped model, both ways
    python projects/benchmark/bench_predict.py --memory 10000    # memory as pictures go by
    python projects/benchmark/bench_predict.py --memory 10000 --shipped --folder many

Pictures of people are frames of rendered clips. The second measurement replaces the network by one
that finds nobody: it is about reading, records and files. The third asks the shipped model; with a
folder, pictures and results stay there, and a run that was ended goes on.
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
    parser.add_argument("--shipped", action="store_true", help="... of the shipped model")
    parser.add_argument("--folder", type=Path, help="where pictures and results stay")
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
    predict_command.apis.open_inferencer = lambda *_, **__: inferencer
    loop_files = files[:2]
    for file in loop_files:
        inferencer(str(file))
    for name, work in (("plain loop", loop), (f"predict, batches of {batch_size}", command)):
        wall, processor = seconds_of(work)
        print(f"{name}: {wall / count:.3f} s per picture, {processor / count:.3f} s of processor")


class Nobody:
    """An inferencer without a network."""

    needs_boxes = False

    def check_confidence(self, *_):
        """Confidences are not asked for."""

    def __call__(self, images, **_):
        """Return predictions without people."""
        out = []
        for image in images:
            prediction = ImagePrediction(image.name, 0, image_hw=image.source.shape[:2])
            prediction.image = image.source
            out.append(prediction)
        return out


class Watched:
    """An inferencer; every 500th picture the memory of the process is printed."""

    def __init__(self, inferencer):
        self.inferencer, self.seen, self.held = inferencer, 0, []
        self.needs_boxes, self.check_confidence = False, inferencer.check_confidence
        self.begin = time.process_time()

    def __call__(self, images, **options):
        """Predict."""
        self.seen += len(images)
        if self.seen % 500 < len(images):
            self.held.append(resident_mb())
            each = (time.process_time() - self.begin) / self.seen
            print(f"{self.seen} pictures: {self.held[-1]:.1f} MB, {each:.3f} s of processor each")
            sys.stdout.flush()
        return self.inferencer(images, **options)


def small_pictures(folder, count, shipped):
    """Make the pictures that are missing: noise, or people of 120 x 160 pixels, no two alike."""
    have = {path.name for path in folder.iterdir()}
    frames = []
    if shipped and len(have) < count:
        clip = ClipOptions(seed=1, frames=24, rate=6, size_hw=(120, 160))
        frames = [frame.picture for frame in make_clip(clip)]
    for k in range(count):
        name = f"{k:06d}.jpg"
        if name in have:
            continue
        rng = np.random.default_rng(k)
        picture = rng.integers(0, 256, (48, 64, 3), np.uint8)
        if shipped:
            noise = rng.integers(-6, 7, frames[0].shape)
            picture = np.clip(frames[k % len(frames)] + noise, 0, 255).astype(np.uint8)
        write_image(folder / name, picture)


def memory(folder, count, shipped, batch_size):
    """One run over many small pictures; prints the memory as they go by."""
    small_pictures(folder, count, shipped)
    model = Watched(DensePoseInferencer() if shipped else Nobody())
    predict_command.apis.open_inferencer = lambda *_, **__: model
    flags = ["--out", str(folder.parent / "out"), "--batch-size", str(batch_size)]
    assert predict_command.main([str(folder), *flags]) == 0
    if len(model.held) > 1:
        first, last = model.held[0], model.held[-1]
        print(f"from 500 to {500 * len(model.held)} pictures: {last - first:+.1f} MB")


@one_line_errors("bench_predict")
def main(argv=None):
    args = parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = (args.folder or Path(name)) / "in"
        folder.mkdir(parents=True, exist_ok=True)
        if args.memory is None:
            speed(folder, args.pictures, args.batch_size)
        else:
            memory(folder, args.memory, args.shipped, args.batch_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
