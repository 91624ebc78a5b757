"""What the ablation tools share: test in annotated boxes, mean and spread as text and picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmktn.formats.json_files import read_json
from mmktn.utils.output_files import claim_output, replace_atomically
from mmktn.utils.user_error import UserError

if TYPE_CHECKING:
    from mmengine.runner import Runner


def stored_content(path: Path, key: str) -> dict[str, Any]:
    """What an earlier call stored, or an empty table of runs.

    Args:
        path: The tool's own JSON file, which it goes on with.
        key: Where the runs are listed.

    Raises:
        UserError: There is a file of another kind.
    """
    if not path.exists():
        claim_output(path)
        return {key: []}
    content = read_json(path, "stored runs")
    runs = content.get(key) if isinstance(content, dict) else None
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
        raise UserError(f"{path}: not a file of this tool ({key!r} is no list of runs); it stays")
    return content


def spread(values: Sequence[float]) -> str:
    """Mean and sample deviation as text."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.mean(values):.1f} +- {statistics.stdev(values):.1f}"


def draw_arms(path: Path, title: str, arms: Mapping[str, Sequence[float]], *, label: str) -> None:
    """Draw every run as a point and every arm's mean as a bar.

    Args:
        path: Picture to write.
        title: Title of the figure.
        arms: Values of the runs by arm, drawn from top to bottom.
        label: Name of the horizontal axis.
    """
    from mmktn.utils.optional import require

    require("matplotlib", extra="mm").use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 0.7 + 0.32 * len(arms)), layout="constrained")
    axes = figure.add_subplot()
    rows = range(len(arms))
    axes.barh(rows, [statistics.mean(v) for v in arms.values()], color="#c8d8ea")
    for row, values in zip(rows, arms.values(), strict=True):
        axes.plot(values, [row] * len(values), "o", color="#1f4e79", markersize=4)
    axes.set_yticks(rows, list(arms))
    axes.set_ylim(len(arms) - 0.4, -0.6)  # from top to bottom, no empty rows
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    with replace_atomically(path) as handle:
        figure.savefig(handle, format="png", dpi=110)


def test_in_annotated_boxes(runner: Runner) -> dict[str, float]:
    """Score the charts of annotated boxes; top-down data sets give these boxes by themselves.

    Embeddings are scored as the charts of their vertices, too.

    Args:
        runner: Runner with a trained model and a test set.

    Returns:
        What the test evaluator finds.
    """
    import torch
    from mmengine.dataset import pseudo_collate
    from mmengine.structures import InstanceData

    from mmktn.apis.prediction import charts_of

    model = runner.model.eval()
    if not hasattr(model, "roi_head"):
        return runner.test()
    dataset = runner.build_dataloader(runner.cfg.test_dataloader).dataset
    evaluator = runner.build_evaluator(runner.cfg.test_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        instances = dataset.get_data_info(index)["instances"]
        boxes = torch.tensor([i["bbox"] for i in instances if not i["ignore_flag"]])
        with torch.no_grad():
            data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
            (sample,) = data["data_samples"]
            people = InstanceData(bboxes=boxes.reshape(-1, 4).to(data["inputs"].device))
            people.scores = people.bboxes.new_ones(len(people))
            people.labels = people.bboxes.new_zeros(len(people), dtype=torch.long)
            rois = people.bboxes * people.bboxes.new_tensor(sample.scale_factor).repeat(2)
            levels = model.extract_feat(data["inputs"])
            (sample.pred_instances,) = model.roi_head.predict_densepose(levels, [rois], [people])
        if "vertices" in sample.pred_instances:
            sample.pred_instances.densepose = charts_of(sample.pred_instances.vertices)
        evaluator.process([sample])
    return evaluator.evaluate(len(dataset))
