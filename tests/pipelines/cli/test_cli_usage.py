"""The command as it is called: wrong words, the root, interrupts, and a process of its own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectome.errors import CatalogError
from connectome.pipelines.cli import main
from support import generated_source
from support.command_line import DATASET, WORMS, command
from support.ingesting import contents


@pytest.mark.parametrize(
    "words",
    [
        [], ["frobnicate"], ["show"], ["show", "a", "b"], ["list", "--frob"], ["ingest"], ["diff", "a"],
        ["split", DATASET, "--seed", "x"], ["show", "a/b"], ["show", f"{DATASET}@"], ["show", "raw"],
        ["show", f"{DATASET}@../../x"], ["ingest", WORMS, "--workers", "0"],
        ["ingest", WORMS, "--runner", "steam"], ["list", "--root", "gopher://x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_exits_2_with_one_json_document(words, run, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("CONNECTOME_ROOT", str(tmp_path / "root"))
    code, document = run(*words)
    assert code == 2, document
    assert document["error"]["kind"] == "usage"
    assert not (tmp_path / "root").exists() or not contents(tmp_path / "root")


def test_wrong_usage_is_told_on_standard_error(capsys) -> None:
    assert main(["frobnicate"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "invalid choice: 'frobnicate'" in said.err
    assert "Traceback" not in said.err


def test_what_does_not_exist_exits_1(filled, run) -> None:
    for words in (["show", "nothing"], ["show", f"{DATASET}@9.9.9"], ["log", "nothing"], ["verify", "nothing"],
                  ["diff", DATASET, "1.0.0", "7.0.0"], ["plan", "nothing"], ["ingest", "nothing"],
                  ["export", DATASET, "--record", "animal-9", "--to", "csv", "x.csv"]):  # fmt: skip
        code, document = run(*words, "--root", filled)
        assert (code, document["error"]["kind"]) == (1, "not-found"), words
        assert document["error"]["subject"]


def test_the_root_may_stand_before_or_after_the_verb_or_in_the_environment(filled, run, monkeypatch, tmp_path) -> None:
    expected = run("show", DATASET, "--root", filled)
    assert run("--root", filled, "show", DATASET) == expected
    assert run(f"--root={filled}", "show", DATASET) == expected
    monkeypatch.setenv("CONNECTOME_ROOT", str(filled))
    assert run("show", DATASET) == expected
    assert run("show", DATASET, "--root", tmp_path)[0] == 1, "the option goes before the environment"
    monkeypatch.delenv("CONNECTOME_ROOT")
    monkeypatch.setenv("XDG_DATA_HOME", str(filled.parent))
    (filled.parent / "connectome").symlink_to(filled)
    if sys.platform == "linux":
        assert run("show", DATASET) == expected


def test_a_root_that_is_called_like_a_verb_is_no_verb(filled, run, monkeypatch, tmp_path) -> None:
    (tmp_path / "log").symlink_to(filled)
    monkeypatch.chdir(tmp_path)
    assert run("--root", "log", "show", DATASET)[1]["version"] == "1.1.0"


def test_json_may_stand_before_the_verb(filled, capsys) -> None:
    assert main(["--json", "--root", str(filled), "log", DATASET]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_a_damaged_catalogue_is_told_of_with_its_line(run, monkeypatch, tmp_path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text("version: 1\nsources: 7\n")
    monkeypatch.setenv("CONNECTOME_CATALOG", str(path))
    code, document = run("list")
    assert (code, document["error"]["kind"]) == (1, CatalogError.kind)
    assert document["error"]["place"].startswith("line ")


def test_what_the_system_refuses_is_told_in_json(edges, run, tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "root"))

    monkeypatch.setattr("connectome.atomic.publish", full)
    code, document = run("import", edges, "--dataset", "mine", "--root", tmp_path / "root")
    assert (code, document["error"]["message"]) == (1, "No space left on device")
    assert document["error"]["subject"] == str(tmp_path / "root")
    assert not (tmp_path / "root").exists()


def test_an_interrupt_is_told_without_a_traceback(generated, tmp_path, monkeypatch, capsys) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("connectome.pipelines.ingest.make_records", interrupt)
    assert main(["ingest", generated_source.DATASET, "--root", str(tmp_path / "root")]) == 130
    assert "run the command again to go on from here" in capsys.readouterr().err


# In a process of its own


def test_standard_output_holds_the_document_alone_in_a_real_process(edges, tmp_path) -> None:
    done = command("import", edges, "--dataset", "mine", "--root", tmp_path / "root", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "1.0.0"
    done = command("import", "nifti", edges, "--dataset", "mine", "--root", tmp_path / "root", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "truncated"
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error_worth_telling(filled) -> None:
    words = [sys.executable, "-m", "connectome.pipelines.cli", "show", DATASET, "--root", str(filled), "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False, text=True, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_terminal_without_unicode_is_served(filled) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = command("cite", WORMS, "--root", filled, env=environment)
    assert done.returncode == 0, done.stderr
    assert r"B\xfclow" in done.stdout
    done = command("cite", WORMS, "--root", filled, "--json", env=environment)
    assert "Bülow" in json.loads(done.stdout)["citation"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_whose_name_is_no_text_is_told_of(tmp_path) -> None:
    name = os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff.nii")
    Path(name).write_bytes(b"no volume")
    done = command("import", name, "--dataset", "mine", "--root", tmp_path / "root", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["subject"].endswith("\udcff.nii")


def test_help_and_listing_import_nothing_heavy() -> None:
    code = (
        "import sys; from connectome.pipelines.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'prefect', 'dask', 'datasets', 'zarr', 'xarray', 'pandas', 'numpy', 'mne'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "ingest" in done.stdout
