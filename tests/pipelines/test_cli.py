"""The command: every verb, one JSON document and nothing else, exit codes, and a root that refusals leave alone."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import connectome
from connectome.errors import CatalogError
from connectome.pipelines.cli import VERBS, main
from connectome.pipelines.formats import FORMATS, recognise
from support import generated_source
from support.ingesting import contents, snapshot

if TYPE_CHECKING:
    from support.generated_source import Generated

DATASET = "generated-all-kinds"
WORMS = "celegans-connectomes"


@pytest.fixture(scope="module")
def filled(all_kinds, tmp_path_factory) -> Path:
    """A root with two versions of a generated dataset and a tag."""
    root = tmp_path_factory.mktemp("store") / "root"
    all_kinds.commit(root, {f"animal-{seed}": all_kinds.tree(seed) for seed in range(3)})
    all_kinds.commit(root, {f"animal-{seed}": all_kinds.tree(seed) for seed in range(4)})
    connectome.store.Repository(root).tag(f"{DATASET}@1.0.0", "paper")
    return root


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copytree(filled, tmp_path / "root"))


@pytest.fixture
def run(capsys):
    """Run the command with ``--json``; return the exit code and the one document."""

    def run_json(*words: object) -> tuple[int, Any]:
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run_json


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generated:
    return generated_source.register(tmp_path, monkeypatch)


def command(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    options = {"capture_output": True, "text": True, "check": False, "timeout": 120, **options}
    return subprocess.run([sys.executable, "-m", "connectome.pipelines.cli", *map(str, words)], **options)


# Every verb

READING = {
    "list": [],
    "search": ["generated"],
    "show": [DATASET],
    "cite": [DATASET],
    "plan": [WORMS],
    "facts": [f"{DATASET}@1.0.0"],
    "verify": [DATASET],
    "log": [DATASET],
    "diff": [DATASET, "1.0.0", "1.1.0"],
    "tag": [DATASET],
    "split": [DATASET, "--by", "record", "--fractions", "train=0.5,test=0.5", "--dry-run"],
    "gc": ["--dry-run"],
    "doctor": [],
    "ingest": [WORMS, "--dry-run"],
    "import": ["--list"],
}
"""Verbs that leave the root alone when called so."""


def test_every_verb_is_tested_here() -> None:
    assert set(VERBS) == set(READING) | {"export", "publish", "pull"}


@pytest.mark.parametrize("verb", READING)
def test_a_verb_prints_one_json_document_and_leaves_the_root_alone(verb, filled, run) -> None:
    before = snapshot(filled)
    code, document = run(verb, *READING[verb], "--root", filled)
    assert code == 0
    assert document
    assert "error" not in document
    assert snapshot(filled) == before


@pytest.mark.parametrize("verb", READING)
def test_a_verb_prints_text_for_people_on_standard_output(verb, filled, capsys) -> None:
    assert main([verb, *READING[verb], "--root", str(filled)]) == 0
    said = capsys.readouterr().out
    assert said.strip()
    assert not said.lstrip().startswith(("{", "[{"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_names_its_options(verb, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"connectome {verb}" in said
    assert "--json" in said
    assert "--root" in said
    assert VERBS[verb][1][1:] in " ".join(said.split())


def test_help_names_every_verb_and_the_version_is_told(capsys) -> None:
    for words, expected in ((["--help"], list(VERBS)), (["--version"], [connectome.__version__])):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert all(word in said for word in expected)


def test_show_lists_records_facts_and_citation(filled, run) -> None:
    code, document = run("show", f"{DATASET}@1.0.0", "--root", filled)
    assert code == 0
    assert {"dataset", "version", "digest", "records", "rejected", "splits", "facts", "citation", "licence"} <= set(
        document
    )
    assert [item["record"] for item in document["records"]] == ["animal-0", "animal-1", "animal-2"]
    assert {"record", "digest", "source", "bytes", "warnings"} <= set(document["records"][0])
    assert document["records"][1]["warnings"] == [{"code": "odd", "message": "generated", "place": "/trials"}]
    assert document["licence"] == "CC-BY-4.0"


def test_show_of_a_dataset_that_is_not_here_yet_shows_the_catalogue(tmp_path, run) -> None:
    code, document = run("show", WORMS, "--root", tmp_path / "none")
    assert (code, document["dataset"], document["version"], document["records"]) == (0, WORMS, None, [])
    assert not (tmp_path / "none").exists()


def test_list_and_search_offer_the_catalogue_and_the_store(filled, run) -> None:
    _, rows = run("list", "--root", filled)
    by_name = {row["dataset"]: row for row in rows}
    assert set(by_name) >= {WORMS, "celegans-activity", "mni-template", DATASET}
    assert by_name[DATASET]["latest"] == "1.1.0"
    assert by_name[DATASET]["versions"] == ["1.0.0", "1.1.0"]
    assert set(by_name[WORMS]) >= {"dataset", "title", "kinds", "species", "licence", "versions", "latest"}
    assert {row["dataset"] for row in run("search", "--kind", "volume", "--root", filled)[1]} == {
        "celegans-activity",
        "mni-template",
        DATASET,
    }
    assert {row["dataset"] for row in run("search", "locust", "--root", filled)[1]} == {"grasshopper-spikes"}
    assert run("search", "nothing is called so", "--root", filled) == (0, [])


def test_facts_of_one_record_are_those_of_all(filled, run) -> None:
    _, of_all = run("facts", DATASET, "--root", filled)
    code, of_one = run("facts", DATASET, "--record", "animal-1", "--root", filled)
    assert code == 0
    assert of_one == of_all["animal-1"]
    assert of_one["/eeg"]["n_channels"] == 2
    assert of_one["/unit/spikes"]["n_events"] == 3
    assert of_one["/wiring"]["edges"]["chemical"]["n"] == 2
    assert of_one["/labels/mask"]["shape"] == [5, 6, 7]
    code, document = run("facts", DATASET, "--record", "animal-9", "--root", filled)
    assert (code, document["error"]["kind"]) == (1, "not-found")


def test_log_tag_and_diff_tell_of_versions(store, run) -> None:
    _, log = run("log", DATASET, "--root", store)
    assert [(item["version"], item["tags"], item["records"]) for item in log] == [
        ("1.1.0", ["latest"], 4),
        ("1.0.0", ["paper"], 3),
    ]
    assert log[0]["reasons"] == {"animal-3": ["added"]}
    _, diff = run("diff", DATASET, "paper", "latest", "--root", store)
    assert (diff["added"], diff["removed"], diff["changed"], diff["unchanged"]) == (["animal-3"], [], [], 3)
    code, tags = run("tag", f"{DATASET}@1.0.0", "first", "--root", store)
    assert (code, tags["tags"]) == (0, {"first": "1.0.0", "latest": "1.1.0", "paper": "1.0.0"})
    code, refused = run("tag", f"{DATASET}@1.1.0", "first", "--root", store)
    assert (code, refused["error"]["kind"]) == (1, "conflict")
    assert run("tag", f"{DATASET}@1.1.0", "first", "--move", "--root", store)[1]["tags"]["first"] == "1.1.0"
    assert run("show", f"{DATASET}@first", "--root", store)[1]["version"] == "1.1.0"


def test_cite_in_both_styles(filled, run) -> None:
    for style, expected in (("text", "Doe, J."), ("bibtex", "@")):
        _, document = run("cite", DATASET, "--style", style, "--root", filled)
        assert document["style"] == style
        assert expected in document["citation"]
    assert "Nature" in run("cite", WORMS, "--root", filled)[1]["citation"]


def test_verify_finds_any_damage_and_exits_1(store, run, capsys) -> None:
    code, document = run("verify", DATASET, "--root", store)
    assert (code, document["ok"], document["damaged"], document["records"]) == (0, True, [], 4)
    file = next((store / DATASET / "records" / "animal-2").iterdir())
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    next((store / DATASET / "records" / "animal-1").iterdir()).unlink()
    code, document = run("verify", DATASET, "--root", store)
    assert (code, document["ok"]) == (1, False)
    assert [(item["record"], item["what"]) for item in document["damaged"]] == [
        ("animal-1", "missing"),
        ("animal-2", "bytes"),
    ]
    assert main(["verify", DATASET, "--root", str(store)]) == 1
    assert "2 damaged" in capsys.readouterr().out
    code, document = run("doctor", "--root", store)
    assert (code, document["ok"]) == (1, False)
    assert {item["name"]: item["state"] for item in document["checks"]}[DATASET] == "problem"


def test_split_makes_proves_and_stores_a_split(store, run) -> None:
    words = ("split", DATASET, "--by", "record", "--fractions", "train=0.5,test=0.5", "--seed", 3, "--root", store)
    before = contents(store)
    code, dry = run(*words, "--dry-run")
    assert (code, contents(store)) == (0, before)
    code, made = run(*words)
    assert (code, made["version"], made["records"]) == (0, "1.1.1", dry["records"])
    assert sum(made["sizes"].values()) == 4
    assert made["proof"]
    assert list(run("show", DATASET, "--root", store)[1]["splits"]) == ["default"]
    assert run(*words)[1]["version"] == "1.1.1", "the same split again is no new version"
    code, refused = run("split", DATASET, "--by", "no_such_column", "--fractions", "train=1", "--root", store)
    assert code in {1, 2}
    assert refused["error"]["message"]


def test_export_writes_a_record_in_another_format(filled, run, tmp_path) -> None:
    words = ("export", DATASET, "--record", "animal-1", "--root", filled)
    code, document = run(*words, "--to", "zarr", tmp_path / "plain.zarr")
    assert code == 0
    assert Path(document["path"]).is_dir()
    code, document = run(*words, "--to", "csv", "--group", "trials", tmp_path / "trials.csv")
    assert code == 0
    assert (
        Path(document["path"]).read_text()
        == "good,group,onset,side\nTrue,one,0.1,left\nFalse,,0.3333333333333333,\nTrue,two,,right\n"
    )
    code, document = run(*words, "--to", "csv", "--group", "trials", tmp_path / "trials.csv")
    assert (code, "error" in document) == (1, True) or code == 2
    code, document = run(*words, "--to", "telegraph", tmp_path / "x")
    assert (code, document["error"]["kind"]) == (2, "usage")


def test_publish_lists_what_it_would_send_and_sends_nothing(store, run, tmp_path) -> None:
    code, document = run("publish", f"{DATASET}@1.1.0", "--to", "hf://datasets/nobody/none", "--dry-run",
                         "--folder", tmp_path / "card", "--root", store)  # fmt: skip
    assert code == 0
    names = {item["path"]: item["bytes"] for item in document["files"]}
    assert "README.md" in names
    assert {path: (tmp_path / "card" / path).stat().st_size for path in names} == names


def test_pull_copies_a_version_from_another_root(filled, run, tmp_path) -> None:
    code, document = run("pull", f"{DATASET}@1.0.0", "--from", filled, "--root", tmp_path / "mine")
    assert code == 0
    assert (document["version"], len(document["copied"])) == ("1.0.0", 3)
    assert run("verify", DATASET, "--root", tmp_path / "mine")[1]["ok"]
    code, document = run("pull", f"{DATASET}@9.0.0", "--from", filled, "--root", tmp_path / "other")
    assert (code, document["error"]["kind"]) == (1, "not-found")
    assert not (tmp_path / "other").exists()


def test_gc_removes_what_no_version_lists_once_it_is_old(store, run) -> None:
    stray = store / DATASET / "records" / "animal-0" / "0123456789abcdef.zarr.zip"
    stray.write_bytes(b"left by a kill")
    listed = stray.relative_to(store).as_posix()
    _, young = run("gc", "--root", store)
    assert (young["removed"], young["kept_young"]) == ([], 1)
    _, dry = run("gc", "--grace-s", 0, "--dry-run", "--root", store)
    assert (dry["removed"], stray.exists()) == ([listed], True)
    _, done = run("gc", "--grace-s", 0, "--root", store)
    assert (done["removed"], stray.exists()) == ([listed], False)
    assert run("verify", DATASET, "--root", store)[1]["ok"]


@pytest.mark.parametrize("verb", ["list", "gc", "doctor", "plan"])
def test_a_root_that_does_not_exist_is_not_made_by_looking(verb, run, tmp_path) -> None:
    root = tmp_path / "none" / "root"
    code, _ = run(verb, *READING[verb], "--root", root)
    assert code == 0
    assert not (tmp_path / "none").exists()


def test_other_things_in_a_root_are_left_alone(store, run) -> None:
    (store / "lost+found").mkdir()
    (store / "notes of mine.txt").write_text("do not touch")
    (store / "my folder" / "records" / "x").mkdir(parents=True)
    (store / "my folder" / "records" / "x" / "y.zarr.zip").write_text("mine")
    assert {row["dataset"] for row in run("list", "--root", store)[1] if row["latest"]} == {DATASET}
    _, done = run("gc", "--grace-s", 0, "--root", store)
    assert done["removed"] == []
    assert (store / "lost+found").is_dir()
    assert (store / "my folder" / "records" / "x" / "y.zarr.zip").is_file()


# Ingest


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


# Import


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    """A generated list of edges in the form of NemaNode."""
    path = tmp_path / "edges of mine.tsv"
    path.write_text("pre\tpost\ttype\tsynapses\nAVAL\tAVAR\tchemical\t3\nAVAL\tVA01\telectrical\t1\n")
    return path


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
    "worm/openworm/*.xls": "celegans-table", "worm/randi2023/*.xlsx": "celegans-table",
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
        "vessel/vesselgraph_example/example_edges.csv",
        "eeg/mne_bids_tiny/participants.tsv",
        "neuropixels/stevenson_m1/m1_stevenson_2011.mat",
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
    ],
)
def test_real_files_are_imported_without_naming_a_format(path, data_dir, run, tmp_path) -> None:
    code, document = run("import", data_dir / path, "--dataset", "mine", "--root", tmp_path / "root")
    assert code == 0, document
    assert len(document["added"]) == 1
    code, document = run("verify", "mine", "--root", tmp_path / "root")
    assert (code, document["ok"]) == (0, True)
    assert str(data_dir) not in (tmp_path / "root" / "mine" / "versions" / "1.0.0.json").read_text()


# Wrong usage, and where the root is


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

    monkeypatch.setattr("connectome.store.atomic.publish", full)
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
