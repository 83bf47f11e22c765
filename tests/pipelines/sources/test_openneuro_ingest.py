"""``connectome plan`` and ``ingest`` of any dataset of OpenNeuro by its accession, from a bucket served on loopback."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest

import connectome
from connectome.errors import FetchError, LeakError, NotFoundError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.datasets import open_sources
from connectome.pipelines.fetch.cache import Cache
from connectome.pipelines.ingest import ingest
from connectome.pipelines.jobs import RawFiles
from connectome.pipelines.planning import plan
from connectome.pipelines.publish.permission import licences_of, obstacles
from connectome.pipelines.sources import load_source, openneuro_listing
from connectome.pipelines.sources.linked_people import LINKED
from connectome.pipelines.sources.openneuro_accession import HOW_TO, OpenNeuroAccession
from connectome.splits import GroupedSplit, prove
from connectome.store import Repository
from connectome.store.collect import collect
from connectome.store.digest import array_digests
from connectome.store.index import index_of
from support import bids_trees, eeg_files
from support.doc_pages import PROJECT, anchors_of
from support.http_server import HttpServer
from support.ingesting import snapshot
from support.openneuro_bucket import CHANGED, eeg_dataset, page, serve

ACCESSION = "ds900001"
NAME = f"openneuro-{ACCESSION}"
RUNS = ("sub-01_task-rest_run-1", "sub-01_task-rest_run-2", "sub-02_task-rest_run-1")


@pytest.fixture
def served(tmp_path):
    """Three runs of two people, as the publisher has them."""
    return eeg_dataset(tmp_path / "bucket" / ACCESSION, {"sub-01": 2, "sub-02": 1})


@pytest.fixture
def publish(http_server, monkeypatch):
    """Return what lets the bucket hold folders named like accessions."""

    def publish(*roots, **options):
        monkeypatch.setattr(openneuro_listing, "ADDRESS", serve(http_server, *roots, **options))

    return publish


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "root")


@pytest.fixture
def run(repository, capsys):
    """Run the command with ``--json``; return its exit code and document."""

    def run(*words):
        code = main([*map(str, words), "--json", "--quiet", "--root", str(repository.path)])
        return code, json.loads(capsys.readouterr().out)

    return run


def edf(served, person, number):
    return served / person / "eeg" / f"{person}_task-rest_run-{number}_eeg.edf"


def asked(http_server, suffix):
    return [seen.path for seen in http_server.log if seen.path.endswith(suffix)]


def test_a_plan_asks_what_there_is_and_writes_nothing(served, publish, http_server, repository, run):
    publish(served)
    code, told = run("plan", NAME)
    assert code == 0
    assert [(item["record"], item["action"]) for item in told["records"]] == [(name, "make") for name in RUNS]
    signals = [file for file in told["files"] if not file["asked"]]
    assert [file["path"].rpartition("/")[2] for file in signals] == [f"{name}_eeg.edf" for name in RUNS]
    tables = sum(file["size_bytes"] for file in told["files"] if file["asked"])
    assert told["fetch_bytes"] == tables > 0
    assert (told["listing"]["accession"], told["listing"]["changed_at"]) == (ACCESSION, CHANGED)
    code, wanted = run("plan", NAME, "--signals", "sub-02*")
    assert wanted["fetch_bytes"] - tables == edf(served, "sub-02", 1).stat().st_size
    assert snapshot(repository.path) == {}
    assert {seen.path for seen in http_server.log} == {"/"}


def test_tables_are_always_taken_and_signals_where_they_are_asked_for(served, publish, http_server, run, repository):
    publish(served)
    code, made = run("ingest", NAME)
    assert (code, made["added"], made["version"]) == (0, list(RUNS), "1.0.0")
    assert asked(http_server, ".edf") == []
    assert {item["kind"] for item in made["rejected"]} == {"not-asked", "not-data"}
    bare = connectome.open(NAME, root=repository.path).open(RUNS[0])
    assert "signal" not in bare.children
    (size,) = bare["recording"]["size_bytes"].values
    assert size == edf(served, "sub-01", 1).stat().st_size
    assert bare["events"]["onset_s"].values.tolist() == [0.1]
    assert "linked_subjects" not in bare.attrs

    code, more = run("ingest", NAME, "--signals", "*run-1")
    assert (sorted(more["changed"]), more["reused"]) == ([RUNS[0], RUNS[2]], [RUNS[1]])
    assert len(asked(http_server, ".edf")) == 2
    version = connectome.open(NAME, root=repository.path)
    for record, person in ((RUNS[0], 0), (RUNS[2], 1)):
        signal = version.open(record)["signal"]["signal"].values
        assert signal.tolist() == [[1, 2, 3, person] * 3]

    again = run("ingest", NAME)[1]
    assert (again["created"], again["version"], again["bytes_downloaded"]) == (False, more["version"], 0)
    held = {file["path"].rpartition("/")[2]: file["asked"] for file in run("plan", NAME)[1]["files"]}
    assert [held[f"{name}_eeg.edf"] for name in RUNS] == [True, False, True]
    code, dropped = run("ingest", NAME, "--signals", "none")
    assert (sorted(dropped["changed"]), dropped["digest"]) == ([RUNS[0], RUNS[2]], made["digest"])
    assert len(http_server.requests("/")) == 1


def test_a_version_says_what_the_dataset_says_of_itself_and_which_list_it_is_of(served, publish, run, repository):
    publish(served)
    made = run("ingest", NAME)[1]
    shown = run("show", NAME)[1]
    assert (shown["title"], shown["licence"], shown["digest"]) == ("Generated", "CC0-1.0", made["digest"])
    listing = shown["listing"]
    assert (listing["snapshot"], listing["origin"], listing["n_files"]) == ("1.0.5", "bucket", 15)
    assert listing["address"] == openneuro_listing.ADDRESS
    assert (
        f"Ada Ada, & Bob Bob (2022). Generated. https://doi.org/10.18112/openneuro.{ACCESSION}.v1.0.5"
        in (shown["citation"])
    )
    for words in (("list",), ("search", "openneuro", "--kind", "table", "--species", "Homo sapiens")):
        rows = run(*words)[1]
        (row,) = [row for row in rows if row["dataset"] == NAME]
        assert (row["title"], row["licence"], row["latest"]) == ("Generated", "CC0-1.0", "1.0.0")
    assert run("verify", NAME)[1]["ok"]
    record = connectome.open(NAME, root=repository.path).open(RUNS[0])
    assert {name: record.attrs[name] for name in ("accession", "licence", "doi", "subject")} == {
        "accession": ACCESSION, "licence": "CC0-1.0", "doi": f"10.18112/openneuro.{ACCESSION}.v1.0.5",
        "subject": "sub-01",
    }  # fmt: skip
    assert {item["verified"] for item in repository.latest(NAME).records[RUNS[0]].recipe["inputs"]} == {True}


def test_what_a_dataset_does_not_say_stays_unknown_and_is_not_passed_on(tmp_path, publish, run, repository):
    root = eeg_dataset(
        tmp_path / "bucket" / ACCESSION, {"sub-01": 1}, Name=None, License=None, Authors=None,
        DatasetDOI="doi:10.18112/openneuro.ds000002.v1.0.5", HowToAcknowledge="Cite\nus",
    )  # fmt: skip
    publish(root)
    assert run("ingest", NAME)[0] == 0
    shown = run("show", NAME)[1]
    assert (shown["title"], shown["licence"]) == (ACCESSION, "none-stated")
    assert "snapshot" not in shown["listing"]
    assert f"Anonymous (n.d.). {ACCESSION}." in shown["citation"]
    version = connectome.open(NAME, root=repository.path)
    assert version.manifest.about["description"] == "How to acknowledge it: Cite us"
    assert licences_of(version) == {"sub-01_task-rest_run-1": ("none-stated",)}
    assert [item.licence for item in obstacles(version)] == ["none-stated"]
    assert "year" not in version.cite("bibtex")
    code, told = run("publish", f"{NAME}@1.0.0", "--to", "hf://somebody/something", "--keep-identifying")
    assert (code, told["error"]["message"]) == (2, "the licences of some records do not allow to pass them on")
    title = version.open("sub-01_task-rest_run-1").attrs["title"]
    assert title == f"sub-01_task-rest_run-1 of openneuro_{ACCESSION}"


def test_an_interrupted_ingest_goes_on_with_the_list_that_it_began_with(served, publish, http_server, run, repository):
    publish(served)
    broken = f"/{ACCESSION}/participants.tsv"
    http_server.put(broken, HttpServer.Answer(status=404))
    code, told = run("ingest", NAME)
    assert (code, told["error"]["kind"]) == (1, "fetch")
    assert "404" in json.dumps(told)
    fetched = len(http_server.log)
    http_server.put(broken, (served / "participants.tsv").read_bytes())
    # Neither garbage collection nor a person that the publisher adds meanwhile changes the list.
    collect(repository, grace_s=0)
    http_server.put("/", page((f"{ACCESSION}/sub-03/eeg/sub-03_task-rest_eeg.edf", 5, "0" * 32)))
    code, made = run("ingest", NAME)
    assert (code, made["added"]) == (0, list(RUNS))
    assert [seen.path for seen in http_server.log[fetched:]] == [broken]


def test_another_list_is_taken_only_when_it_is_asked_for(served, publish, http_server, run):
    publish(served)
    first = run("ingest", NAME)[1]
    before = run("show", NAME)[1]["listing"]
    same = run("ingest", NAME, "--relist")[1]
    assert (same["created"], len(http_server.requests("/"))) == (False, 2)
    (served / "sub-02/eeg/sub-02_task-rest_run-1_events.tsv").write_text("onset\tduration\ttrial_type\n0.5\t0\tstop\n")
    eeg_files.edf(edf(served, "sub-02", 2), signals=[eeg_files.ONE], records=[[[9, 2, 3, 4]]])
    publish(served)
    assert run("ingest", NAME)[1]["created"] is False
    assert run("plan", NAME, "--relist")[1]["listing"]["n_files"] == before["n_files"] + 1
    changed = run("ingest", NAME, "--relist")[1]
    assert (changed["added"], changed["changed"]) == (["sub-02_task-rest_run-2"], [RUNS[2]])
    after = run("show", NAME)[1]["listing"]
    assert (after["n_files"], after["sha256"] == before["sha256"]) == (before["n_files"] + 1, False)
    assert (first["version"], changed["version"]) == ("1.0.0", "2.0.0")


@pytest.mark.parametrize(
    "answer",
    [HttpServer.Answer(b"participant_id\n"), HttpServer.Answer(b"participant_id\tage\nsub-99\t30\nsub-98\t31\n")],
    ids=["shorter", "as long"],
)
def test_bytes_that_are_not_those_of_the_list_are_refused_with_advice(
    served, publish, http_server, repository, capsys, answer
):
    publish(served)
    http_server.put(f"/{ACCESSION}/participants.tsv", answer)
    assert main(["ingest", NAME, "--json", "--root", str(repository.path)]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["kind"] == "checksum"
    assert "--relist" in said.err
    assert f"list     1/1  {ACCESSION}  15 files, listed " in said.err
    assert repository.versions(NAME) == []


def test_a_file_cut_by_its_publisher_is_turned_away_and_the_others_are_made(served, publish, run):
    path = edf(served, "sub-01", 2)
    path.write_bytes(path.read_bytes()[:300])
    publish(served)
    code, made = run("ingest", NAME, "--signals", "*")
    assert (code, made["added"]) == (0, [RUNS[0], RUNS[2]])
    (told,) = [item for item in made["rejected"] if item["file"].endswith("run-2_eeg.edf")]
    assert told["kind"] in {"truncated", "format"}
    assert "/tmp" not in json.dumps(made["rejected"])


def test_a_transfer_that_is_cut_is_taken_up_again(served, publish, http_server, run):
    publish(served)
    path = edf(served, "sub-02", 1)
    whole = HttpServer.Answer(path.read_bytes(), etag='"1"')
    cut = HttpServer.Answer(path.read_bytes(), etag='"1"', cut_after=200)
    http_server.put(f"/{ACCESSION}/{path.relative_to(served).as_posix()}", cut, whole)
    code, made = run("ingest", NAME, "--signals", "sub-02*")
    assert (code, len(made["added"])) == (0, 3)
    assert http_server.requests(f"/{ACCESSION}/{path.relative_to(served).as_posix()}")[1].range == "bytes=200-"


def test_errors_are_clear(tmp_path, publish, http_server, monkeypatch, run, repository):
    root = bids_trees.write(
        tmp_path / "bucket" / ACCESSION,
        {"dataset_description.json": {"Name": "Images", "BIDSVersion": "1.8.0"},
         "sub-01/anat/sub-01_T1w.nii.gz": np.zeros((2, 2, 2), np.int16)},
    )  # fmt: skip
    publish(root)
    for verb in ("plan", "ingest"):
        code, told = run(verb, NAME)
        assert (code, told["error"]["kind"]) == (1, "not-found")
        assert told["error"]["message"] == "the dataset has no recording of EEG, iEEG or MEG"
        assert told["error"]["found"] == "1 file in folders anat"
        assert HOW_TO in told["error"]["hint"]
    page_name, _, anchor = HOW_TO.partition("#")
    assert anchor in anchors_of(PROJECT / page_name)
    http_server.put("/", page())
    code, told = run("plan", "openneuro-ds900002")
    assert (code, told["error"]["message"]) == (1, "OpenNeuro has no such dataset")
    http_server.put("/", page(("ds900002/../../x", 1, "")))
    code, told = run("ingest", "openneuro-ds900002")
    assert (code, told["error"]["kind"]) == (1, "unsafe")
    monkeypatch.setattr(openneuro_listing, "_content", _no_network)
    code, told = run("ingest", "openneuro-ds900002")
    assert (code, told["error"]["kind"]) == (1, "fetch")
    code, told = run("show", "openneuro-ds900002")
    assert (code, "connectome ingest openneuro-ds900002" in told["error"]["hint"]) == (1, True)
    assert run("plan", "openneuro-ds9002")[1]["error"]["message"] == "no such dataset in the catalogue"
    assert repository.datasets() == []
    with pytest.raises(NotFoundError, match="unknown source"):
        load_source("openneuro_ds9002")


def _no_network(client, url, accession, at, patience):
    # The real function, of a port at which nobody listens.
    from connectome.pipelines.fetch.patience import Patience

    return REAL(client, "http://127.0.0.1:9/", accession, at, Patience(retries=0))


REAL = openneuro_listing._content


def test_globs_that_match_nothing_and_datasets_without_signals_are_told(served, publish, repository):
    publish(served)
    with pytest.raises(NotFoundError, match="no recording matches"):
        ingest(repository, NAME, signals="sub-09*")
    with pytest.raises(NotFoundError, match="no record matches"):
        plan(repository, NAME, select="sub-09*")
    with pytest.raises(UsageError, match="no signals that could be left aside"):
        plan(repository, "ecog-demo", signals="none")
    known = plan(repository, "hup-ieeg", signals="none")
    assert sum(not file.asked for file in known.files) == 319
    assert all(file.asked for file in plan(repository, "hup-ieeg").files)


def test_selected_records_are_made_and_the_others_stay(served, publish, http_server, run):
    publish(served)
    code, made = run("ingest", NAME, "--select", "sub-02*", "--signals", "*")
    assert (code, made["added"]) == (0, [RUNS[2]])
    assert [item for item in made["rejected"] if item["kind"] == "not-asked"] == []
    assert asked(http_server, "sub-01_task-rest_run-1_events.tsv") == []
    code, more = run("ingest", NAME, "--select", "sub-01*")
    assert (more["added"], more["version"]) == ([RUNS[0], RUNS[1]], "1.1.0")
    assert more["census"]["seen"] == more["census"]["used"] + more["census"]["rejected"]


def test_workers_know_the_source_by_its_id_and_make_the_same(served, publish, repository, tmp_path):
    publish(served)
    here = ingest(repository, NAME, signals="*")
    there = ingest(Repository(tmp_path / "other"), NAME, signals="*", runner="processes", workers=2)
    assert (here.digest, here.added) == (there.digest, there.added)
    (source,) = open_sources(repository, NAME)
    cache = Cache(repository.raw)
    raw = RawFiles([found for file in source.files() if (found := cache.peek(file)) is not None])
    job = next(job for job in source.discover(raw).jobs if job.record == RUNS[0])
    alone = load_source(source.id).read(pickle.loads(pickle.dumps(job)))
    assert alone["signal"]["signal"].values.tolist() == [[1, 2, 3, 0] * 3]
    assert load_source(source.id).expected() == source.expected()


def test_the_tasks_of_a_flow_go_by_the_list_that_is_kept(served, publish, repository, tmp_path, http_server):
    flows = pytest.importorskip("connectome.pipelines.flows")
    publish(served)
    plain = ingest(Repository(tmp_path / "plain"), NAME, signals="sub-02*")
    root = str(repository.path)
    (source,) = open_sources(repository, NAME)
    fetched = flows.fetch_task.fn(root, source.id, None, None, False, "sub-02*")
    found = flows.discover_task.fn(root, source.id, fetched, None)
    outcomes = flows.make_task.fn(root, NAME, source.id, found, "serial", None)
    commit = flows.commit_task.fn(root, NAME, outcomes, [found], None)
    assert commit.manifest.digest == plain.digest
    assert commit.manifest.about["listing"]["sha256"] == source.listing.sha256
    assert len(http_server.requests("/")) == 2


def test_people_whose_files_cannot_be_told_apart_do_not_stop_the_others(served, publish, run):
    bids_trees.write(
        served,
        {"sub-02/eeg/sub-02_task-rest_eeg.json": {"TaskName": "rest"},
         "sub-02/eeg/sub-02_run-1_eeg.json": {"TaskName": "rest"},
         "sub-03/eeg/sub-03_task-a+b_channels.tsv": "name\ttype\tunits\nEEG Fz\tEEG\tuV\n",
         "derivatives/x/sub-01/eeg/sub-01_task-rest_desc-clean_eeg.json": {},
         "derivatives/dataset_description.json": {}},
    )  # fmt: skip
    eeg_files.edf(served / "sub-03/eeg/sub-03_task-a+b_eeg.edf", signals=[eeg_files.ONE], records=[[[1, 2, 3, 4]]])
    publish(served)
    code, made = run("ingest", NAME)
    assert (code, made["added"]) == (0, [RUNS[0], RUNS[1]])
    reasons = {item["file"].removeprefix(f"openneuro_{ACCESSION}/"): item["reason"] for item in made["rejected"]}
    assert "two sidecars of one folder are about the same file" in reasons["sub-02/"]
    assert "no record can be called sub-03_task-a+b" in reasons["sub-03/eeg/sub-03_task-a+b_eeg.edf"]
    assert reasons["derivatives/"].startswith("2 files, ")
    assert reasons["README"] == "it is about no recording"


def test_runs_of_one_name_and_two_datatypes_are_two_records(tmp_path, publish, run, repository):
    root = eeg_dataset(tmp_path / "bucket" / ACCESSION, {"sub-01": 1})
    stem = "sub-01/ieeg/sub-01_task-rest_run-1"
    bids_trees.write(root, {f"{stem}_channels.tsv": "name\ttype\tunits\nEEG Fz\tSEEG\tuV\n"})
    eeg_files.edf(root / f"{stem}_ieeg.edf", signals=[eeg_files.ONE], records=[[[5, 6, 7, 8]]])
    publish(root)
    code, made = run("ingest", NAME, "--signals", "*_ieeg")
    assert (code, made["added"]) == (0, ["sub-01_task-rest_run-1_eeg", "sub-01_task-rest_run-1_ieeg"])
    version = connectome.open(NAME, root=repository.path)
    assert version.open("sub-01_task-rest_run-1_ieeg")["signal"]["signal"].values.tolist() == [[5, 6, 7, 8]]
    assert "signal" not in version.open("sub-01_task-rest_run-1_eeg").children


def test_files_laid_in_parts_and_a_list_of_the_name_of_ours_are_told(tmp_path, publish, run, repository):
    root = eeg_dataset(tmp_path / "bucket" / ACCESSION, {"sub-01": 1})
    (root / "annex_index.tsv").write_text("path\tbytes\n/etc/passwd\t1\n")
    publish(root, in_parts=lambda path: path.suffix == ".edf")
    assert run("ingest", NAME, "--signals", "*")[0] == 0
    (receipt,) = repository.latest(NAME).records.values()
    unverified = [item["path"] for item in receipt.recipe["inputs"] if not item["verified"]]
    assert [path.rpartition("/")[2] for path in unverified] == ["sub-01_task-rest_run-1_eeg.edf"]
    assert "annex_index.tsv" not in json.dumps(receipt.recipe)


def test_nobody_of_ds003876_and_ds003029_is_parted_from_the_same_person(tmp_path, publish, repository):
    shared = [dict(name.split(":") for name in names) for names in LINKED if names[0].startswith("ds003029:")]
    assert len(shared) == 5
    others = {"ds003029": ["sub-pt6", "sub-umf001"], "ds003876": ["sub-rns002", "sub-la01"]}
    indexes = []
    for accession, alone in others.items():
        people = [pair[accession] for pair in shared] + alone
        root = eeg_dataset(tmp_path / "bucket" / accession, dict.fromkeys(people, 1), Name=accession)
        publish(root)
        ingest(repository, f"openneuro-{accession}")
        index = index_of(repository.latest(f"openneuro-{accession}"))
        indexes.append(index.assign(record=accession + ":" + index["record"], content=accession + index["record"]))
    index = pd.concat(indexes, ignore_index=True)
    assert set(index["source"]) == {"openneuro_ds003029", "openneuro_ds003876"}
    for seed in range(20):
        # By source and subject: equal names alone keep nobody together.
        split = GroupedSplit(by=("source", "subject"), fractions={"train": 0.5, "test": 0.5}, seed=seed).assign(index)
        part = {record: name for name in split.parts for record in split.records(name)}
        assert set(part.values()) == {"train", "test"}
        for pair in shared:
            names = {part[f"{accession}:{name}_task-rest_run-1"] for accession, name in pair.items()}
            assert len(names) == 1
        assert "nobody of several names is in two parts (5 sets of records)" in prove(split, index).proved
    unaware = index.drop(columns="linked_subjects")
    torn = GroupedSplit(by=("source", "subject"), fractions={"train": 0.5, "test": 0.5}, seed=1).assign(unaware)
    with pytest.raises(LeakError, match="that belong together in two parts"):
        prove(torn, index)


def test_a_copy_is_ingested_where_there_is_no_network(served, publish, http_server, tmp_path, run):
    publish(served)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / f"openneuro_{ACCESSION}").symlink_to(served)
    code, made = run("ingest", NAME, "--mirror", mirror, "--signals", "sub-02*")
    assert (code, made["added"]) == (0, list(RUNS))
    assert run("show", NAME)[1]["listing"]["origin"] == "copy"
    assert http_server.log == []
    for nowhere in (tmp_path, "http://127.0.0.1:9"):
        code, told = run("ingest", "openneuro-ds900002", "--mirror", nowhere)
        assert told["error"]["message"] == "the mirror does not say which files the dataset has"


def test_the_real_tables_of_ds003029_give_its_runs(data_dir, tmp_path, run, repository, capsys):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "openneuro_ds003029").symlink_to(data_dir / "eeg" / "openneuro_ds003029_meta")
    chosen = "sub-pt01*,sub-jh103*,sub-pt17*"
    assert run("ingest", "openneuro-ds003029", "--mirror", mirror, "--select", chosen)[0] == 0
    planned = run("plan", "openneuro-ds003029")[1]
    assert len(planned["records"]) == 106
    assert len({item["record"].partition("_")[0] for item in planned["records"]}) == 35
    assert planned["listing"]["bytes"] > 10_000_000_000
    version = connectome.open("openneuro-ds003029", root=repository.path)
    index = index_of(version.manifest).set_index("subject")["linked_subjects"].dropna()
    assert set(index.loc["sub-pt01"]) == {"ds003029:sub-pt01 ds003876:sub-pt1"}
    assert set(index.index) == {"sub-pt01", "sub-jh103"}
    record = version.open("sub-pt01_ses-presurgery_task-ictal_acq-ecog_run-01")
    assert set(record["events"]["label"].values.tolist()) >= {"seizure_onset", "seizure_offset"}
    assert version.manifest.about["sources"][0]["citation"][0]["year"] == 2022
    # Records of the source of the catalogue, which has a list of its own, hold the same.
    ingest(repository, "fragility-ieeg", select="sub-pt01*run-01", mirror=data_dir / "eeg", allow_missing=True)
    other = connectome.open("fragility-ieeg", root=repository.path)
    (name,) = other.manifest.records
    assert array_digests(other.open(name)) == array_digests(version.open(name))
    assert main(["plan", "openneuro-ds003029", "--root", str(repository.path)]) == 0
    assert "the catalogue has ds003029 as fragility-ieeg" in capsys.readouterr().err


def test_a_kept_list_is_the_source_for_tasks_and_no_list_is_told():
    with pytest.raises(UsageError, match="not listed"):
        OpenNeuroAccession(f"openneuro_{ACCESSION}").files()


def test_a_listed_file_that_is_gone_can_be_gone_without_only_by_saying_so(served, publish, http_server, repository):
    publish(served)
    http_server.put(f"/{ACCESSION}/{edf(served, 'sub-02', 1).relative_to(served)}", HttpServer.Answer(status=404))
    with pytest.raises(FetchError) as raised:
        ingest(repository, NAME, signals="*")
    assert any("--relist" in note for note in raised.value.__notes__)
    made = ingest(repository, NAME, signals="*", allow_missing=True)
    assert made.added == RUNS
    assert [item["kind"] for item in made.rejected if item["file"].endswith(".edf")] == ["unavailable"]
