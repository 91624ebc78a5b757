"""mmpose's top-down estimator for dense pose.

`TopdownPoseEstimator` moves predicted keypoints from the crop to the image when it stores
predictions; dense pose is decoded in image pixels by its head, so there is nothing to move.
"""

from mmengine.structures import InstanceData, PixelData
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.structures import PoseDataSample

from mmktn.registry import MODELS


@MODELS.register_module()
class TopdownDensePoseEstimator(TopdownPoseEstimator):
    """Backbone, optional neck and a `TopdownDensePoseHead`; arguments as in mmpose.

    Attributes:
        looks_at: What the model sees at once, for inferencers: a person's crop, not an image.
    """

    looks_at = "person"

    def add_pred_to_datasample(
        self,
        batch_pred_instances: list[InstanceData],
        batch_pred_fields: list[PixelData] | None,
        batch_data_samples: list[PoseDataSample],
    ) -> list[PoseDataSample]:
        """Store what the head predicted, in image pixels.

        Args:
            batch_pred_instances: One per sample.
            batch_pred_fields: Not used; this head gives none.
            batch_data_samples: Receive `pred_instances`.

        Returns:
            The samples.
        """
        for sample, instances in zip(batch_data_samples, batch_pred_instances, strict=True):
            sample.pred_instances = instances
        return batch_data_samples
