"""Steps from file to picture, ours against the same steps done directly, in turns in one process.

Usage: python projects/benchmark/bench_steps.py [--only STEP...] [--rounds N] [--out FILE.json]

The direct form of a step is written here from what the official code does, one operation at a time,
so that it runs anywhere. CPU seconds of one thread, the least of all rounds: on a machine that
others use too, only the ratio of one run says something.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_json
from mmktn.utils.user_error import one_line_errors

REPO = Path(__file__).resolve().parents[2]
Step = tuple[str, Callable[[], Any], Callable[[], Any]]
"""What it is, ours, the direct form."""
IMAGE_HW = (1080, 1920)
PEOPLE = 20
COMMANDS = ("test", "train", "predict", "check", "browse", "convert")


def made_up_people(
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Boxes (N, 4), IUV (3, h, w) of each and scores of ellipses with 24 charts."""
    boxes, iuvs = [], []
    for _ in range(PEOPLE):
        height = int(rng.integers(250, 700))
        width = int(0.4 * height)
        x = int(rng.integers(0, IMAGE_HW[1] - width))
        y = int(rng.integers(0, IMAGE_HW[0] - height))
        rows, columns = np.mgrid[0:height, 0:width]
        inside = (2 * rows / height - 1) ** 2 + (2 * columns / width - 1) ** 2 < 0.8
        charts = rows * 6 // height * 4 + columns * 4 // width + 1
        uv = (columns * 255 // width, rows * 255 // height)
        iuvs.append((np.stack([charts, *uv]) * inside).astype(np.uint8))
        boxes.append([x, y, x + width, y + height])
    return np.array(boxes, dtype=np.float64), iuvs, rng.random(PEOPLE)


def painting() -> Iterator[Step]:
    """One map over a photograph, and the four pictures of an image."""
    import cv2

    from mmktn.formats.iuv_canvas import paint_people
    from mmktn.visualization import prediction_panels, render_preset

    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    boxes, iuvs, scores = made_up_people(rng)
    photo = rng.integers(0, 256, (*IMAGE_HW, 3), dtype=np.uint8)

    def canvas() -> Any:
        return paint_people(IMAGE_HW, boxes, iuvs=iuvs, scores=scores)

    def direct(field: int) -> np.ndarray:
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        picture = np.repeat(grey[:, :, None], 3, axis=2)
        for person in np.argsort(scores, kind="stable"):
            iuv = iuvs[person]
            x, y = boxes[person, :2].astype(int)
            height, width = iuv.shape[1:]
            target = picture[y : y + height, x : x + width]
            values = iuv[field].astype(np.float32) * (255.0 / 24 if field == 0 else 1.0)
            colours = cv2.applyColorMap(values.clip(0, 255).astype(np.uint8), cv2.COLORMAP_PARULA)
            outside = np.repeat((iuv[0] == 0)[:, :, None], 3, axis=2)
            colours[outside] = target[outside]
            target[:] = target * 0.3 + colours * 0.7
        return picture

    def direct_panels() -> np.ndarray:
        framed = photo.copy()
        for x1, y1, x2, y2 in boxes.astype(int):
            cv2.rectangle(framed, (x1, y1), (x2, y2), (80, 255, 80), 5)
        return np.concatenate([framed, direct(0), direct(1), direct(2)], axis=1)

    yield (
        f"one map of {PEOPLE} people, 1080p",
        lambda: render_preset(canvas(), "detectron2", image=photo),
        lambda: direct(0),
    )
    yield (
        f"four pictures of {PEOPLE} people, 1080p",
        lambda: np.concatenate(
            prediction_panels(photo, canvas(), boxes_xyxy=boxes, preset="detectron2"), axis=1
        ),
        direct_panels,
    )


def decoding() -> Iterator[Step]:
    """From maps to charts, U and V of boxes; the direct form resizes every channel of every map."""
    import torch
    import torch.nn.functional as F

    from mmktn.models.postprocess import ChartDecoder
    from mmktn.structures import ChartOutput

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    channels = {"fine_segm": 25, "u": 25, "v": 25, "coarse_segm": 2}
    smooth = {
        name: F.interpolate(torch.randn(6, count, 9, 9, generator=generator), 112, mode="bilinear")
        for name, count in channels.items()
    }
    sizes = [(240, 350), (250, 340), (170, 310), (120, 300), (80, 330), (300, 500)]
    boxes = torch.tensor([[10.0, 10, 10 + width, 10 + height] for width, height in sizes])
    decoder, output = ChartDecoder(), ChartOutput(smooth)

    def direct() -> list[Any]:
        found = []
        for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            size = (int(y2 - y1), int(x2 - x1))
            maps = {
                name: F.interpolate(item[index : index + 1], size, mode="bilinear")[0]
                for name, item in smooth.items()
            }
            labels = maps["fine_segm"].argmax(0) * (maps["coarse_segm"].argmax(0) > 0)
            uv = torch.zeros(2, *size)
            for chart in range(1, 25):
                for k, name in enumerate("uv"):
                    uv[k][labels == chart] = maps[name][chart][labels == chart]
            found.append((labels, uv))
        return found

    yield "decode 6 people", lambda: decoder.decode(output, boxes), direct


def proposals() -> Iterator[Step]:
    """Suppression of five levels of 1000 boxes; the direct form compares all boxes with all."""
    import torch

    from mmktn.compat.nms import box_overlaps, nms

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    parts = []
    for level in range(5):
        centre = torch.rand(1000, 2, generator=generator) * torch.tensor([1333.0, 800.0])
        size = 60 * (torch.randn(1000, 2, generator=generator) / 2).exp()
        parts.append(torch.cat([centre - size / 2, centre + size / 2], 1) + 1500 * level)
    # Distinct scores: equal ones have no order of their own.
    boxes, scores = torch.cat(parts), torch.randperm(5000, generator=generator) / 5000

    def direct() -> Any:
        order = scores.argsort(descending=True)
        ranked = boxes[order]
        exceeds = (box_overlaps(ranked[:, None], ranked[None], 0) > 0.7).numpy()
        alive = np.ones(len(ranked), dtype=bool)
        for row in range(len(ranked)):
            if alive[row]:
                alive[row + 1 :] &= ~exceeds[row, row + 1 :]
        return order[torch.from_numpy(alive)]

    yield "suppress 5 x 1000 proposals", lambda: nms(boxes, scores, 0.7, 0), direct


def loading() -> Iterator[Step]:
    """From files to a packed training sample, as the full-size configs do, without flips.

    The direct form is what detectron2's mapper does: OpenCV's decoder, Pillow's bilinear, the masks
    of pycocotools on top of each other, tensors of the points; nothing is checked.
    """
    import cv2
    import torch
    from mmengine.registry import init_default_scope
    from PIL import Image
    from pycocotools import mask as coco_mask

    from mmktn.registry import DATASETS
    from mmktn.synthetic import GeneratorOptions
    from mmktn.synthetic.dataset import annotation_file, generate_split
    from mmktn.utils.config_path import read_config

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    init_default_scope("mmdet")
    folder = tempfile.TemporaryDirectory()
    root, count, size_wh = Path(folder.name), 4, (1067, 800)
    generate_split(root, "train", count=count, options=GeneratorOptions())
    config = read_config(REPO / "configs/densepose/densepose-rcnn_r50_fpn_s1x_dp-coco.py")
    settings = config.train_dataloader.dataset.datasets[0]
    file = annotation_file(root, "coco", "train")
    settings.update(data_root=str(root), ann_file=str(file.relative_to(root)))
    settings.data_prefix = {"img": "train/"}
    for step in settings.pipeline:
        if step["type"] == "RandomChoiceResize":
            step["scales"], step["keep_ratio"] = [size_wh], False
        if "surface" in step:
            step.update(surface="human", prob=0.0)
    dataset = DATASETS.build(settings)
    items = [dataset.get_data_info(index) for index in range(len(dataset))]

    def direct(keep: Any = folder) -> list[Any]:
        found = []
        for item in items:
            image = Image.fromarray(cv2.imread(item["img_path"]))
            image = np.asarray(image.resize(size_wh, Image.Resampling.BILINEAR))
            people = []
            for person in item["instances"]:
                if not person.get("dp_masks"):
                    continue
                parts = np.zeros((256, 256), dtype=np.uint8)
                for part, code in enumerate(person["dp_masks"], start=1):
                    if code:
                        parts[coco_mask.decode(code) > 0] = part
                names = ("dp_I", "dp_U", "dp_V", "dp_x", "dp_y")
                people.append([torch.as_tensor(parts), *(torch.tensor(person[n]) for n in names)])
            pixels = torch.as_tensor(np.ascontiguousarray(image.transpose(2, 0, 1)))
            found.append((pixels, people))
        return found

    people = sum(len(item["instances"]) for item in items)
    name = f"load {len(items)} pictures of {people} people, to 800x1067"
    yield name, lambda: [dataset[index] for index in range(len(dataset))], direct


def start() -> Iterator[Step]:
    """`--help` of commands; the direct form imports torch and mmdet's interface alone."""

    def run(*arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, check=True
        )

    def direct() -> None:
        run("-c", "import mmktn, mmdet.apis")

    for command in COMMANDS:
        yield f"mmktn {command} --help", partial(run, "-m", "mmktn", command, "--help"), direct


def prediction() -> Iterator[Step]:
    """The shipped model from file to charts; the direct form decodes whoever the detector gives."""
    import cv2
    import torch

    from mmktn.apis import DensePoseInferencer
    from mmktn.formats.picture_writing import write_image
    from mmktn.synthetic import GeneratorOptions, make_sample

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    inferencer = DensePoseInferencer(device="cpu")
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "person.jpg"
    write_image(path, cv2.resize(make_sample(GeneratorOptions(), "val", 0).picture, (640, 480)))

    def ours(keep: Any = folder) -> Any:
        return inferencer(path)

    def direct() -> Any:
        image = cv2.imread(str(path))
        return inferencer.predict([image], channel_order="BGR")

    yield "shipped model, 480x640", ours, direct


LAYERS = {
    "trunk": (10, 512, 512, 28, 28, 1),
    "trunk's first": (10, 256, 512, 28, 28, 1),
    "trunk, 3 boxes": (3, 512, 512, 28, 28, 1),
    "MIDv2's adaptation": (1, 1024, 256, 60, 80, 1),
    "MIDv2's branch": (1, 256, 256, 120, 160, 2),
    "MIDv2's branch, wider": (1, 256, 256, 120, 160, 3),
    "pyramid, stride 4": (1, 256, 256, 120, 160, 1),
    "pyramid, stride 8": (1, 256, 256, 60, 80, 1),
    "pyramid, stride 16": (1, 256, 256, 30, 40, 1),
    "pyramid, stride 32": (1, 256, 256, 15, 20, 1),
    "narrow": (1, 128, 128, 120, 160, 1),
}
"""Images, channels in and out, height, width, dilation."""


def convolution() -> Iterator[Step]:
    """3 x 3 layers by Winograd's algorithm, whether or not it is used there, and by oneDNN.

    Each forward, channels-last and without gradients, and as in training: forward and backward.
    """
    import torch
    import torch.nn.functional as F

    from mmktn.models.layers.winograd import winograd_conv3x3

    torch.manual_seed(0)
    for name, (images, before, after, height, width, dilation) in LAYERS.items():
        x = torch.randn(images, before, height, width).relu()
        last = x.contiguous(memory_format=torch.channels_last)
        weight = torch.randn(after, before, 3, 3) / (3 * before**0.5)
        learns = [x.requires_grad_(), weight.clone().requires_grad_()]
        direct = partial(F.conv2d, bias=None, padding=dilation, dilation=dilation)
        fast = partial(winograd_conv3x3, bias=None, dilation=dilation)

        def predict(layer: Any, last: Any = last, weight: Any = weight) -> Any:
            with torch.inference_mode():
                return layer(last, weight)

        def learn(layer: Any, parts: Any = learns) -> Any:
            y = layer(*parts)
            return torch.autograd.grad(y, parts, torch.ones_like(y))

        yield f"{name}: forward", partial(predict, fast), partial(predict, direct)
        yield f"{name}: and backward", partial(learn, fast), partial(learn, direct)


STEPS: dict[str, Callable[[], Iterator[Step]]] = {
    "start": start,
    "loading": loading,
    "proposals": proposals,
    "convolution": convolution,
    "decoding": decoding,
    "painting": painting,
    "prediction": prediction,
}


def cpu_seconds(call: Callable[[], Any]) -> float:
    """CPU time of a call, its child processes included."""
    before = os.times()
    precise = time.process_time()
    call()
    after = os.times()
    children = after.children_user + after.children_system
    children -= before.children_user + before.children_system
    return time.process_time() - precise + children


def measure(step: Step, rounds: int) -> dict[str, Any]:
    """Time both forms in turns, after one call of each that does not count."""
    name, ours, direct = step
    ours()
    direct()
    times = [(cpu_seconds(ours), cpu_seconds(direct)) for _ in range(rounds)]
    best, reference = (min(column) for column in zip(*times, strict=True))
    return {"name": name, "ours": best, "direct": reference, "ratio": reference / best}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="steps")
    parser.add_argument("--rounds", type=int, default=3, help="timed calls of each form")
    parser.add_argument("--out", help="also write the figures as JSON")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    return parser.parse_args(argv)


@one_line_errors("bench_steps")
def main(argv: list[str] | None = None) -> int:
    """Run the steps and print a table."""
    args = parse_args(argv)
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    results = [measure(step, args.rounds) for name in args.only for step in STEPS[name]()]
    table = Table(title="CPU seconds of one thread")
    for column in ("step", "ours", "direct", "times as fast"):
        table.add_column(column)
    for each in results:
        table.add_row(
            each["name"], f"{each['ours']:.4f}", f"{each['direct']:.4f}", f"{each['ratio']:.2f}"
        )
    Console().print(table)
    if args.out:
        write_json(Path(args.out), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
