"""The wheel: what mim, mmengine and pip find in it; and that the requirement lists agree."""

import configparser
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest
import yaml

import mmktn
from mmktn.__main__ import COMMANDS

ROOT = Path(__file__).parents[1]
COPIED = (
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "MANIFEST.in",
    "Makefile",
    "README.md",
    "configs",
    "dataset-index.yml",
    "demo",
    "docs",
    "mmktn",
    "model-index.yml",
    "projects",
    "pyproject.toml",
    "requirements",
    "setup.cfg",
    "setup.py",
    "tests",
    "tools",
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Copy the repository, so that the working tree stays as it is."""
    pytest.importorskip("setuptools")
    pytest.importorskip("wheel")
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", ".mim", "*.egg-info")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source):
    """Build the wheel offline."""
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--no-index", "--wheel-dir", str(source / "dist"), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist_names(source, wheel):
    """List what a source distribution holds; setuptools writes the list with every build."""
    return set((source / "mmktn.egg-info" / "SOURCES.txt").read_text().splitlines())


@pytest.fixture(scope="module")
def names(wheel):
    return wheel.namelist()


def metadata(wheel, name):
    return wheel.read(f"mmktn-{mmktn.__version__}.dist-info/{name}").decode()


def below(names, folder):
    return {name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")}


def test_distribution_is_named_like_the_package(wheel):
    assert "Name: mmktn\n" in metadata(wheel, "METADATA")
    # Both mims and mmengine take the first line as the import name.
    assert metadata(wheel, "top_level.txt").split() == ["mmktn"]


def test_no_console_scripts(names):
    assert not [name for name in names if name.endswith("entry_points.txt")]
    assert not [name for name in names if ".data/scripts/" in name]


def test_onedl_mim_finds_its_folder_first(names):
    # onedl-mim 0.5.1 takes the folder of the first entry of RECORD, which pip sorts.
    assert min(names).split("/")[0] == "_mmktn_mim"


@pytest.mark.parametrize("links", [True, False])
def test_editable_installs_link_or_copy(tmp_path, monkeypatch, links):
    """Windows refuses links to most users; an earlier install may have left the other form."""
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    build = runpy.run_path(str(ROOT / "setup.py"))["BuildWithMim"]
    hook, target = build.__new__(build), tmp_path / ".mim"

    def refused(*_):
        raise OSError(1314, "a required privilege is not held by the client")

    for allowed in (not links, links, links):
        with monkeypatch.context() as patch:
            if not allowed:
                patch.setattr(Path, "symlink_to", refused)
            hook._link(target)
        assert (target / "model-index.yml").read_bytes() == (ROOT / "model-index.yml").read_bytes()
        assert (target / "tools" / "train.py").read_bytes() == (
            ROOT / "tools" / "train.py"
        ).read_bytes()
    if not links:
        assert not [path for path in target.iterdir() if path.is_symlink()]
        assert not (target / "tools" / "dev").exists()


@pytest.mark.parametrize("folder", ["mmktn/.mim", "_mmktn_mim"])
def test_mim_folders_hold_what_the_repository_does(names, folder):
    packed = below(names, folder)
    for tree in ("configs", "tools", "demo"):
        for path in (ROOT / tree).rglob("*"):
            parts = path.relative_to(ROOT).parts
            if path.is_file() and not {"__pycache__", "dev"} & set(parts):
                assert "/".join(parts) in packed
    assert {"model-index.yml", "tools/train.py", "tools/test.py"} <= packed


@pytest.mark.parametrize("folder", ["mmktn", "_mmktn_mim"])
def test_config_names_are_unique_among_all_files(names, folder):
    # mim looks a config up by its bare name in the whole package.
    counts = Counter(PurePosixPath(name).name for name in below(names, folder))
    configs = [
        name for name in below(names, folder) if re.search(r"(^|/)configs/(?!_base_/).*\.py$", name)
    ]
    assert configs
    assert [name for name in configs if counts[PurePosixPath(name).name] > 1] == []


def test_package_data_is_there(names):
    assert "mmktn/py.typed" in names
    assert "mmktn/surface/data/human_body.npz" in names
    assert {"mmktn/annotator/web/index.html", "mmktn/annotator/web/main.js"} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "docs/", "projects/"))]


def test_every_module_is_packed(names):
    for path in (ROOT / "mmktn").rglob("*.py"):
        if not {".mim", "__pycache__"} & set(path.relative_to(ROOT).parts):
            assert path.relative_to(ROOT).as_posix() in names


def test_sdist_holds_what_its_makefile_and_pages_name(sdist_names):
    packed = sdist_names
    tracked = {
        path.relative_to(ROOT).as_posix()
        for tree in (
            "configs",
            "demo",
            "docs",
            "mmktn",
            "projects",
            "requirements",
            "tests",
            "tools",
        )
        for path in (ROOT / tree).rglob("*")
        if path.is_file() and not {"__pycache__", ".mim"} & set(path.parts)
    }
    assert sorted(tracked - packed) == []
    assert {"Makefile", "CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md"} <= packed
    assert not [name for name in packed if name.startswith((".git", "build/", "_mmktn_mim"))]
    assert not [name for name in packed if "__pycache__" in name]
    # Every page that the README names comes along.
    linked = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / "README.md").read_text())
    assert [path for path in linked if path not in packed] == []


def test_index_page_shows_no_broken_picture_or_link(wheel):
    described = metadata(wheel, "METADATA").split("\n\n", 1)[1]
    assert described.startswith("# mmktn")
    assert "make quickstart" in described
    assert "![" not in described
    assert re.findall(r"\]\((?!https?://)", described) == []
    # A link is told by its words and its path, a picture not at all.
    assert "model card (docs/model_card.md)" in described
    assert "docs/assets" not in described
    assert "Description-Content-Type: text/markdown" in metadata(wheel, "METADATA")


def test_twine_accepts_it(wheel):
    pytest.importorskip("twine")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", wheel.filename],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_requirements_do_not_pull_what_does_not_build(wheel):
    required = re.findall(r"^Requires-Dist: ([\w.-]+)", metadata(wheel, "METADATA"), re.MULTILINE)
    assert not {"chumpy", "xtcocotools", "openmim", "opencv-python", "mmpose"} & set(required)


def requirement_names(file):
    lines = (ROOT / "requirements" / file).read_text().splitlines()
    names = [re.match(r"[\w.-]+", line.strip()) for line in lines if not line.startswith("#")]
    return {match.group().lower().replace("_", "-") for match in names if match}


@pytest.mark.parametrize(
    "file", ["runtime", "torch", "hostdeps", "mminstall", "nodeps", "optional", "tests"]
)
def test_every_requirement_is_pinned_for_make(file):
    assert requirement_names(f"{file}.txt") <= requirement_names("constraints.txt")


def test_optional_list_is_that_of_the_extras():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    listed = {line for name in ("mesh", "annotate", "video") for line in extras[name].split()}
    assert sorted(listed) == sorted((ROOT / "requirements" / "optional.txt").read_text().split())


def test_model_index_and_configs_agree():
    index = yaml.safe_load((ROOT / "model-index.yml").read_text())
    named = []
    for entry in index["Import"]:
        collections = yaml.safe_load((ROOT / entry).read_text())
        assert {"Collections", "Models"} <= set(collections), entry
        known = {collection["Name"] for collection in collections["Collections"]}
        for model in collections["Models"]:
            assert model["In Collection"] in known, model["Name"]
            assert (ROOT / model["Config"]).is_file(), model["Name"]
            assert model["Name"] == Path(model["Config"]).stem
            named.append(model["Name"])
    assert len(named) == len(set(named))
    metafiles = {str(path.relative_to(ROOT)) for path in ROOT.glob("configs/*/metafile.yml")}
    assert set(index["Import"]) == metafiles


def test_dataset_index_scripts_exist():
    index = yaml.safe_load((ROOT / "dataset-index.yml").read_text())
    for name, entry in index.items():
        if isinstance(entry, dict):
            assert {"dataset", "download_root", "data_root", "script"} <= set(entry), name
            assert (ROOT / entry["script"]).is_file(), name


def test_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == mmktn.__version__
    assert f"## {mmktn.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("option", "section", "first"),
    [
        ([], "From the wheel", 'pip install "mmktn[mm]"'),
        (["--light"], "Without torch", "pip install mmktn"),
    ],
)
def test_fresh_environments_get_the_lines_of_the_page(option, section, first):
    script = ROOT / "tools" / "dev" / "check_install.sh"
    command = ["bash", str(script), *option, "--lines"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"^## {section}\n.*?^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert lines == block.splitlines()
    assert lines[0] == first
    # Every line is a command that exists, so that a renamed one is seen here and not next week.
    for line in lines:
        command = re.fullmatch(r"python -m mmktn ([\w-]+).*", line)
        assert line.startswith("pip install ") or (command and command[1] in COMMANDS), line
    # mmpose as the lists of this repository have it.
    if not option:
        (wanted,) = re.findall(r"^mmpose.*", (ROOT / "requirements/nodeps.txt").read_text(), re.M)
        assert lines[1] == f'pip install --no-deps "{wanted}"'
    # A workflow runs it each week.
    assert (
        f"check_install.sh {option[0] if option else ''}".strip()
        in (ROOT / ".github" / "workflows" / "install.yml").read_text()
    )


def test_wheel_without_weights_is_small(wheel):
    entries = sorted(wheel.infolist(), key=lambda entry: -entry.compress_size)
    weights = sum(entry.compress_size for entry in entries if "/weights/" in entry.filename)
    # What is downloaded: the archive's list of names counts too.
    megabytes = (Path(wheel.filename).stat().st_size - weights) / 1e6
    largest = ", ".join(f"{e.filename} {e.compress_size / 1e6:.2f}" for e in entries[:5])
    text = f"wheel without weights: {megabytes:.2f} MB; largest: {largest}"
    sys.stdout.write(text + "\n")
    assert megabytes < 3, text


HEAVY = {
    "matplotlib",
    "mmcv",
    "mmdet",
    "mmengine",
    "mmpose",
    "onnxruntime",
    "pandas",
    "sympy",
    "torch",
}
MODULES_OF = """import sys, time
start = time.process_time()
import {}
print(time.process_time() - start, *{{name.split(".")[0] for name in sys.modules}})"""


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        ("mmktn", {"numpy", "cv2", "scipy", "PIL", "yaml", "rich"}),
        ("mmktn.evaluation", {"rich", "yaml"}),
        ("mmktn.surface", {"rich", "yaml"}),
        ("mmktn.runtime", {"scipy", "rich", "yaml"}),
    ],
)
def test_imports_load_no_more_than_they_use(module, needless):
    """What is loaded decides how long an import takes; the seconds, printed, are the machine's."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES_OF.format(module)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, *loaded = done.stdout.split()
    sys.stdout.write(f"import {module}: {float(seconds):.2f} s of processor time\n")
    assert {"mmktn"} <= set(loaded)
    assert not set(loaded) & (HEAVY | needless)


def extras():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    # These are lists for those who work on mmktn, and the hosts, which `doctor` speaks of.
    return sorted(set(parser["options.extras_require"]) - {"dev", "tests", "mm"})


@pytest.mark.parametrize("extra", extras())
def test_every_extra_is_named_where_it_is_missed(extra):
    texts = (f', "{extra}"', f'extra="{extra}"', f"mmktn[{extra}]")
    sources = (p.read_text(encoding="utf-8") for p in (ROOT / "mmktn").rglob("*.py"))
    assert any(text in source for source in sources for text in texts)
