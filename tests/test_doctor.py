"""`python -m mmktn doctor` and the command dispatcher."""

import configparser
import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from mmktn import __main__ as commands
from mmktn import doctor, doctor_checks
from mmktn.compat.host_versions import HOSTS


def states(findings):
    return {finding.name: finding.state for finding in findings}


def advice(findings, name):
    return next(finding.advice for finding in findings if finding.name == name)


@pytest.fixture
def hosts(monkeypatch):
    """Let a test change the table of host packages."""

    def change(position, **fields):
        table = list(HOSTS)
        table[position] = dataclasses.replace(table[position], **fields)
        monkeypatch.setattr(doctor_checks, "HOSTS", tuple(table))

    return change


def test_nothing_needed_is_missing_where_the_tests_run(capsys, tmp_path):
    assert doctor.main(["--root", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    for part in ("versions", "mmcv operators", "repairs", "devices", "extras", "data", "mmengine"):
        assert part in shown
    assert "Everything that is needed is here." in shown


def test_missing_needed_package_is_wrong(hosts, capsys, tmp_path):
    hosts(4, module="no_such_mmdet", distributions=())
    assert doctor.main(["--root", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "no_such_mmdet" in shown.splitlines()[-1]
    assert 'pip install "mmktn[mm]"' in " ".join(shown.split())


def test_missing_mmpose_is_a_note(hosts):
    hosts(5, module="no_such_mmpose", distributions=())
    assert states(doctor_checks.check_versions())["no_such_mmpose"] == doctor_checks.NOTE


def test_too_old_is_wrong_and_newer_is_a_note(hosts):
    hosts(0, minimum="99.0")
    assert states(doctor_checks.check_versions())["torch"] == doctor_checks.WRONG
    hosts(0, tested="1.0")
    findings = list(doctor_checks.check_versions())
    assert states(findings)["torch"] == doctor_checks.NOTE
    assert "newer than tested" in advice(findings, "torch")


def test_broken_import_is_reported_with_its_own_text(tmp_path, monkeypatch):
    package = tmp_path / "mmpose"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('undefined symbol: abc')\n")
    monkeypatch.syspath_prepend(tmp_path)
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "mmpose"]:
        monkeypatch.delitem(sys.modules, name)
    findings = list(doctor_checks.check_imports())
    assert [finding.name for finding in findings] == ["import mmpose"]
    assert "undefined symbol: abc" in findings[0].text
    assert findings[0].state == doctor_checks.WRONG


def test_operators_are_tried():
    findings = list(doctor_checks.check_operators())
    assert states(findings)["RoIAlign of a ramp on cpu"] == doctor_checks.OK


def test_data_is_found(tmp_path, monkeypatch):
    (tmp_path / doctor_checks.SURFACE_FOLDER).mkdir(parents=True)
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "geodesics").mkdir(parents=True)
    (tmp_path / "cache" / "geodesics" / "a.npy").write_bytes(b"0" * 2**20)
    findings = list(doctor_checks.check_data(tmp_path))
    found = states(findings)
    assert found["official surface files"] == doctor_checks.OK
    assert found["DensePose-COCO"] == doctor_checks.NOTE
    assert found["MMKTN_CACHE_DIR"] == doctor_checks.OK
    assert "1 tables, 1 MiB" in next(f.text for f in findings if f.name == "geodesic cache")
    assert advice(findings, "DensePose-COCO")


def test_annotations_are_found_under_their_other_name(tmp_path):
    other = tmp_path / "data/coco/annotations/densepose_train2014.json"
    other.parent.mkdir(parents=True)
    other.touch()
    findings = list(doctor_checks.check_data(tmp_path))
    assert states(findings)["DensePose-COCO"] == doctor_checks.OK
    assert any(finding.text.endswith(other.name) for finding in findings)


def test_advised_extras_exist():
    config = configparser.ConfigParser()
    config.read(Path(__file__).parents[1] / "setup.cfg")
    offered = set(config["options.extras_require"]) - {"mm", "tests", "dev"}
    assert {extra.extra for extra in doctor_checks.EXTRAS} == offered


def test_every_note_about_something_missing_says_what_to_do(tmp_path):
    for finding in doctor.diagnose(tmp_path):
        if finding.state == doctor_checks.WRONG or finding.text.startswith(("missing", "not at")):
            assert finding.advice, finding


def test_plain_report_says_the_same(tmp_path):
    findings = doctor.diagnose(tmp_path)
    lines = doctor.report_plainly(findings).splitlines()
    assert len(lines) == len(findings) + 1
    assert any(line.startswith("ok") and "torch: " in line for line in lines)


def test_missing_library_is_wrong(monkeypatch):
    monkeypatch.setattr(doctor_checks, "LIBRARIES", {"no_such_library": "no-such-library"})
    (finding,) = doctor_checks.check_libraries()
    assert finding.state == doctor_checks.WRONG
    assert finding.advice == "pip install no-such-library"


def test_report_fits_a_terminal(tmp_path):
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    doctor.report(doctor.diagnose(tmp_path), console)
    assert all(len(line.rstrip()) <= 100 for line in console.export_text().splitlines())


@pytest.mark.parametrize(("argv", "status"), [([], 2), (["-h"], 0), (["nonsense"], 2)])
def test_dispatcher_lists_its_commands(argv, status, capsys):
    assert commands.main(argv) == status
    captured = capsys.readouterr()
    assert "doctor" in captured.out + captured.err


def test_dispatcher_passes_arguments_on(capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main(["doctor", "--help"])
    assert stop.value.code == 0
    assert "--root" in capsys.readouterr().out


@pytest.mark.parametrize("command", sorted(commands.COMMANDS))
def test_every_command_exists(command):
    with pytest.raises(SystemExit) as stop:
        commands.main([command, "-h"])
    assert stop.value.code == 0


class TestOpenCV:
    @pytest.fixture
    def builds(self, monkeypatch):
        """Pretend that certain builds are installed, and that `import cv2` ends in an error."""

        def pretend(installed, problem):
            monkeypatch.setattr(doctor_checks, "_is_distributed", installed.__contains__)
            monkeypatch.setattr(doctor_checks, "_try_import", lambda module: (None, problem))
            return list(doctor_checks.check_opencv())

        return pretend

    @pytest.mark.parametrize("build", doctor_checks.OPENCV_BUILDS)
    def test_one_that_loads_is_nothing_to_report(self, builds, build):
        assert builds({build}, "") == []

    def test_two_that_load_are_a_note(self, builds):
        (finding,) = builds({"opencv-python", "opencv-python-headless"}, "")
        assert finding.state == doctor_checks.NOTE
        assert finding.text.startswith("opencv-python, opencv-python-headless;")
        assert finding.advice.startswith(
            "pip uninstall -y opencv-python opencv-python-headless && "
            "pip install opencv-python-headless"
        )

    @pytest.mark.parametrize(
        "installed", [{"opencv-python"}, {"opencv-python", "opencv-python-headless"}]
    )
    def test_one_that_does_not_load_is_wrong(self, builds, installed):
        (finding,) = builds(installed, "ImportError: libGL.so.1: cannot open shared object file")
        assert finding.state == doctor_checks.WRONG
        assert "libGL.so.1" in finding.text
        assert "opencv-python-headless" in finding.advice

    def test_the_one_of_the_tests_loads(self):
        assert [f for f in doctor_checks.check_opencv() if f.state == doctor_checks.WRONG] == []
