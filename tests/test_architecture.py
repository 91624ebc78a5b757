"""Who may import whom: docs/architecture.md as a table, checked on the source alone."""

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mmktn"

# Part of the package -> what it may import of ours, beside itself and L0. Longest matching part
# wins.
L0 = {"version", "registry", "utils", "compat"}
NETWORK = {
    "structures",
    "models.layers",
    "models.necks",
    "models.ktm",
    "models.maps",
    "models.predictors",
    "models.targets",
    "models.losses",
    "models.embedding",
    "models.postprocess",
    "models.heads",
}
MAY_IMPORT = {
    "version": set(),
    "registry": set(),
    "utils": set(),
    "checkpoints": set(),
    # Called, not imported at start: what stands behind mmengine's loaders and inferencers.
    "compat": {"utils.checkpoint_files", "utils.output_files", "utils.user_error", "zoo"},
    "zoo": {"checkpoints"},
    # Called where STIP's published weights are converted.
    "zoo.conversion": {"zoo", "checkpoints", "stip"},
    "formats": set(),
    "surface": set(),
    "runtime": {"formats"},
    "structures": {"formats"},
    "annotation": {"surface", "formats"},
    "synthetic": {"surface", "annotation", "formats"},
    # A command: writes what the evaluator reads.
    "synthetic.fits_command": {"synthetic", "surface", "formats", "evaluation"},
    "evaluation.functional": {"surface", "formats"},
    "evaluation": {"surface", "structures", "evaluation", "formats"},
    "visualization": {"surface", "structures", "formats"},
    "video": {"surface", "formats"},
    "models": {"surface", "structures", "models", "formats"},
    "models.layers": set(),
    "models.necks": {"models.layers"},
    "models.ktm": {"surface", "models.layers"},
    "models.maps": {"structures", "models.targets", "models.losses"},
    "models.predictors": {
        "structures",
        "surface",
        "models.layers",
        "models.ktm",
        "models.maps",
    },
    "models.targets": {"structures"},
    "models.losses": {"structures", "models.targets"},
    "models.embedding": {"structures", "surface", "models.targets", "models.losses"},
    "models.postprocess": {"structures", "models.maps", "models.embedding"},
    "models.heads": NETWORK | {"surface"},
    "datasets": {"surface", "structures", "formats", "synthetic"},
    "stip": {"formats", "visualization"},
    "engine": set(),
    "apis": {
        "engine",
        "surface",
        "structures",
        "models",
        "datasets",
        "visualization",
        "evaluation",
        "formats",
        "video",
        "runtime",
        "zoo",
    },
    # Commands: write annotations, labels of a teacher's, checkpoints of others'.
    "apis.bootstrap_command": {
        "annotation",
        "apis",
        "formats",
        "surface",
        "synthetic",
        "video",
        "zoo",
    },
    "apis.convert_command": {"apis", "checkpoints"},
    "stip.convert_command": {"stip", "apis"},
    "annotator": {"surface", "formats", "annotation", "synthetic", "apis"},
    "app": {"apis", "runtime", "visualization", "zoo"},
    "export": {"apis", "formats", "models", "runtime", "structures", "synthetic", "zoo"},
    "doctor": {"doctor_checks", "surface"},
    "label_doctor": {"surface", "formats", "annotation", "synthetic", "apis"},
    "doctor_checks": {"surface", "formats"},
    "__main__": set(),
    "__init__": set(),
}
# Host package -> parts that may import it.
HOST_IMPORTERS = {
    "mmdet": {
        "models.rcnn",
        "models.fcn",
        "datasets",
        "visualization",
    },
    "mmpose": {
        "models.topdown",
        "models.backbones",
        "stip",
        "datasets",
    },
}
# Part -> packages that it must not import, so that it stays usable without them.
FORBIDDEN = {
    "surface": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose", "cv2"},
    "formats": {
        "torch",
        "torchvision",
        "mmengine",
        "mmcv",
        "mmdet",
        "mmpose",
        "scipy",
    },
    "runtime": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose", "scipy", "PIL"},
    "annotation": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"},
    "synthetic": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"},
    "evaluation.functional": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"},
    "structures": {"mmcv", "mmdet", "mmpose"},
    "video": {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"},
    **{
        f"zoo.{part}": {"torch", "numpy", "mmengine", "mmcv", "mmdet", "mmpose"}
        for part in ("table", "trust", "fetching", "named_weights", "command")
    },
}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if ".mim" not in path.parts)


