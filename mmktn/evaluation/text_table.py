"""Scores as plain text for logs: one row per similarity, percent, and a sentence for every gap."""

from collections.abc import Mapping, Sequence

from mmktn.evaluation.functional.ap.average_precision import Column
from mmktn.evaluation.functional.densepose.scores import DensePoseScores
from mmktn.evaluation.functional.keypoints.ap import KeypointScores

UNDEFINED = "-"


def split_columns(columns: Mapping[str, Column]) -> tuple[list[str], dict[str, dict[str, Column]]]:
    """Sort ``"gps/AP"`` into rows and columns.

    Args:
        columns: Column name to value.

    Returns:
        Column names in order and, per row name, its columns.
    """
    heads: list[str] = []
    rows: dict[str, dict[str, Column]] = {}
    for name, column in columns.items():
        row, head = name.split("/", 1)
        rows.setdefault(row, {})[head] = column
        if head not in heads:
            heads.append(head)
    return heads, rows


def percent(column: Column | None) -> str:
    """Write a fraction as percent, an undefined value as a dash.

    Args:
        column: The value, or None for a cell that does not exist.
    """
    if column is None or column.value < 0 or column.value != column.value:
        return UNDEFINED
    return f"{100 * column.value:.2f}"


def reasons(columns: Mapping[str, Column]) -> list[str]:
    """Say why cells are undefined or set by rule, one sentence per reason.

    Args:
        columns: Column name to value.
    """
    by_reason: dict[str, list[str]] = {}
    for name, column in columns.items():
        if column.reason:
            by_reason.setdefault(column.reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def grid(heads: Sequence[str], rows: Mapping[str, Mapping[str, Column]]) -> str:
    """Lay out rows and columns with spaces.

    Args:
        heads: Column names.
        rows: Row name to its columns.
    """
    width = max([len(name) for name in rows] or [0])
    wide = [max(len(head), 6) for head in heads]
    lines = [" " * width + "".join(f"  {h:>{w}}" for h, w in zip(heads, wide, strict=True))]
    for name, cells in rows.items():
        values = "".join(
            f"  {percent(cells.get(h)):>{w}}" for h, w in zip(heads, wide, strict=True)
        )
        lines.append(f"{name:<{width}}{values}")
    return "\n".join(lines)


def score_table(scores: DensePoseScores) -> str:
    """Return the table, reasons and notes of an evaluation.

    Args:
        scores: The evaluation.

    Returns:
        Several lines of text.
    """
    heads, rows = split_columns(scores.columns)
    lines = [f"protocol '{scores.protocol}', percent", grid(heads, rows)]
    lines += [f"  {text}" for text in reasons(scores.columns)]
    lines += [f"  note: {text}" for text in scores.notes]
    return "\n".join(lines)


def keypoint_table(scores: KeypointScores) -> str:
    """Return the table, reasons and notes of a keypoint evaluation.

    Args:
        scores: The evaluation.

    Returns:
        Several lines of text.
    """
    heads, rows = split_columns(scores.columns)
    main = [head for head in heads if "_" not in head]
    split = [head for head in heads if "_" in head]
    lines = [f"protocol '{scores.protocol}', percent", grid(main, rows)]
    if split:
        lines.append(grid(split, rows))
    lines += [f"  {text}" for text in reasons(scores.columns)]
    lines += [f"  note: {text}" for text in scores.notes]
    return "\n".join(lines)


def recall_text(values: Mapping[str, float]) -> str:
    """Return the table of missing keypoints: a row a set of persons, a column a threshold, percent.

    Args:
        values: ``"recall@0.1"``, ``"recall@0.1_easy_code0.2-0.8"``, ``"recall_batch@0.1"``,
            ``"recall_classifier@0.1"`` and so on; sets without labelled keypoints have no row.

    Returns:
        Several lines of text.
    """
    titles = {"recall_batch": "all, mean of batches", "recall_classifier": "all, classifier"}
    rows: dict[str, dict[str, Column]] = {}
    for key, value in values.items():
        name, _, place = key.partition("@")
        threshold, _, split = place.partition("_")
        row = titles.get(name, split.replace("_", " ") or "all")
        if value >= 0:
            rows.setdefault(row, {})[threshold] = Column(value)
    heads = [f"{k / 10:g}" for k in range(1, 10)]
    return "recall of labelled keypoints at a score of, percent\n" + grid(heads, rows)
