"""Speed and memory of the dense-pose metric (GPS + GPSm + IoU in one pass) and of OKS.

    python projects/benchmark/bench_metric.py --people 100 1000 10000 --out metric.json

Surface: the reference body subdivided twice, 27906 vertices, the size that the official evaluator
was timed on. Its distances are straight lines through the body, written once as a memory-mapped
float32 file of 1.56 GB: the look-ups cost the same, the values mean nothing. People: made-up charts
of 80 to 400 pixels, 100 points each, 3 people per image, 3 detections per person; beyond 1000
people the maps repeat. Every size runs in a fresh process on one thread. The baseline is a plain
re-implementation of the official loops (one search per pair, one look-up per point), timed on 30
people and scaled by pairs; the official evaluator's own seconds are quoted beside it.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from mmktn.evaluation.functional.densepose.gps import kappas
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.functional.keypoints.ap import evaluate_keypoints
from mmktn.evaluation.functional.keypoints.data import KeypointDetections, KeypointTruth
from mmktn.formats.dense_detections import DenseDetections
from mmktn.surface import ChartAtlas, GeodesicTable, load_surface
from mmktn.utils.output_files import OVERWRITE_HELP, claim_output, write_text
from mmktn.utils.user_error import UserError, one_line_errors
from mmktn.version import __version__

ROOT = Path(__file__).resolve().parents[2]
BODY = ROOT / "tests" / "data" / "reference" / "metrics" / "body.npz"
OFFICIAL_SECONDS = {
    "100": {"gps": 8.6, "gpsm": 7.2, "iou": 8.5},
    "1000": {"gps": 25.9, "gpsm": 27.8, "iou": 28.2},
}
OFFICIAL_PEAK_MB = 3641
POINTS = 100
HEIGHT, WIDTH = 440, 480


def subdivide(atlas: ChartAtlas, vertices: np.ndarray) -> tuple[ChartAtlas, np.ndarray]:
    """Halve every edge, in the charts and on the mesh."""
    corners = atlas.faces
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), 1)
    unique, place = np.unique(edges, axis=0, return_inverse=True)
    mesh_edges, mesh_place = np.unique(
        np.sort(atlas.mesh_vertex[unique], axis=1), axis=0, return_inverse=True
    )
    new_vertices = np.concatenate([vertices, vertices[mesh_edges].mean(axis=1)])
    count, faces = len(atlas.charts), len(corners)
    mid = (place.reshape(3, faces) + count).T
    a, b, c = corners.T
    ab, bc, ca = mid.T
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return (
        ChartAtlas(
            np.concatenate([atlas.mesh_vertex, mesh_place.reshape(-1) + len(vertices)]),
            np.concatenate([atlas.charts, atlas.charts[unique[:, 0]]]),
            u=np.concatenate([atlas.u, atlas.u[unique].mean(axis=1)]),
            v=np.concatenate([atlas.v, atlas.v[unique].mean(axis=1)]),
            faces=np.concatenate([np.stack(piece, axis=1) for piece in pieces]),
        ),
        new_vertices,
    )


def make_surface(folder: Path) -> Any:
    """The subdivided body with its distance file (written once)."""
    body = load_surface(BODY)
    atlas, vertices = body.atlas, np.asarray(body.mesh.vertices)
    for _ in range(2):
        atlas, vertices = subdivide(atlas, vertices)
    file = folder / "distances.npy"
    count = len(vertices)
    if not file.is_file():
        size = count * (count - 1) // 2
        table = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(size,))
        points = vertices.astype(np.float32)
        for i in range(1, count):
            start = i * (i - 1) // 2
            table[start : start + i] = np.sqrt(((points[:i] - points[i]) ** 2).sum(axis=1))
        table.flush()
    return SimpleNamespace(
        atlas=atlas, geodesics=GeodesicTable.open(file, num_vertices=count), num_vertices=count
    )


def person_map(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Charts in 6 x 4 tiles of an ellipse, U and V running over each tile."""
    y, x = np.mgrid[0:height, 0:width]
    row, col = y * 6 / height, x * 4 / width
    chart = (row.astype(int) * 4 + col.astype(int) + rng.integers(24)) % 24 + 1
    inside = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2) < 0.24
    iuv = np.stack([chart, row % 1 * 255, col % 1 * 255])
    return (iuv * inside).astype(np.uint8)