def part_of(path):
    """Dotted name below mmktn: models/ktm/x.py -> models.ktm.x, surface/__init__.py -> surface."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def within(name, part):
    return name == part or name.startswith(f"{part}.")


def longest(name, parts):
    """The most specific part that a module belongs to."""
    matching = [part for part in parts if within(name, part)]
    return max(matching, key=len) if matching else None


class Facts:
    """What the tests below ask of a file, which is parsed once; a whole tree takes much memory."""

    def __init__(self, path):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        self.docstring, self.empty = ast.get_docstring(tree), not text.strip()
        self.imports, self.definitions, self.texts = [], [], []
        functions = []
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self.imports.append(node)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                self.definitions.append((type(node), node.name, node.lineno, marks))
                if isinstance(node, ast.FunctionDef):
                    functions.append(range(node.lineno + 1, node.end_lineno + 1))
            elif isinstance(node, ast.Constant) and str(node.value).startswith("mmktn."):
                self.texts.append(node.value)
        self.imports_of_functions = [
            node for node in self.imports if any(node.lineno in lines for lines in functions)
        ]


facts_of = cache(Facts)


@cache
def imports_of(path):
    """All (line, dotted name) of imports, those inside functions included."""
    return list(_imports_of(path))


def _imports_of(path):
    package = ("mmktn", *path.relative_to(PACKAGE).parent.parts)
    for node in facts_of(path).imports:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def own_imports(path):
    for line, name in imports_of(path):
        if name.startswith("mmktn."):
            yield line, name.removeprefix("mmktn.")


def imports_of_functions(path):
    """Modules of ours that functions of a file import."""
    return {
        node.module.removeprefix("mmktn.")
        for node in facts_of(path).imports_of_functions
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmktn.")
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_of_ours_point_down(path):
    me = part_of(path)
    home = longest(me, MAY_IMPORT)
    assert home is not None, f"{me}: say in MAY_IMPORT where this part stands"
    allowed = MAY_IMPORT[home] | (set() if home in L0 - {"utils"} else L0) | {home}
    if home == "__init__":
        allowed |= L0
    for line, name in own_imports(path):
        fine = longest(name, allowed) is not None or name.startswith("__version__")
        assert fine, f"{path.relative_to(ROOT)}:{line}: {home} must not import mmktn.{name}"


def test_no_module_is_imported_by_what_it_imports():
    """Circles, those that imports inside functions or for types close included."""
    modules = {part_of(path) for path in FILES}
    graph = {
        part_of(path): {longest(name, modules) for _, name in own_imports(path)} - {part_of(path)}
        for path in FILES
    }
    order = TopologicalSorter({me: others - {None} for me, others in graph.items()})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" - ".join(error.args[1]))


# Module -> what its functions import: to start faster, to need a package or a machine only where a
# command asks for it, or because the host must be repaired before.
IMPORTED_IN_FUNCTIONS = {
    "annotator.command": {"annotator.api"},
    "annotator.proposals": {"apis"},
    "apis.browse_command": {"datasets", "registry", "visualization.annotation_drawing"},
    "apis.calibrate_command": {
        "apis",
        "apis.model_loading",
        "models.losses.uv_likelihood",
        "models.postprocess.uv_confidence",
    },
    "apis.convert_command": {"apis.model_loading", "checkpoints"},
    "apis.test_command": {"apis.model_loading", "evaluation.metrics.whole_results"},
    "apis.train_command": {"apis.model_loading"},
    "apis.bootstrap_command": {"apis.model_loading", "video.film"},
    "apis.detect_command": {"formats.detection_files", "formats.file_layout", "formats.json_files"},
    "apis.predict_command": {"apis.exported", "runtime.manifest"},
    "apis.prediction": {"structures"},
    "apis.query_command": {
        "datasets",
        "formats.picture_writing",
        "utils.setup_env",
        "visualization.annotation_drawing",
    },
    "app.analysis": {"apis.exported", "apis.topdown_inferencer"},
    "app.command": {"app.page"},
    "compat.mmcv_ext": {"compat"},
    "compat.safe_checkpoints": {"utils.checkpoint_files", "zoo.named_weights", "zoo.table"},
    "compat.unpublished_weights": {"utils.user_error"},
    "compat.whole_files": {"utils.output_files"},
    "compat.xtcocotools_stand_in": {"compat.xtcocotools_coco", "compat.xtcocotools_eval"},
    "doctor_checks": {"compat.mmcv_ops", "surface.file_cache"},
    "evaluation.cli": {"evaluation.report"},
    "export.command": {
        "apis.model_loading",
        "apis.pose_estimator",
        "apis.test_pipeline",
        "export.exporting",
        "utils.user_error",
        "zoo.named_weights",
    },
    "label_doctor.command": {"apis"},
    "utils.setup_env": {"registry"},
    "visualization.field_panels": {"structures.map_table"},
    "zoo.conversion": {"stip"},
    "zoo.named_weights": {"zoo.conversion"},
}


def test_imports_inside_functions_are_known():
    found = {part_of(path): imports_of_functions(path) for path in FILES}
    assert {me: names for me, names in found.items() if names} == IMPORTED_IN_FUNCTIONS


LOADING = {
    "LoadDensePoseAnnotations": "datasets.transforms.loading",
    "LoadImageFromFile": "datasets.transforms.loading",
    "PackDensePoseInputs": "datasets.transforms.packing",
}
# Module -> names that its code looks up in a registry, with the module that registers each: arrows
# that no import shows. Configs, and utils.config_parts for them, name everything else.
NAMED_THROUGH_REGISTRIES = {
    "models.heads.densepose_head": {
        "ChartDecoder": "models.postprocess.chart_decoder",
        "ChartLoss": "models.losses.chart_loss",
        "EmbeddingLoss": "models.embedding.embedding_loss",
    },
    "models.layers.conv_trunk": {"WinogradConv2d": "models.layers.winograd"},
    "stip.head": {"STIPLoss": "stip.losses"},
    "apis.browse_command": LOADING,
    "apis.query_command": LOADING,
    "apis.label_command": {"DensePosePersonDataset": "datasets.person_crops"},
    "apis.test_command": {
        "BodyMaskMetric": "evaluation.metrics.segmentation_metrics",
        "CompileHook": "engine.compiled_parts",
        "PointwiseDensePoseMetric": "evaluation.metrics.pointwise_metric",
        "TopdownPointwiseMetric": "evaluation.metrics.topdown_densepose_metric",
        "TurnView": "datasets.transforms.warping",
    },
    "apis.train_command": {"CpuAmpOptimWrapper": "engine.cpu_amp_optim_wrapper"},
}


def test_what_goes_through_a_registry_is_known():
    files = {part_of(path): facts_of(path) for path in FILES}
    registered = {
        name: me
        for me, facts in files.items()
        for kind, name, _, marks in facts.definitions
        if kind is ast.ClassDef and any("register_module" in mark for mark in marks)
    }
    found = {
        me: {
            name: registered[name]
            for text in facts.texts
            if (name := text.removeprefix("mmktn.")) in registered
        }
        for me, facts in files.items()
        if me != "utils.config_parts"
    }
    assert {me: names for me, names in found.items() if names} == NAMED_THROUGH_REGISTRIES


@pytest.mark.parametrize("host", HOST_IMPORTERS)
def test_hosts_are_imported_by_their_adapters_only(host):
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in FILES
        for line, name in imports_of(path)
        if within(name, host)
        and longest(part_of(path), HOST_IMPORTERS[host]) is None
        # A repair looks at the module that it repairs.
        and not within(part_of(path), "compat")
    ]
    assert not wrong, f"{host} is imported outside {sorted(HOST_IMPORTERS[host])}: {wrong}"


@pytest.mark.parametrize("part", FORBIDDEN)
def test_light_parts_stay_light(part):
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in FILES
        if within(part_of(path), part)
        for line, name in imports_of(path)
        if name.partition(".")[0] in FORBIDDEN[part]
    ]
    assert not wrong


def test_surfaces_are_loaded_before_scipy():
    """It takes longer than all that scores import beside it, and few calls need it."""
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if within(part_of(path), "surface")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "scipy" in ast.unparse(node)
    ]
    assert not wrong


def test_stip_can_be_taken_out():
    """Nothing imports it at start; the converter of its published weights does when it runs."""
    users = {
        part_of(path): path
        for path in FILES
        if not within(part_of(path), "stip")
        and any(within(name, "stip") for _, name in own_imports(path))
    }
    assert set(users) == {"zoo.conversion"}
    at_start = ast.parse(users["zoo.conversion"].read_text(encoding="utf-8")).body
    names = [ast.unparse(node) for node in at_start if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if "stip" in name]


def test_registration_of_stip_names_all_that_registers():
    folder = PACKAGE / "stip"
    registering = {
        path.stem
        for path in folder.glob("*.py")
        if "register_module()" in path.read_text(encoding="utf-8")
    }
    named = imports_of(folder / "registration.py")
    assert {name.rpartition(".")[2] for _, name in named} == registering


# Called by name from outside of the package: by its hosts, and by programs of users. Methods of
# hooks begin with before or after.
CALLED_BY_HOSTS = {
    "add_datasample",
    "default_init_cfg",
    "get_next",
    "persistent_load",
    "_forward",
    "_load_detection_results",
}
CALLED_BY_COMPOSED_NAMES = {"_blur", "_gamma", "_jpeg", "_noise"}
CALLED_BY_USERS = {"evaluate_vertices", "to_supervision", "use_meshes"}


def test_no_function_serves_tests_alone():
    """A name that package, tools, demo, projects and docs mention once is only defined."""
    folders = ("mmktn", "tools", "demo", "projects", "docs", "configs")
    kinds = {".py", ".md", ".js", ".json", ".html"}
    texts = [
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in kinds and ".mim" not in path.parts
    ]
    mentioned = Counter(word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text))
    unused = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in FILES
        for _, name, line, marks in facts_of(path).definitions
        if mentioned[name] == 1 and not name.startswith(("__", "before_", "after_"))
        if not marks or "register" not in marks[0]
        if name not in CALLED_BY_HOSTS | CALLED_BY_COMPOSED_NAMES | CALLED_BY_USERS
    ]
    assert not unused, f"delete what only tests call, or say above who else does: {unused}"


def test_every_module_says_what_it_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in FILES
        if not facts_of(path).empty and not facts_of(path).docstring
    ]
    assert not silent


# Starts commands with --help and stops at the first one that imports what takes seconds.
HELP_OF_ALL = """
import contextlib, io, runpy, sys
from mmktn.__main__ import main

def started(start):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            status = start()
        except SystemExit as ended:
            status = ended.code
    assert not status and "usage:" in said.getvalue(), (status, said.getvalue())

slow = {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose", "matplotlib"}
for name in sys.argv[1:]:
    if name.endswith(".py"):
        sys.argv = [name, "--help"]
        started(lambda: runpy.run_path(name, run_name="__main__"))
    else:
        started(lambda: main([name, "--help"]))
    assert not slow & set(sys.modules), (name, slow & set(sys.modules))
"""
FAST_COMMANDS = ("tools/quickstart.py", "tools/train_demo.py", "demo/image_demo.py",
                 "demo/pose_demo.py", "train", "test", "config", "logs", "predict", "detect",
                 "annotate", "doctor", "models", "evaluate", "report", "shared",
                 "hook", "export", "app", "query")  # fmt: skip


def test_commands_read_their_command_line_before_slow_imports():
    command = [sys.executable, "-c", HELP_OF_ALL, *FAST_COMMANDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
