"""Ingest and import through the command: what comes in, and what is refused and leaves the root alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connectome.pipelines.cli import main
from connectome.pipelines.formats import FORMATS, recognise
from support import generated_source
from support.command_line import DATASET
from support.ingesting import snapshot


def test_ingest_prints_its_progress_on_standard_error(generated, run, tmp_path, capsys) -> None:
    (generated.folder / "notes.md").write_text("words")
    code = main(["ingest", generated_source.DATASET, "--root", str(tmp_path / "root"), "--json"])
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert code == 0
    assert {"dataset", "version", "digest", "added", "changed", "reused", "rejected", "census"} <= set(document)
    assert document["census"] == {"seen": 4, "used": 3, "rejected": 1}
    assert "make     3/3  animal-3  made" in said.err
    assert main(["ingest", generated_source.DATASET, "--root", str(tmp_path / "root"), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"{generated_source.DATASET}@1.0.0 (nothing changed)" in said.out
    assert "rejected generated/notes.md (not-data): says nothing in numbers" in said.out


def test_an_ingest_that_fails_says_why_in_json(generated, run, tmp_path) -> None:
    generated.expected = generated_source.Expected(generated_source.facts(animal_1=99))
    code, document = run("ingest", generated_source.DATASET, "--root", tmp_path / "root")
    assert code == 1
    assert document["error"] == {
        "kind": "facts", "message": "1 published fact is not met", "subject": "animal-1", "place": "/own.n_samples",
        "expected": "99", "found": "3", "hint": "the file or its reader has changed; nothing was committed",
    }  # fmt: skip


def test_dry_run_prints_the_plan_and_stops(generated, run, tmp_path) -> None:
    code, document = run("ingest", generated_source.DATASET, "--dry-run", "--root", tmp_path / "root")
    assert (code, document) == (0, run("plan", generated_source.DATASET, "--root", tmp_path / "root")[1])
    assert [file["here"] for file in document["files"]] == [False] * 3
    assert not (tmp_path / "root").exists()


def test_a_file_is_imported_and_again_without_being_read(edges, run, tmp_path, monkeypatch) -> None:
    words = ("import", edges, "--dataset", "mine", "--root", tmp_path / "root")
    code, document = run(*words)
    assert (code, document["version"], document["added"]) == (0, "1.0.0", ["edges-of-mine"])
    assert document["census"] == {"seen": 1, "used": 1, "rejected": 0}
    facts = run("facts", "mine", "--root", tmp_path / "root")[1]["edges-of-mine"]
    assert facts["/connectome"]["edges"]["chemical"] == {"n": 1, "weight_sum": 3}

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(FORMATS["celegans-table"].load(), "read", refuse)
    before = snapshot(tmp_path / "root")
    # The signature of the reader is that of its options.
    monkeypatch.setattr(type(FORMATS["celegans-table"]), "options", lambda self: {})
    code, document = run(*words)
    assert (code, document["created"], document["reused"]) == (0, False, ["edges-of-mine"])
    assert snapshot(tmp_path / "root") == before


def test_a_second_record_and_a_changed_file_make_versions(edges, run, tmp_path) -> None:
    words = ("import", "celegans-table", edges, "--dataset", "mine", "--root", tmp_path / "root")
    run(*words)
    assert run(*words, "--record", "other")[1]["version"] == "1.1.0"
    edges.write_text(edges.read_text() + "AVAR\tAVAL\tchemical\t2\n")
    code, document = run(*words)
    assert (code, document["version"], document["changed"]) == (0, "2.0.0", ["edges-of-mine"])
    assert len(run("show", "mine", "--root", tmp_path / "root")[1]["records"]) == 2


@pytest.mark.parametrize("existing", [False, True], ids=["no root", "a root"])
@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["nifti", "{edges}"], 1, "truncated"),
        (["{missing}"], 1, "not-found"),
        (["nifti", "{missing}"], 1, "not-found"),
        (["{words}"], 1, "format"),
        (["telegraph", "{edges}"], 2, "usage"),
        (["celegans-table", "{edges}", "--option", "nonsense=1"], 2, "usage"),
        (["celegans-table", "{edges}", "--option", "header_row=one"], 2, "usage"),
        (["celegans-table", "{edges}", "--option", "header_row"], 2, "usage"),
        (["celegans-table", "{edges}", "--record", "a/b"], 2, "usage"),
        (["celegans-table", "{edges}", "--record", ".."], 2, "usage"),
        (["celegans-table"], 2, "usage"),
        ([], 2, "usage"),
    ],
    ids=lambda item: " ".join(item) or "nothing" if isinstance(item, list) else None,
)
def test_an_import_that_is_refused_leaves_the_root_as_it_was(
    words, code, kind, existing, edges, filled, tmp_path, run
) -> None:
    root = Path(shutil.copytree(filled, tmp_path / "root")) if existing else tmp_path / "none" / "root"
    before = snapshot(root)
    (tmp_path / "words.tsv").write_text("these are words\n")
    places = {"edges": edges, "missing": tmp_path / "missing.nii", "words": tmp_path / "words.tsv"}
    found, document = run("import", *(word.format(**places) for word in words), "--dataset", "mine", "--root", root)
    assert (found, document["error"]["kind"]) == (code, kind), document
    assert set(document["error"]) >= {"kind", "subject", "place", "expected", "found", "hint"}
    assert snapshot(root) == before
    assert root.exists() == existing
    assert (tmp_path / "none").exists() is False


@pytest.mark.parametrize("dataset", ["raw", "staging", "RAW", "..", "a/b", "", "-x"])
def test_a_name_that_no_dataset_can_have_is_refused(dataset, edges, run, tmp_path) -> None:
    code, document = run("import", edges, f"--dataset={dataset}", "--root", tmp_path / "root")
    assert (code, document["error"]["kind"]) == (2, "usage")
    assert not (tmp_path / "root").exists()


def test_an_import_that_the_stored_splits_cannot_take_leaves_the_root_as_it_was(store, edges, run) -> None:
    """The record is fine, and only the commit fails: nothing of it may stay."""
    run("split", DATASET, "--by", "age", "--fractions", "train=0.5,test=0.5", "--root", store)
    before = snapshot(store)
    code, document = run("import", edges, "--dataset", DATASET, "--root", store)
    assert code in {1, 2}, document
    assert "age" in json.dumps(document["error"])
    assert snapshot(store) == before


def test_usable_but_odd_input_is_kept_with_its_warnings(run, tmp_path) -> None:
    path = tmp_path / "odd.tsv"
    path.write_text("pre\tpost\ttype\tsynapses\nAVAL\tAVAR\tchemical\t3\nAVAL\tNOSUCHCELL\tchemical\t1\n")
    code, _ = run("import", path, "--dataset", "mine", "--root", tmp_path / "root")
    assert code == 0
    (record,) = run("show", "mine", "--root", tmp_path / "root")[1]["records"]
    assert any("NOSUCHCELL" in item["message"] or "NOSUCHCELL" in item["place"] for item in record["warnings"]), record


def test_import_list_names_every_format_with_its_options(run) -> None:
    code, rows = run("import", "--list")
    assert code == 0
    assert [row["format"] for row in rows] == list(FORMATS)
    by_name = {row["format"]: row for row in rows}
    assert "header_row" in by_name["celegans-table"]["options"]
    assert by_name["nifti"]["suffixes"] == [".nii", ".nii.gz", ".hdr"]
    assert by_name["mne"]["extra"] == "eeg"


RECOGNISED = {
    "eeg/**/*.edf": "mne", "eeg/**/*.bdf": "mne", "eeg/**/*.gdf": "mne", "eeg/**/*.vhdr": "mne",
    "eeg/**/*.set": "mne", "eeg/**/*.fif": "mne",
    "mri/**/*.nii": "nifti", "mri/**/*.nii.gz": "nifti", "other/**/*.nii.gz": "nifti",
    "worm/dag2023/*.h5": "hdf5-celegans", "worm/dag2023/*.jld2": "hdf5-celegans",
    "worm/zephir_demo/*.h5": "hdf5-celegans",
    "worm/seeelegans2024/*.mat": "mat-celegans",
    "worm/varshney2011/ConnOrdered*.mat": "celegans-table", "worm/varshney2011/*.xls": "celegans-table",
    "worm/white1986_witvliet2020/*.csv": "celegans-table", "worm/white1986_witvliet2020/*.xlsx": "celegans-table",
    "worm/white1986_witvliet2020/*.json": "celegans-table",
    "neuropixels/**/*.mat": "mat-spikes", "neuropixels/**/*.rds": "steinmetz-counts",
    "neuropixels/**/*.npz": "steinmetz-counts",
    "worm/openworm/*.xls": "celegans-table", "worm/randi2023/*.xlsx": "celegans-table",
    "vessel/vascgraph/*.pajek": "pajek", "vessel/octa_synthetic/*.csv": "coordcsv",
    "vessel/microvesselchaste/*.csv": "analyzeskeleton", "connectome/larva_winding2023/*.txt": "edgelist",
    "connectome/flywire_optic_lobe_types/*.csv": "edgelist", "connectome/microns_layer23/*synapses*.csv": "edgelist",
    "connectome/flyvis/*.json": "flyvis",
}  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("pattern", RECOGNISED)
def test_real_files_are_recognised(pattern, data_dir) -> None:
    files = [path for path in sorted(data_dir.glob(pattern)) if "openneuro" not in path.parts[-2]]
    assert files
    for path in files:
        assert recognise([path]).name == RECOGNISED[pattern], path


@pytest.mark.data
@pytest.mark.parametrize(
    "path",
    [
        "worm/cook2019/GHermChem_Nodes.csv",
        "worm/neuron_metadata/all_cell_info.csv",
        "worm/varshney2011/NeuronTypeOrdered_040903.mat",
        "worm/zephir_demo/metadata.json",
        "worm/README.md",
        "connectome/larva_winding2023/meta_data.csv",
        "connectome/microns_layer23/soma_valence_v185.csv",
        "vessel/bbp_formats/astrovascpy_edge_dataset.csv",
        "eeg/mne_bids_tiny/participants.tsv",
    ],
)
def test_real_files_of_no_known_format_are_refused_with_the_list_of_formats(path, data_dir, run, tmp_path) -> None:
    code, document = run("import", data_dir / path, "--dataset", "mine", "--root", tmp_path / "root")
    error = document["error"]
    assert (code, error["kind"], error["found"]) == (1, "format", "none of them")
    assert error["expected"] == ", ".join(sorted(FORMATS))
    assert error["hint"] == "name the format: connectome import FORMAT PATH..."
    assert not (tmp_path / "root").exists()


@pytest.mark.data
@pytest.mark.parametrize(
    "path",
    [
        "worm/white1986_witvliet2020/white_1986_jse.csv",
        "worm/varshney2011/ConnOrdered_040903.mat",
        "worm/seeelegans2024/neurons_by_hand.mat",
        "eeg/mne_python_formats/test.vhdr",
        "mri/nifti_space/RAS.nii.gz",
        "connectome/larva_winding2023/G_edgelist.txt",
        "connectome/flyvis/fib25-fib19_v2.2.json",
    ],
)
def test_real_files_are_imported_without_naming_a_format(path, data_dir, run, tmp_path) -> None:
    code, document = run("import", data_dir / path, "--dataset", "mine", "--root", tmp_path / "root")
    assert code == 0, document
    assert len(document["added"]) == 1
    code, document = run("verify", "mine", "--root", tmp_path / "root")
    assert (code, document["ok"]) == (0, True)
    assert str(data_dir) not in (tmp_path / "root" / "mine" / "versions" / "1.0.0.json").read_text()