def make_people(count: int, seed: int = 0) -> tuple[dict[str, Any], DenseDetections]:
    """Annotations and detections of made-up people; at most 1000 different maps."""
    rng = np.random.default_rng(seed)
    images, annotations, rows, maps = [], [], [], []
    for k in range(min(count, 1000)):
        if k % 3 == 0:
            images.append({"id": len(images) + 1, "height": HEIGHT, "width": WIDTH})
        height = int(rng.integers(80, 401))
        width = max(height * 2 // 5, 8)
        left, top = rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height)
        iuv = person_map(rng, height, width)
        annotations.append(annotation(rng, k + 1, len(images), [left, top, width, height], iuv))
        for _ in range(3):
            shift = rng.normal(0, 3, 2)
            noisy = iuv.copy()
            noisy[1:] = np.clip(iuv[1:] + rng.normal(0, 8, (2, 1, 1)), 0, 255)
            rows.append((len(images), left + shift[0], top + shift[1], width, height, rng.random()))
            maps.append(noisy)
    copies = -(-count // 1000)
    all_images, all_annotations, all_rows = [], [], []
    for c in range(copies):
        step = c * len(images)
        all_images += [{**i, "id": i["id"] + step} for i in images]
        all_annotations += [
            {**a, "id": a["id"] + c * len(annotations), "image_id": a["image_id"] + step}
            for a in annotations
        ]
        all_rows += [(r[0] + step, *r[1:]) for r in rows]
    table = np.array(all_rows)
    detections = DenseDetections(
        table[:, 0].astype(np.int64),
        np.ones(len(table), dtype=np.int64),
        table[:, 1:5],
        table[:, 5],
        load_map=lambda k: maps[k % len(maps)],
    )
    truth = {"images": all_images, "annotations": all_annotations,
             "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    return truth, detections


def annotation(
    rng: np.random.Generator, key: int, image: int, box: list[float], iuv: np.ndarray
) -> dict[str, Any]:
    """One DensePose-COCO annotation with 100 points and 14 part masks."""
    y, x = np.nonzero(iuv[0])
    chosen = rng.choice(len(y), POINTS, replace=False)
    y, x = y[chosen], x[chosen]
    rows, cols = (np.arange(256) * side // 256 for side in iuv.shape[1:])
    grid = iuv[0][rows[:, None], cols]
    parts = [
        coco_mask.encode(np.asfortranarray((grid > 0) & (grid % 14 == p), dtype=np.uint8))
        for p in range(14)
    ]
    return {
        "id": key, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": box,
        "area": float((iuv[0] > 0).sum()), "dp_masks": parts,
        "dp_x": ((x + 0.5) * 255 / box[2]).tolist(), "dp_y": ((y + 0.5) * 255 / box[3]).tolist(),
        "dp_I": iuv[0, y, x].tolist(), "dp_U": (iuv[1, y, x] / 255).tolist(),
        "dp_V": (iuv[2, y, x] / 255).tolist(),
    }  # fmt: skip


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plain_loops(truth: DensePoseTruth, detections: DenseDetections, surface: Any) -> int:
    """The official way in plain words: search and look-up pair by pair. Returns the pairs."""
    atlas, table = surface.atlas, surface.geodesics.condensed
    charts = {c: np.flatnonzero(atlas.charts == c) for c in range(1, 25)}

    def search(labels: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        found = np.full(len(labels), -1)
        for chart, members in charts.items():
            chosen = np.flatnonzero(labels == chart)
            if len(chosen):
                du = atlas.u[members][:, None] - u[chosen]
                dv = atlas.v[members][:, None] - v[chosen]
                nearest = np.sqrt(du * du + dv * dv).argmin(axis=0)
                found[chosen] = atlas.mesh_vertex[members[nearest]]
        return found

    pairs = 0
    for k in range(len(detections)):
        x, y, w, h = detections.boxes_xywh[k]
        iuv = detections.iuv(k)
        for person in truth.persons[int(detections.image_ids[k]), 1]:
            gx, gy, gw, gh = person.box_xywh
            px = (person.grid_xy[:, 0] * gw / 255 + gx - x).astype(int)
            py = (person.grid_xy[:, 1] * gh / 255 + gy - y).astype(int)
            outside = (px < 0) | (py < 0) | (px >= int(w)) | (py >= int(h))
            if outside.all():
                continue
            pairs += 1
            px[outside], py[outside] = 0, 0
            labels = iuv[0, py, px].astype(int)
            labels[outside] = 0
            predicted = search(labels, iuv[1, py, px] / 255, iuv[2, py, px] / 255)
            true = search(person.charts, person.uv[:, 0], person.uv[:, 1])
            distances = []
            for a, b in zip(true.tolist(), predicted.tolist(), strict=True):
                if b < 0:
                    distances.append(np.inf)
                elif a == b:
                    distances.append(0.0)
                else:
                    i, j = max(a, b), min(a, b)
                    distances.append(float(table[i * (i - 1) // 2 + j]))
            kappa = kappas(person.charts, "per_part")
            np.exp(-(np.array(distances) ** 2) / (2 * kappa**2)).mean()
    return pairs


def worker_dense(count: int, folder: Path) -> dict[str, Any]:
    """Time one size in this process."""
    data, detections = make_people(count)
    truth = DensePoseTruth.from_coco(data)
    surface = make_surface(folder)
    before = peak_mb()
    seconds = []
    for _ in range(3):
        started, cpu = time.perf_counter(), time.process_time()
        scores = evaluate_densepose(truth, detections, surface)
        seconds.append((time.perf_counter() - started, time.process_time() - cpu))
    after = peak_mb()
    gps = [p.similarities["gps"] for p in scores.pairs]
    pairs = int(sum((g > 0).sum() for g in gps))
    return {
        "people": count,
        "detections": len(detections),
        "pairs_compared": int(sum(g.size for g in gps)),
        "pairs_with_points_in_box": pairs,
        "first_call_s": round(seconds[0][0], 3),
        "best_s": round(min(s for s, _ in seconds[1:]), 3),
        "best_cpu_s": round(min(c for _, c in seconds[1:]), 3),
        "first_call_cpu_s": round(seconds[0][1], 3),
        "peak_mb": round(after),
        "peak_before_mb": round(before),
        "gps_AP": scores.values()["gps/AP"],
    }


def worker_plain(folder: Path, count: int = 30) -> dict[str, Any]:
    """Time the plain loops in this process."""
    data, detections = make_people(count)
    truth = DensePoseTruth.from_coco(data)
    surface = make_surface(folder)
    started = time.perf_counter()
    pairs = plain_loops(truth, detections, surface)
    seconds = time.perf_counter() - started
    return {"people": count, "pairs": pairs, "seconds": round(seconds, 3),
            "ms_per_pair": round(1000 * seconds / max(pairs, 1), 3)}  # fmt: skip


def make_keypoints(count: int, seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Made-up people with 17 keypoints, 5 per image, 3 results each."""
    rng = np.random.default_rng(seed)
    images, annotations, results = [], [], []
    for k in range(count):
        if k % 5 == 0:
            images.append({"id": len(images) + 1, "height": 480, "width": 640})
        x, y, w, h = *rng.uniform(0, 300, 2), *rng.uniform(40, 180, 2)
        points = rng.uniform([x, y], [x + w, y + h], (17, 2))
        visible = rng.integers(0, 3, 17)
        annotations.append({
            "id": k + 1, "image_id": len(images), "category_id": 1, "iscrowd": 0,
            "bbox": [x, y, w, h], "area": w * h / 2, "num_keypoints": int((visible > 0).sum()),
            "keypoints": np.c_[points, visible].reshape(-1).tolist(),
        })  # fmt: skip
        for _ in range(3):
            moved = points + rng.normal(0, 0.05 * h, (17, 2))
            results.append({
                "image_id": len(images), "category_id": 1, "score": float(rng.random()),
                "keypoints": np.c_[moved, np.ones(17)].reshape(-1).tolist(),
            })  # fmt: skip
    categories = [{"id": 1, "name": "person", "keypoints": [str(k) for k in range(17)],
                   "skeleton": []}]  # fmt: skip
    return {"images": images, "annotations": annotations, "categories": categories,
            "info": {}, "licenses": []}, results  # fmt: skip


def worker_oks(count: int) -> dict[str, Any]:
    """OKS of mmktn and of faster-coco-eval (`pip install faster-coco-eval`), alternating."""
    import copy

    from faster_coco_eval import COCO, COCOeval_faster

    data, results = make_keypoints(count)
    times: dict[str, list[float]] = {"mmktn": [], "faster_coco_eval": []}
    values: dict[str, float] = {}
    for _ in range(3):
        for name in times:
            truth_copy, results_copy = copy.deepcopy(data), copy.deepcopy(results)
            started = time.perf_counter()
            if name == "mmktn":
                truth = KeypointTruth.from_coco(truth_copy)
                scores = evaluate_keypoints(truth, KeypointDetections.from_entries(results_copy))
                values[name] = scores.values()["oks/AP"]
            else:
                coco = COCO(truth_copy)
                evaluator = COCOeval_faster(
                    coco, coco.loadRes(results_copy), "keypoints", print_function=lambda *_: None
                )
                evaluator.params.maxDets = [20]
                evaluator.evaluate()
                evaluator.accumulate()
                evaluator.summarize()
                values[name] = float(evaluator.stats[0])
            times[name].append(time.perf_counter() - started)
    best = {name: round(min(seconds), 3) for name, seconds in times.items()}
    return {"people": count, "results": len(results), "AP": values, "best_s": best,
            "ratio": round(best["faster_coco_eval"] / best["mmktn"], 2)}  # fmt: skip


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run_worker(*arguments: str) -> dict[str, Any]:
    """Run this file again in a fresh process and read its JSON."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | ONE_THREAD,
    )
    if done.returncode:
        raise UserError(f"a measurement failed: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


@one_line_errors("bench_metric")
def main(argv: list[str] | None = None) -> int:
    """Run all sizes and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--people", type=int, nargs="+", default=[100, 1000, 10000])
    parser.add_argument("--oks-people", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--work-dir", help="keep the 1.56 GB distance file here")
    parser.add_argument("--no-baseline", action="store_true")
    parser.add_argument("--out", help="also write the JSON here")
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.out:
        claim_output(args.out, overwrite=args.overwrite)
    if args.worker:
        kind, *rest = args.worker
        folder = Path(args.work_dir) if args.work_dir else Path()
        jobs = {"dense": lambda: worker_dense(int(rest[0]), folder),
                "plain": lambda: worker_plain(folder), "oks": lambda: worker_oks(int(rest[0])),
                "prepare": lambda: {"vertices": make_surface(folder).num_vertices}}  # fmt: skip
        print(json.dumps(jobs[kind]()))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or temporary
        Path(folder).mkdir(parents=True, exist_ok=True)
        place = ("--work-dir", str(folder))
        report: dict[str, Any] = {
            "mmktn": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "cpu_count": os.cpu_count(),
            "surface": run_worker(*place, "--worker", "prepare"),
            "load_average": [round(v, 2) for v in os.getloadavg()],
            "dense": [run_worker(*place, "--worker", "dense", str(n)) for n in args.people],
            "oks": [run_worker("--worker", "oks", str(n)) for n in args.oks_people],
            "official_seconds": OFFICIAL_SECONDS,
            "official_peak_mb": OFFICIAL_PEAK_MB,
        }
        if not args.no_baseline:
            plain = run_worker(*place, "--worker", "plain")
            report["plain_loops_gps_only"] = plain
            for row in report["dense"]:
                scaled = plain["ms_per_pair"] * row["pairs_with_points_in_box"] / 1000
                row["plain_loops_scaled_s"] = round(scaled, 2)
                row["faster_than_plain_loops"] = round(scaled / row["best_s"], 1)
        for row in report["dense"]:
            official = OFFICIAL_SECONDS.get(str(row["people"]))
            if official:
                row["faster_than_official"] = round(sum(official.values()) / row["best_s"], 1)
        report["load_average_end"] = [round(v, 2) for v in os.getloadavg()]
    text = json.dumps(report, indent=1)
    print(text)
    if args.out:
        write_text(args.out, text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
