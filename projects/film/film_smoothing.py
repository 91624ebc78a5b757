"""Measure tracking and smoothing on rendered clips whose truth is exact, and print a table.

    python projects/film/film_smoothing.py --out work_dirs/film_smoothing

Clips are rendered once and kept in the folder, with what the model says about their frames, so that
a second run measures other settings within a minute. `--noisy-truth` takes the truth with made-up
errors in place of predictions: boxes, borders of charts and U, V shake, people are missed.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from scores import FilmScores, FrameTruth, score_film

from mmktn.surface import load_surface
from mmktn.synthetic.clip import ClipOptions, make_clip
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, replace_atomically, write_json
from mmktn.utils.user_error import one_line_errors
from mmktn.video.people import FilmPerson, pack_people, unpack_people
from mmktn.video.smoothing import FilmMoment, SmoothingOptions, smooth_frame
from mmktn.video.tracking import Tracker, TrackingOptions

CLIPS = (("walk", "still"), ("cross", "pan"), ("dance", "shaking"))
SETTINGS = {
    "off": SmoothingOptions.of(0),
    "2 before, 0 behind": SmoothingOptions(behind=2, ahead=0, width=1.5),
    "1 each side": SmoothingOptions.of(1),
    "2 each side": SmoothingOptions.of(2),
    "3 each side": SmoothingOptions.of(3),
    "2, no flow": SmoothingOptions(behind=2, ahead=2, width=1.5, flow=False),
}


def clip_truth(frame):
    """The true people of a frame of a clip."""
    people = []
    for k, number in enumerate(frame.numbers, 1):
        (x, y, w, h), iuv = frame.labels.maps.person(k)
        people.append(FilmPerson(np.array([x, y, x + w, y + h]), 1.0, iuv, number, 1))
    return FrameTruth(people, frame.points)


def rendered(path, options):
    """Pictures and truth of a clip, rendered at the first time."""
    if not path.exists():
        frames = list(make_clip(options))
        truth = [clip_truth(frame) for frame in frames]
        arrays = pack_people([list(t.people) for t in truth])
        for t, frame in enumerate(truth):
            for number, points in frame.points.items():
                arrays[f"points_{t}_{number}"] = points
        with replace_atomically(path) as handle:
            np.savez_compressed(handle, pictures=np.stack([f.picture for f in frames]), **arrays)
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    people = unpack_people(arrays)
    truth = [
        FrameTruth(frame, {p.track: arrays[f"points_{t}_{p.track}"] for p in frame})
        for t, frame in enumerate(people)
    ]
    return arrays["pictures"], truth


def predicted(path, pictures, model):
    """What the model says about the frames, asked at the first time."""
    if not path.exists():
        from mmktn.apis.film_run import predicted_people

        people = [
            predicted_people(prediction, 0.0)
            for prediction in model()(list(pictures), score_thr=0.1)
        ]
        with replace_atomically(path) as handle:
            np.savez_compressed(handle, **pack_people(people))
    with np.load(path) as archive:
        return unpack_people({key: archive[key] for key in archive.files})


def shaken(truth, rng):
    """The truth with errors as a model makes them."""
    frames = []
    for frame in truth:
        people = []
        for person in frame.people:
            if rng.random() < 0.04:
                continue
            height, width = person.iuv.shape[1:]
            field = rng.normal(0, 1, (2, 6, 4)).astype(np.float32) * 0.02 * height
            move = [
                cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in field
            ]
            columns, rows = np.meshgrid(
                np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
            )
            iuv = cv2.remap(
                np.ascontiguousarray(person.iuv.transpose(1, 2, 0)),
                columns + move[0],
                rows + move[1],
                cv2.INTER_NEAREST,
            ).transpose(2, 0, 1)
            noise = rng.normal(0, 12, (2, 8, 5)).astype(np.float32)
            soft = np.stack(
                [cv2.resize(n, (width, height), interpolation=cv2.INTER_CUBIC) for n in noise]
            )
            uv = np.where(iuv[:1] > 0, np.clip(iuv[1:] + soft, 0, 255), 0)
            box = person.box_xyxy + rng.normal(0, 0.02 * height, 4)
            size = np.maximum(box[2:] - box[:2], 4)
            box = np.concatenate([np.maximum(box[:2], 0), np.maximum(box[:2], 0) + size])
            x, y = int(box[0]), int(box[1])
            whole = FilmPerson(person.box_xyxy, 1.0, np.concatenate([iuv[:1], uv]).astype(np.uint8))
            cut = whole.crop((x, y, x + max(int(size[0]), 1), y + max(int(size[1]), 1)))
            people.append(FilmPerson(box, float(rng.uniform(0.7, 1)), cut))
        frames.append(people)
    return frames


def followed(people, pictures, rate):
    """The people with numbers."""
    tracker = Tracker(TrackingOptions())
    return [tracker.update(p, image, 1 / rate) for p, image in zip(people, pictures, strict=True)]


def smoothed(people, pictures, options):
    """The people of all frames, smoothed."""
    moments = [FilmMoment(image, found) for image, found in zip(pictures, people, strict=True)]
    return [
        smooth_frame(
            {
                k - t: moments[k]
                for k in range(max(t - options.behind, 0), min(t + options.ahead + 1, len(moments)))
            },
            options,
        )
        for t in range(len(moments))
    ]


def mean_of(scores):
    """Mean of the scores of clips; counts are added."""
    values = {}
    for name in FilmScores.__dataclass_fields__:
        column = [getattr(score, name) for score in scores]
        counts = name in ("id_switches", "numbers")
        values[name] = sum(column) if counts else float(np.nanmean(column))
    return values


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for clips, predictions and the table")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--size", type=int, nargs=2, default=(288, 384), metavar=("H", "W"))
    parser.add_argument("--surface", default="human")
    parser.add_argument("--noisy-truth", action="store_true")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


@one_line_errors("film_smoothing")
def main(argv=None):
    args = parse_args(argv)
    folder = Path(args.out)
    kind = "noisy_truth" if args.noisy_truth else "model"
    report = claim_output(folder / f"{kind}.json", overwrite=args.overwrite)
    surface = load_surface(args.surface)
    loaded = []

    def model():
        if not loaded:
            from mmktn.apis import DensePoseInferencer

            loaded.append(DensePoseInferencer())
        return loaded[0]

    clips = []
    for seed, (action, camera) in enumerate(CLIPS):
        options = ClipOptions(
            seed=seed + 5,
            frames=args.frames,
            rate=args.rate,
            size_hw=tuple(args.size),
            action=action,
            camera=camera,
            surface=args.surface,
        )
        # All that a clip depends on is in the name, so that no other one is taken for it.
        stem = f"{action}_{camera}_{hashlib.sha256(repr(options).encode()).hexdigest()[:12]}"
        pictures, truth = rendered(folder / f"{stem}.npz", options)
        if args.noisy_truth:
            people = shaken(truth, np.random.default_rng(seed))
        else:
            people = predicted(folder / f"{stem}_predicted.npz", pictures, model)
        clips.append((pictures, truth, followed(people, pictures, args.rate)))
    rows = {
        "truth itself": [
            score_film(t, [f.people for f in t], surface=surface, rate=args.rate)
            for _, t, _ in clips
        ]
    }
    for name, options in SETTINGS.items():
        rows[name] = [
            score_film(truth, smoothed(people, pictures, options), surface=surface, rate=args.rate)
            for pictures, truth, people in clips
        ]
    table = Table(title=f"{kind}: {len(CLIPS)} clips of {args.frames} frames")
    means = {name: mean_of(scores) for name, scores in rows.items()}
    table.add_column("smoothing")
    for column in FilmScores.__dataclass_fields__:
        table.add_column(column, justify="right")
    for name, values in means.items():
        cells = [f"{v}" if isinstance(v, int) else f"{v:.3f}" for v in values.values()]
        table.add_row(name, *cells)
    Console(width=200).print(table)
    write_json(report, {"frames": args.frames, "rate": args.rate, "rows": means}, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
