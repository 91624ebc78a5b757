import pytest

from mmktn.utils.user_error import UserError, describe_error, one_line, one_line_errors


def raise_key_error():
    return {}["mask"]


def refuse():
    raise UserError("a.json: image 3: 'width' is missing;\nadd it")


@one_line_errors("demo")
def command(action):
    return action()


def test_expected_errors_are_said_as_they_are(capsys):
    assert command(refuse) == 1
    assert capsys.readouterr().err == "demo: a.json: image 3: 'width' is missing; add it\n"


def test_internal_errors_name_their_place(capsys):
    assert command(raise_key_error) == 1
    said = capsys.readouterr().err
    assert said.startswith("demo: internal error, KeyError: 'mask' (test_user_error.py:7")
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


def test_debugging_shows_the_traceback(capsys, monkeypatch):
    monkeypatch.setenv("MMKTN_DEBUG", "1")
    assert command(refuse) == 1
    assert "Traceback" in capsys.readouterr().err


def test_status_passes():
    assert command(lambda: None) == 0
    assert command(lambda: 3) == 3
    with pytest.raises(SystemExit):
        command(lambda: exec("raise SystemExit(2)"))


def test_system_errors_name_the_file(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none.json").read_text()
    assert describe_error(caught.value) == f"{tmp_path / 'none.json'}: No such file or directory"


def test_control_characters_are_escaped():
    assert one_line("a\x1b[31m\nb") == "a\\x1b[31m b"


def test_a_tracer_that_fails_names_the_way_out():
    kind = type("InternalTorchDynamoError", (RuntimeError,), {"__module__": "torch._dynamo.exc"})
    said = describe_error(kind("AttributeError: no 'items'\n\nfrom user code:\n  x.py"))
    assert said == (
        "compile: PyTorch's tracer cannot follow this model (AttributeError: no 'items'); "
        "leave `compile` out of the config (--cfg-options compile=False) and --compile out of the "
        "command"
    )
