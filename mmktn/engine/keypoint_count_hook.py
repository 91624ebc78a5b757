"""Check before the first batch that the model predicts as many keypoints as the data have.

Covers every head of mmpose with `out_channels`; `STIPHead` checks its batches on top of that.
"""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmktn.registry import HOOKS
from mmktn.utils.keypoint_count import require_keypoint_count


@HOOKS.register_module()
class KeypointCountHook(Hook):
    """Compare `model.head.out_channels` with the datasets' number of keypoints.

    Raises:
        ValueError: They differ in training (the validation set included), validation or test.
    """

    def before_train(self, runner: Runner) -> None:
        """Check both sets, so that no epoch is lost to a wrong validation set."""
        _check(runner, runner.train_loop.dataloader, "train_dataloader.dataset")
        if runner.val_loop is not None:
            self.before_val(runner)

    def before_val(self, runner: Runner) -> None:
        """Check the validation set."""
        _check(runner, runner.val_loop.dataloader, "val_dataloader.dataset")

    def before_test(self, runner: Runner) -> None:
        """Check the test set."""
        _check(runner, runner.test_loop.dataloader, "test_dataloader.dataset")


def _check(runner: Runner, loader: DataLoader, source: str) -> None:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    require_keypoint_count(model, getattr(loader.dataset, "metainfo", None), source=source)
