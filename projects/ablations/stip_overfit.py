"""Overfit STIP to the few real images in the folder named by MMKTN_REAL_DATA, and show the result.

Usage: MMKTN_REAL_DATA=FOLDER python projects/ablations/stip_overfit.py {crowdpose,coco}
       [--work-dir DIR] [--cfg-options k=v ...]

Links the images and annotations into the work directory (one COCO image stands a folder higher than
its annotations say), trains the config of configs/stip/*_overfit_*, prints OKS AP, and draws
skeletons and STIP's maps of every person. About a minute of one CPU core.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from mmengine.config import DictAction
from mmengine.runner import Runner
from rich.console import Console

from mmktn.formats.json_files import read_json
from mmktn.utils.config_path import merge_options, read_config
from mmktn.utils.output_files import write_json
from mmktn.utils.user_error import one_line_errors

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "crowdpose": ROOT / "configs/stip/stip_hrnet-w16n_overfit_crowdreal-128x96.py",
    "coco": ROOT / "configs/stip/stip_hrnet-w16n_overfit_cocoreal-128x96.py",
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=CONFIGS, help="which of the two sets")
    parser.add_argument("--work-dir", type=Path, help="default: work_dirs/stip_overfit_SET")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="key=value ...")
    return parser.parse_args(argv)


def link_sample(source: Path, name: str, target: Path) -> Path:
    """Make a folder with the annotation file and links to all of its images.

    Raises:
        FileNotFoundError: If the annotation file or an image is neither there nor one folder up.
    """
    ann_file = source / name / f"test_{name}.json"
    if not ann_file.is_file():
        raise FileNotFoundError(f"no {ann_file}; set MMKTN_REAL_DATA to the folder of the images")
    target.mkdir(parents=True, exist_ok=True)
    content = read_json(ann_file, "annotations of the sample")
    write_json(target / ann_file.name, content)
    for image in content["images"]:
        places = [folder / image["file_name"] for folder in (source / name, source)]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise FileNotFoundError(f"{image['file_name']} is in neither {source / name} nor above")
        link = target / image["file_name"]
        if not link.exists():
            link.symlink_to(found.resolve())
    return target


@one_line_errors("stip_overfit")
def main(argv: list[str] | None = None) -> None:
    """Link, train, report, draw."""
    args = parse_args(argv)
    work_dir = args.work_dir or Path("work_dirs") / f"stip_overfit_{args.set}"
    folder = link_sample(
        Path(os.environ.get("MMKTN_REAL_DATA", "data/real")), args.set, work_dir / "data"
    )
    cfg = read_config(CONFIGS[args.set])
    data_root = f"{folder}/"
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = data_root
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        evaluator.ann_file = str(folder / f"test_{args.set}.json")
    merge_options(cfg, args.cfg_options)  # on top of the sample's folders
    cfg.work_dir = str(work_dir)
    runner = Runner.from_cfg(cfg)
    runner.train()
    scores = runner.message_hub.log_scalars[f"val/{args.set}/oks/AP"].current()
    checkpoint = work_dir / f"iter_{runner.iter}.pth"  # training stops early at AP 0.99
    # Pictures are the demo's business; it runs as a user would start it.
    command = [sys.executable, str(ROOT / "demo/pose_demo.py"), str(folder)]
    command += [str(CONFIGS[args.set]), str(checkpoint), "--maps", "--keypoints", "0", "10"]
    command += ["--boxes", str(folder / f"test_{args.set}.json")]
    command += ["--out-dir", str(work_dir / "pictures"), "--overwrite"]
    subprocess.run(command, check=True)
    Console().print(f"OKS AP on the training images: {scores:.3f}; pictures in {work_dir}/pictures")


if __name__ == "__main__":
    sys.exit(main())
