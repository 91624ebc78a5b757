"""The benchmark of vertices runs at a small size and says what it compared."""

import re

from tests.tool_modules import ROOT, tool_module


def test_benchmark_prints_time_memory_and_the_comparison(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "projects" / "benchmark"))
    bench = tool_module("projects/benchmark/bench_vertices.py")
    argv = ["--people", "2", "--vertices", "900", "--size", "40", "60", "--threads", "1"]
    bench.main(argv)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["a body", "the whole box"]
    for line in lines:
        assert re.search(r"2 people of 40 x 60, \d+ pixels, 900 vertices: \d+\.\d\d s", line)
        assert float(line.rsplit(" ", 1)[1]) < 1e-5
    assert "4800 pixels" in lines[1]
