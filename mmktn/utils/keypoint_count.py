"""One message where a keypoint head and its data disagree about the number of keypoints.

Without it a stock head of mmpose fails in the middle of its loss or of the decoding, with a text
about tensor sizes.
"""

from collections.abc import Mapping
from typing import Any


def require_keypoint_count(model: Any, metainfo: Mapping[str, Any] | None, *, source: str) -> None:
    """Compare the number of keypoints of a head with that of a dataset.

    Args:
        model: Pose estimator; one whose head does not say `out_channels` is not checked.
        metainfo: Of the dataset; without `num_keypoints` nothing is checked.
        source: Config key of the dataset, for the message.

    Raises:
        ValueError: The numbers differ.
    """
    predicted = getattr(getattr(model, "head", None), "out_channels", None)
    meta = metainfo or {}
    labelled = meta.get("num_keypoints")
    if isinstance(predicted, int) and labelled is not None and predicted != labelled:
        raise ValueError(
            f"{meta.get('dataset_name', 'the dataset')} has {labelled} keypoints but the head has "
            f"out_channels={predicted} (config keys {source} and model.head.out_channels); use the "
            f"config of that dataset or set model.head.out_channels={labelled}"
        )
