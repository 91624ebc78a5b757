"""Run a model on its test set and keep its results and raw outputs for the oracle analysis.

    python projects/oracle/eval_dump_raw.py CONFIG CHECKPOINT --out-dir oracle --max-images 100
    python projects/oracle/eval_oracle.py --gt ANN.json --results oracle/results.npz \
        --raw oracle/raw.npz --out oracle.json

Raw outputs are 77 maps per detection (2 MB at 112 x 112 in float16), so this is for part of a set.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.runner import Runner, load_checkpoint
from rich.progress import track

from mmktn.evaluation.metrics.sample_inputs import dense_detections, label_to_category
from mmktn.formats.dense_detections import DenseDetections
from mmktn.formats.json_files import read_json
from mmktn.formats.result_files import save_npz
from mmktn.utils.output_files import OVERWRITE_HELP, claim_folder, claim_output, replace_atomically
from mmktn.utils.setup_env import register_all_modules
from mmktn.utils.user_error import UserError, one_line_errors


class MapRecorder:
    """Stands in for a head's ``predict_by_feat`` and keeps the maps that go through it.

    Args:
        head: Dense-pose head.
    """

    def __init__(self, head: Any) -> None:
        self.decode = head.predict_by_feat
        self.decoder = head.decoder
        self.rows: list[dict[str, np.ndarray]] = []

    def __call__(self, output: Any, boxes_xyxy: Any, **options: Any) -> Any:
        """Keep the maps, then decode as before."""
        columns = {name: output[name] for name in ("fine_segm", "u", "v")}
        columns["coarse_segm"] = output[self.decoder.mask_source]
        arrays = {name: maps.detach().float().cpu().numpy() for name, maps in columns.items()}
        threshold = self.decoder.mask_threshold
        if 0 < threshold < 1 and threshold != 0.5:
            # argmax > 0 of the shifted logits is softmax > threshold of the original ones.
            arrays["coarse_segm"][:, 1] -= np.log(threshold / (1 - threshold))
        for k in range(len(boxes_xyxy)):
            self.rows.append({name: maps[k].astype(np.float16) for name, maps in arrays.items()})
        return self.decode(output, boxes_xyxy, **options)


def build_parser() -> argparse.ArgumentParser:
    """Arguments of the tool."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--out-dir", required=True)
    parser.add_argument("--max-images", type=int, default=100)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE_HELP)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction)
    return parser


def join(parts: list[DenseDetections]) -> DenseDetections:
    """One result list of those of all images."""
    maps = [part.iuv(k) for part in parts for k in range(len(part))]
    return DenseDetections.from_maps(
        np.concatenate([p.image_ids for p in parts]),
        np.concatenate([p.boxes_xywh for p in parts]),
        scores=np.concatenate([p.scores for p in parts]),
        maps=maps,
        category_ids=np.concatenate([p.category_ids for p in parts]),
    )


@one_line_errors("eval_dump_raw")
def main(argv: list[str] | None = None) -> int:
    """Run the tool."""
    args = build_parser().parse_args(argv)
    for file in (args.config, args.checkpoint):
        if not Path(file).is_file():
            raise UserError(f"no file {file}")
    folder = claim_folder(args.out_dir)
    for name in ("results.npz", "raw.npz"):
        claim_output(folder / name, inputs=[args.config, args.checkpoint], overwrite=args.overwrite)
    register_all_modules()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    cfg.work_dir = args.out_dir
    evaluator = (
        cfg.test_evaluator[0] if isinstance(cfg.test_evaluator, list) else cfg.test_evaluator
    )
    categories = read_json(evaluator["ann_file"], "ann_file of test_evaluator")["categories"]
    runner = Runner.from_cfg(cfg)
    load_checkpoint(runner.model, args.checkpoint, map_location="cpu")
    runner.model.eval()
    roi_head = runner.model.roi_head
    # Results of a cascade come from its last stage.
    stages = getattr(roi_head, "stages", None)
    head = stages[-1].densepose if stages else roi_head.densepose_head
    recorder = MapRecorder(head)
    head.predict_by_feat = recorder
    loader = runner.build_dataloader(cfg.test_dataloader)
    meta = getattr(loader.dataset, "metainfo", None)
    by_label = label_to_category({c["id"]: c["name"] for c in categories}, meta)
    parts: list[DenseDetections] = []
    for batch in track(loader, description="images"):
        parts += [dense_detections(s.to_dict(), by_label) for s in runner.model.test_step(batch)]
        if len(parts) >= args.max_images:
            break
    detections = join(parts)
    if len(detections) != len(recorder.rows):
        raise UserError(
            f"{len(detections)} results but {len(recorder.rows)} raw outputs; does the model "
            "decode a box more than once?"
        )
    save_npz(detections, folder / "results.npz")
    raw = {f"{n}_{k}": m for k, row in enumerate(recorder.rows) for n, m in row.items()}
    with replace_atomically(folder / "raw.npz") as file:
        np.savez_compressed(file, **raw)
    print(json.dumps({"images": len(parts), "detections": len(detections), "folder": str(folder)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
