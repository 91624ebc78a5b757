"""Say so where a knowledge transfer machine starts without a trained keypoint classifier.

Source: KTN starts from a detector trained on keypoints, whose weights were never released. What is
transferred is the keypoint classifier, so a run without one loses accuracy.
"""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmktn.registry import HOOKS


@HOOKS.register_module()
class KeypointPretrainingHook(Hook):
    """Warn before training if a part of the model wants pre-training and nothing is loaded.

    Parts say so by an attribute `wants_keypoint_pretraining`.
    """

    def before_train(self, runner: Runner) -> None:
        """Look at the model; a resumed run has its weights already."""
        if runner.cfg.get("load_from") or runner.iter > 0:
            return
        wanting = (getattr(m, "wants_keypoint_pretraining", False) for m in runner.model.modules())
        if any(wanting):
            runner.logger.warning(
                "KTM starts from a random keypoint classifier: expect a lower AP than that of the "
                "papers, who start from a detector trained on keypoints. configs/tasks/README.md "
                "has that pre-training; load_from takes its checkpoint"
            )
