"""Every verb of the command: one JSON document and nothing else, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import connectome
from connectome.pipelines.cli import VERBS, main
from support.command_line import DATASET, WORMS
from support.ingesting import contents, snapshot

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
    "privacy": [DATASET],
}
"""Verbs that leave the root alone when called so."""


def test_every_verb_is_tested_here() -> None:
    assert set(VERBS) == set(READING) | {"export", "publish", "pull", "report"}


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
        "ideas-epilepsy",
        "mni-template",
        "unam-temporal-lobe-epilepsy",
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
