"""Write the tables of config READMEs from their metafile.yml, between the two marker lines.

Usage: python tools/dev/make_tables.py [--check]
--check writes nothing and exits 1 if a table is out of date.
"""

import argparse
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- table: made by tools/dev/make_tables.py -->", "<!-- end of table -->"


def table_of(metafile: Path) -> str:
    """Make the Markdown table: config, paper figure, its source, our figure."""
    lines = [
        "| config | GPS AP in the source | source | ours on DensePose-COCO |",
        "| --- | --- | --- | --- |",
    ]
    for model in yaml.safe_load(metafile.read_text())["Models"]:
        meta = model["Metadata"]
        ours = [r["Metrics"].get("GPS AP") for r in model["Results"] or []]
        name = Path(model["Config"]).name
        lines.append(
            f"| [{model['Name']}]({name}) | {meta['Paper GPS AP']} | {meta['Paper Source']} "
            f"| {ours[0] if ours else 'not run'} |"
        )
    return "\n".join(lines)


def renewed(readme: Path) -> str:
    """Give the README's text with a fresh table."""
    text = readme.read_text()
    before, rest = text.split(START)
    after = rest.split(END)[1]
    return f"{before}{START}\n{table_of(readme.with_name('metafile.yml'))}\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    stale = []
    for readme in (ROOT / "configs").rglob("README.md"):
        if START in readme.read_text() and renewed(readme) != readme.read_text():
            stale.append(readme)
            if not args.check:
                readme.write_text(renewed(readme))
    for readme in stale:
        print(f"{readme.relative_to(ROOT)}: {'out of date' if args.check else 'written'}")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
