"""What mkdocs does for this project beyond its pages.

Pages of docs/ also link to files of the repository (configs, README files). The site holds a copy
of each that is linked to, so that no link leaves it; a link to a file that does not exist stays as
it is, and mkdocs reports it. The reference has one page per room of public names.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
# The target of a Markdown link or picture: a relative path, and a place on that page.
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)#\s]+)(#[^)\s]*)?(?=\))")
# Where copies of repository files lie in the site.
COPIES = "files"


def on_files(files: Files, config) -> Files:  # mkdocs' own signature
    """Add the reference, and copies of the repository files that pages lead to."""
    waiting = set()
    for file in files.documentation_pages():
        waiting |= _targets(f"docs/{file.src_uri}", file.content_string)
    done = set()
    while waiting:
        path = waiting.pop()
        done.add(path)
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".md"):
            waiting |= _targets(path, text) - done
            content = _rewritten(path, text)
        else:
            content = f"# {posixpath.basename(path)}\n\n`{path}`\n\n````python\n{text}\n````\n"
        files.append(File.generated(config, _place(path), content=content))
    for room, names in _rooms().items():
        entries = "\n\n".join(f"::: {room}.{name}" for name in names)
        page = f"# {room}\n\n{entries}\n"
        files.append(File.generated(config, f"reference/{room}.md", content=page))
    return files


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Let links out of docs/ lead to the copies."""
    uri = page.file.src_uri
    return markdown if uri.startswith(f"{COPIES}/") else _rewritten(f"docs/{uri}", markdown)


def _resolved(origin: str, target: str) -> str:
    """Return the repository path that a link leads to; for a folder that of its README.

    Args:
        origin: Repository path of the page with the link.
        target: The link.
    """
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
    readme = posixpath.join(path, "README.md")
    return readme if (ROOT / readme).is_file() else path


def _is_outside(path: str) -> bool:
    return not path.startswith("docs/") and (ROOT / path).is_file()


def _targets(origin: str, text: str) -> set[str]:
    """Repository files outside of docs/ that a page leads to."""
    return {
        path for match in LINK.finditer(text) if _is_outside(path := _resolved(origin, match[1]))
    }


def _place(path: str) -> str:
    """Page of the site that shows a repository file."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # README.md would become the index page of its folder, and other files no page at all.
    return f"{COPIES}/{path.removesuffix('.md').replace('README', 'readme')}.md"


def _rewritten(origin: str, text: str) -> str:
    """Turn a page's links to repository files into links of the site."""
    here = posixpath.dirname(_place(origin)) or "."

    def turn(match: re.Match) -> str:
        path = _resolved(origin, match[1])
        known = path.startswith("docs/") or _is_outside(path)
        return posixpath.relpath(_place(path), here) + (match[2] or "") if known else match[0]

    return LINK.sub(turn, text)


def _rooms() -> dict[str, list[str]]:
    """Public names per room, from docs/public_names.txt."""
    rooms: dict[str, list[str]] = {}
    for line in (ROOT / "docs/public_names.txt").read_text(encoding="utf-8").split():
        room, _, name = line.rpartition(".")
        if not name.startswith("__"):
            rooms.setdefault(room, []).append(name)
    return rooms
