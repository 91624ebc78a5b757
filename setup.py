"""Copy what mim looks for into the package; everything else about the build is in setup.cfg.

mim (and `mmktn::config` names of mmengine) look for configs and tools in `mmktn/.mim`. A regular
build copies them there, an editable install links them. The copy in `_mmktn_mim` exists for
onedl-mim 0.5.1, which takes the folder of the first installed file as the package: '_' sorts before
every other name of the wheel. It is no package, so it does not show up in top_level.txt. The hook
is in build_py because that runs under every front end, PEP 660 included.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
ENTRIES = ("configs", "tools", "demo", "model-index.yml", "dataset-index.yml")
IGNORED = shutil.ignore_patterns("__pycache__", "*.py[cod]", "dev", "work_dirs")


class BuildWithMim(build_py):
    """build_py that adds the mim folders."""

    def run(self) -> None:
        """Build the package, then copy or link the entries."""
        super().run()
        if self.editable_mode:
            self._link(ROOT / "mmktn" / ".mim")
        else:
            for folder in ("mmktn/.mim", "_mmktn_mim"):
                self._copy(Path(self.build_lib) / folder)

    def _link(self, target: Path) -> None:
        target.mkdir(exist_ok=True)
        for entry in filter(lambda name: (ROOT / name).exists(), ENTRIES):
            link = target / entry
            if link.is_symlink():
                link.unlink()
            link.symlink_to(os.path.relpath(ROOT / entry, target))

    def _copy(self, target: Path) -> None:
        # A left-over build folder must not bring removed configs back.
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for entry in filter(lambda name: (ROOT / name).exists(), ENTRIES):
            source = ROOT / entry
            if source.is_dir():
                shutil.copytree(source, target / entry, ignore=IGNORED)
            else:
                shutil.copy2(source, target / entry)


setup(cmdclass={"build_py": BuildWithMim})
