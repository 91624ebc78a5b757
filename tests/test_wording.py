"""Words of the source: comments and pages cite only what a reader can open."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRIVATE_NOTE = re.compile(
    r"\b(methods,?\s+(#\s+)?((sections?|note) )?|disagreement |gap )\d+(\.\d+)?\b", re.I
)


def test_nothing_cites_notes_that_nobody_can_read():
    """Papers and public code are named; numbers of private notes say nothing to a reader."""
    rooms = ("mmktn", "configs", "tools", "projects", "demo", "tests", "docs")
    pages = [ROOT / "README.md"]
    for room in rooms:
        pages += [p for p in (ROOT / room).rglob("*") if p.suffix in (".py", ".md", ".yml")]
    cited = [
        f"{page.relative_to(ROOT)}: {match[0]}"
        for page in pages
        if ".mim" not in page.parts and page != Path(__file__)
        for match in PRIVATE_NOTE.finditer(page.read_text(encoding="utf-8"))
    ]
    assert cited == []
