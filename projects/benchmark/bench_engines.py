"""One model on every engine: CPU time a picture, and GPS AP of its smaller numbers.

    python projects/benchmark/bench_engines.py --exported work_dirs/engines           # times
    python projects/benchmark/bench_engines.py --exported work_dirs/engines \
        --score data/synthetic_densepose --limit 200                                  # GPS AP

Without VNNI or bfloat16 in the processor, int8 and bf16 gain nothing: the first line says what it
has. Times are processor time of all threads, of whole pictures (boxes are found, charts decoded),
all engines in turns in one process: medians, so that they can be compared on a busy machine.
`--exported` keeps what is exported and takes what is there.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from mmktn.apis import DensePoseInferencer, ExportedInferencer
from mmktn.apis.model_loading import load_config, load_model
from mmktn.evaluation import evaluate
from mmktn.export.exporting import export_system
from mmktn.synthetic import GeneratorOptions, SceneOptions, make_sample
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.zoo.named_weights import resolve_names

ENGINES = {"onnxruntime": "onnx", "OpenVINO": "openvino"}
PRECISIONS = ("float", "half", "int8")
UNFOLDED = "mmktn::ktn/ktn2_efficientnet-lite0_fpn_cpu_dp-synth.py"
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="name or config")
    parser.add_argument("--checkpoint", help="weights of a config")
    parser.add_argument("--exported", type=Path, required=True, help="folder of the exports")
    parser.add_argument("--pictures", type=int, default=8, help="pictures of the times")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--unfolded",
        default=UNFOLDED,
        metavar="CONFIG",
        help="the same system with its KTM: charts of random weights, which take the same time",
    )
    parser.add_argument("--score", type=Path, metavar="FOLDER", help="set to score on instead")
    parser.add_argument("--limit", type=int, default=200, help="pictures to score")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="engines with one of these words")
    return parser.parse_args(argv)


def processor():
    """What the processor can do that matters here."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.is_file() else set()
    return ", ".join(flag for flag in FLAGS if flag in words) or "unknown"


def exported(args, config, checkpoint):
    """Precision -> folder, written where it is missing; both engines open it."""
    folders = {precision: args.exported / precision for precision in PRECISIONS}
    for precision, folder in folders.items():
        if not folder.is_dir():
            print(f"exporting {precision} ...", file=sys.stderr, flush=True)
            model = load_model(load_config(config), checkpoint, device="cpu")
            # What the smaller numbers cost is the question here.
            export_system(model, folder, precision=precision, least_agreement=0)
    return folders


def in_bfloat16(inferencer, images):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return inferencer.find_people(images, None)


def engines(args, threads):
    """Name -> function of pictures, for a number of threads."""
    config, checkpoint = resolve_names(args.model, args.checkpoint)
    inferencer = DensePoseInferencer(load_model(load_config(config), checkpoint, device="cpu"))
    found = {"torch float32": partial(inferencer.find_people, boxes=None)}
    found["torch bf16 (autocast)"] = partial(in_bfloat16, inferencer)
    if args.unfolded and not args.score:
        model = load_model(load_config(args.unfolded), None, device="cpu")
        # The same boxes, so that as many people are looked at.
        model.load_state_dict(inferencer.model.state_dict(), strict=False)
        unfolded = DensePoseInferencer(model)
        found["torch float32, KTM not folded"] = partial(unfolded.find_people, boxes=None)
    for precision, folder in exported(args, config, checkpoint).items():
        for name, engine in ENGINES.items():
            opened = ExportedInferencer(folder, engine=engine, threads=threads)
            found[f"{name} {precision}"] = partial(opened.find_people, boxes=None)
    wanted = args.only or [""]
    return {name: call for name, call in found.items() if any(word in name for word in wanted)}


def times(args):
    """Print the table of processor time."""
    samples = [
        make_sample(GeneratorOptions(seed=16, scene=SceneOptions()), "val", k).picture
        for k in range(args.pictures)
    ]
    pictures = [np.ascontiguousarray(sample[..., ::-1]) for sample in samples]
    seconds = defaultdict(list)
    people = {}
    runs = {threads: engines(args, threads) for threads in args.threads}
    for turn in range(args.pictures + 1):
        for threads, calls in runs.items():
            torch.set_num_threads(threads)
            for name, call in calls.items():
                begin = time.process_time()
                (found,) = call([pictures[max(turn - 1, 0)]])
                if turn:  # the first turn warms up
                    seconds[name, threads].append(time.process_time() - begin)
                    people[name] = people.get(name, 0) + len(found.scores) / len(runs)
    height, width = pictures[0].shape[:2]
    print(f"{args.pictures} pictures of {width} x {height}")
    print("| engine | " + " | ".join(f"{n} thread(s), CPU s" for n in runs) + " | people |")
    print("| --- |" + " --- |" * (len(runs) + 1))
    for name in next(iter(runs.values())):
        middle = " | ".join(f"{statistics.median(seconds[name, n]):.3f}" for n in runs)
        print(f"| {name} | {middle} | {people[name]:.0f} |")


def scores(args):
    """Print GPS AP of every engine over the first pictures of a set."""
    file = args.score / "annotations" / "densepose_val.json"
    if not file.is_file():
        raise UserError(f"--score: no file {file}")
    data = json.loads(file.read_text(encoding="utf-8"))
    data["images"] = data["images"][: args.limit]
    kept = {image["id"] for image in data["images"]}
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] in kept]
    args.exported.mkdir(parents=True, exist_ok=True)
    truth = args.exported / "truth.json"
    write_json(truth, data)
    calls = engines(args, None)
    entries = {name: [] for name in calls}
    for image in data["images"]:
        picture = cv2.imread(str(args.score / "val" / image["file_name"]))
        for name, call in calls.items():
            (found,) = call([picture])
            boxes = zip(found.densepose, found.boxes_xyxy, found.scores, strict=True)
            entries[name] += [
                one.arrays().to_official(image["id"], box, float(score))
                for one, box, score in boxes
            ]
    print(f"{len(kept)} pictures, {len(data['annotations'])} people")
    print("| engine | GPS AP | GPSm AP | people found |")
    print("| --- | --- | --- | --- |")
    for name, found in entries.items():
        results = args.exported / "results.json"
        write_json(results, found)
        values = evaluate(str(truth), str(results), surface="human").values()
        print(
            f"| {name} | {values['gps/AP']:.4f} | {values['gpsm/AP']:.4f} | {len(found)} |",
            flush=True,
        )


@one_line_errors("bench_engines")
def main(argv=None):
    args = parse_args(argv)
    _, checkpoint = resolve_names(args.model, args.checkpoint)
    digest = hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()[:8] if checkpoint else "-"
    print(f"{args.model}, weights {digest}; processor: {processor()}")
    (scores if args.score else times)(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
