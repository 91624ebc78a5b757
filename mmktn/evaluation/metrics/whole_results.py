"""mmengine's dump of all predictions, into a file that is whole or not there."""

from mmengine.evaluator import DumpResults

from mmktn.utils.output_files import replace_atomically_by_name


class WholeResults(DumpResults):
    """Dump all predictions into a file that stands there whole or not at all."""

    out_file_path: str

    def compute_metrics(self, results: list) -> dict:
        """Write the file."""
        target = self.out_file_path
        with replace_atomically_by_name(target) as part:
            self.out_file_path = str(part)
            try:
                return super().compute_metrics(results)
            finally:
                self.out_file_path = target
