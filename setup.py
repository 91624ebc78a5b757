"""Copy what mim looks for into the package, and make the text of index pages; see setup.cfg.

mim (and `mmktn::config` names of mmengine) look for configs and tools in `mmktn/.mim`. A regular
build copies them there, an editable install links them. The copy in `_mmktn_mim` exists for
onedl-mim 0.5.1, which takes the folder of the first installed file as the package: '_' sorts before
every other name of the wheel. It is no package, so it does not show up in top_level.txt. The hook
is in build_py because that runs under every front end, PEP 660 included.
"""

import os
import re
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
            try:
                link.symlink_to(os.path.relpath(ROOT / entry, target))
            except OSError:
                # Windows allows links to some users only, and copies of an earlier build may be
                # here. A copy is as old as the last `pip install -e .`.
                self._copy(target)
                return

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


def index_text(readme: str) -> str:
    """Return a README without what an index page cannot show.

    Pictures and links point into the repository, which has no public address yet: pictures are left
    out, and a link becomes its words with the path that the source distribution has.
    """
    lines = [line for line in readme.splitlines() if not line.startswith(("![", "[!["))]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines) + "\n")
    return re.sub(r"\[([^]]+)\]\((?!https?://|#)([^)]+)\)", _plain_link, text)


def _plain_link(link: re.Match[str]) -> str:
    words, path = link.groups()
    return path if words == path else f"{words} ({path})"


setup(
    cmdclass={"build_py": BuildWithMim},
    long_description=index_text((ROOT / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
