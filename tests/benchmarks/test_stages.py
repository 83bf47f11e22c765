"""Stages of benchmarks: a process each, whose failure is told and whose peak of memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import stages

HERE = Path(__file__).parents[2]
LARGE = 96 << 20


def fresh(code: str) -> dict[str, int]:
    """Run some lines in an interpreter of their own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE)
    return json.loads(done.stdout)


def test_a_stage_runs_in_a_process_of_its_own_and_gives_its_figures(tmp_path):
    figures = stages.run_stage("benchmarks.sampling", "generate", tmp_path, 1e-6)
    assert figures["peak_bytes"] > 0
    assert len(list((tmp_path / "raw").iterdir())) == 2


def test_a_stage_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"no-such-stage: (?s:.*)KeyError: 'no-such-stage'"):
        stages.run_stage("benchmarks.links", "no-such-stage", tmp_path, 0.01)


def test_the_peak_is_that_of_the_process_and_with_children_that_of_the_largest():
    code = f"""
import json, subprocess, sys
from benchmarks.stages import peak_bytes, resident_bytes
before = peak_bytes()
held = b"x" * {LARGE}
after = peak_bytes()
del held
hold = "x = b'x' * {3 * LARGE}; y = b'x' * {LARGE}"
subprocess.run([sys.executable, "-c", hold], check=True)
json.dump([before, after, peak_bytes(), peak_bytes(children=True), resident_bytes()], sys.stdout)
"""
    before, after, own, both, now = fresh(code)
    assert after - before >= LARGE
    assert own - after < LARGE
    assert both >= 4 * LARGE > own
    assert 0 < now < own


def test_the_part_of_the_whole_is_the_given_one_else_that_of_the_environment(monkeypatch):
    monkeypatch.delenv(stages.SCALE, raising=False)
    assert stages.part_of_whole(None, 0.05) == 0.05
    monkeypatch.setenv(stages.SCALE, "0.25")
    assert stages.part_of_whole(None, 0.05) == 0.25
    assert stages.part_of_whole(1.0, 0.05) == 1.0
