"""The benchmark of single steps compares what gives the same."""

import torch

from tests.tool_modules import tool_module

bench = tool_module("projects/benchmark/bench_steps.py")


def test_both_forms_keep_the_same_proposals():
    ((_, ours, direct),) = bench.proposals()
    assert ours().tolist() == direct().tolist()


def test_both_forms_decode_the_same_people():
    ((_, ours, direct),) = bench.decoding()
    for found, (labels, uv) in zip(ours(), direct(), strict=True):
        same = found.labels == labels
        assert same.float().mean() > 0.9999  # ties in the last digit
        torch.testing.assert_close(found.uv[:, same], uv[:, same], rtol=0, atol=1e-5)


def test_ratio_is_that_of_the_fastest_calls(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(bench.STEPS, "painting", lambda: iter([("x", lambda: 1, lambda: 2)]))
    seconds = iter([4.0, 9.0, 2.0, 6.0])
    monkeypatch.setattr(bench, "cpu_seconds", lambda call: next(seconds))
    arguments = ["--only", "painting", "--rounds", "2", "--out", str(tmp_path / "a.json")]
    assert bench.main(arguments) == 0
    assert '"ratio": 3.0' in (tmp_path / "a.json").read_text()
    assert "3.00" in capsys.readouterr().out
