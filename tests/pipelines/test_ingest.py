"""Plan and ingest: what is done, what is left alone, what is refused, and that it is the same everywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from connectome.errors import ChecksumError, FactsError, FetchError, FormatError, NotFoundError, UsageError
from connectome.pipelines.ingest import fetch_source, ingest
from connectome.pipelines.jobs import Expected, RawFiles, Rejected
from connectome.pipelines.planning import discover, plan
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.cook2019 import Cook2019
from connectome.pipelines.sources.white1986 import White1986
from connectome.store import Repository, open_version
from support import generated_source, killing
from support.generated_source import DATASET, Generated, facts
from support.ingesting import contents, snapshot

WORMS = "celegans-connectomes"
WHITE = "white1986-*"
NAMES = ("white1986-jse", "white1986-jsh", "white1986-n2u", "white1986-whole")
N_FILES = 6
"""Four edge lists, the list of cells, the positions."""


@pytest.fixture
def worms(data_dir: Path) -> Path:
    return data_dir / "worm"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "root")


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generated:
    return generated_source.register(tmp_path, monkeypatch)


def rejections(repository: Repository) -> dict[str, tuple[str, str]]:
    latest = repository.latest(DATASET)
    assert latest is not None
    return {item["file"]: (item["kind"], item["reason"]) for item in latest.rejected}


# Plan


def test_a_plan_says_what_would_be_fetched_and_made_and_writes_nothing(tmp_path, repository):
    found = plan(repository, WORMS, select=WHITE)
    assert not (tmp_path / "root").exists()
    assert found.latest is None
    assert len(found.files) == N_FILES
    assert not any(file.here for file in found.files)
    assert found.fetch_bytes == sum(file.size_bytes for file in found.files) == 231562
    assert [(item.record, item.action, item.why) for item in found.records] == [
        (name, "make", ("its files are to be fetched",)) for name in NAMES
    ]
    assert json.loads(json.dumps(found.as_dict()))["fetch_bytes"] == 231562


@pytest.mark.data
def test_a_plan_after_an_ingest_reuses_everything_until_a_reader_changes(worms, repository, monkeypatch):
    ingest(repository, WORMS, select=WHITE, mirror=worms)
    before = snapshot(repository.path)
    found = plan(repository, WORMS, select=WHITE)
    assert (found.latest, found.fetch_bytes) == ("1.0.0", 0)
    assert {(item.record, item.action, item.why) for item in found.records} == {
        (name, "reuse", ("same recipe",)) for name in NAMES
    }
    before_version = White1986.version
    monkeypatch.setattr(White1986, "version", "next")
    found = plan(repository, WORMS, select="white1986-jse")
    assert [(item.action, item.why) for item in found.records] == [
        ("make", (f"reader white1986 {before_version} became next",))
    ]
    assert snapshot(repository.path) == before


@pytest.mark.data
def test_a_plan_sees_a_source_whose_files_are_all_here_and_one_whose_are_not(worms, repository):
    ingest(repository, WORMS, select=WHITE, mirror=worms)
    found = {item.record: item for item in plan(repository, WORMS).records}
    assert {found[name].action for name in NAMES} == {"reuse"}
    assert found["cook2019-male"].why == ("its files are to be fetched",)


@pytest.mark.parametrize("step", [plan, ingest])
def test_a_selection_that_fits_no_record_is_refused_before_anything_is_written(step, repository):
    with pytest.raises(NotFoundError, match="no record matches"):
        step(repository, WORMS, select="white1986, cook")
    assert not repository.path.exists() or not contents(repository.path)


@pytest.mark.parametrize("step", [plan, ingest])
def test_a_dataset_that_the_catalogue_does_not_have_is_refused(step, repository):
    with pytest.raises(NotFoundError):
        step(repository, "celegans-connectome")
    assert not repository.path.exists()


# What is read


class _Opens:
    """Notes who opens which raw file; the audit hook stays for the rest of the process, so use it in a child."""

    def __init__(self, *folders: Path) -> None:
        self._folders = tuple(f"{folder}/" for folder in folders)
        self.seen: list[tuple[str, str]] = []
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open" and str(args[0]).startswith(self._folders):
            frame = sys._getframe(1)
            while frame.f_back is not None and "connectome" not in frame.f_globals.get("__name__", ""):
                frame = frame.f_back
            self.seen.append((str(args[0]), f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"))


@pytest.mark.data
def test_a_second_ingest_opens_raw_files_only_to_hash_them_and_never_the_mirror(worms, repository):
    first = ingest(repository, WORMS, select=WHITE, mirror=worms)

    def again() -> tuple[object, ...]:
        opens = _Opens(repository.raw, worms)
        result = ingest(repository, WORMS, select=WHITE, mirror=worms)
        return result, opens.seen

    result, seen = killing.undisturbed(again, root=repository.path).result
    files = [str(path) for path in (repository.raw).glob("*/*") if re.fullmatch("[0-9a-f]{64}", path.parent.name)]
    assert Counter(path for path, _ in seen) == dict.fromkeys(files, 1)
    assert {who for _, who in seen} == {"connectome.pipelines.fetch.checks.read_blocks"}
    assert (result.created, result.digest, result.reused) == (False, first.digest, NAMES)
    assert (result.bytes_downloaded, result.bytes_hashed) == (0, first.bytes_hashed)
    assert result.bytes_hashed == sum(Path(path).stat().st_size for path in files)


@pytest.mark.data
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count what a process reads")
def test_a_second_ingest_of_recordings_reads_no_more_than_checksums(worms, repository):
    """HDF5 and MATLAB files are opened by compiled code, so here the kernel's own count of bytes is the witness."""
    select = "zephir_demo,seeelegans2024-*,dag2023-2022-01-16-01"
    ingest(repository, "celegans-activity", select=select, mirror=worms)

    def again() -> tuple[int, object]:
        before = _bytes_read()
        result = ingest(repository, "celegans-activity", select=select, mirror=worms)
        return _bytes_read() - before, result

    n_read, result = killing.undisturbed(again, root=repository.path).result
    assert not result.created
    assert len(result.reused) == 6
    assert result.bytes_hashed > 5_000_000
    # Beyond the checksums: the version files, the catalogue, and the tables of contents that tell files apart.
    assert result.bytes_hashed <= n_read < result.bytes_hashed + 500_000


def _bytes_read() -> int:
    return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text()).group(1))


def test_a_second_ingest_never_calls_a_reader_and_writes_nothing(generated, repository):
    first = ingest(repository, DATASET)
    before = snapshot(repository.path)
    assert generated.n_reads == 3
    again = ingest(repository, DATASET)
    assert generated.n_reads == 3
    assert (again.created, again.version, again.digest) == (False, "1.0.0", first.digest)
    assert again.reused == ("animal-1", "animal-2", "animal-3")
    assert snapshot(repository.path) == before


@pytest.mark.data
def test_a_cached_file_that_was_damaged_is_fetched_again(worms, repository):
    first = ingest(repository, WORMS, select="white1986-jse", mirror=worms)
    file = next(repository.raw.glob("*/white_1986_jse.csv"))
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b"1", b"2"))
    again = ingest(repository, WORMS, select="white1986-jse", mirror=worms)
    assert again.digest == first.digest
    assert again.bytes_downloaded == file.stat().st_size


# Selection


@pytest.mark.data
def test_selected_records_are_added_and_the_others_stay_as_they_are(worms, repository):
    first = ingest(repository, WORMS, select="white1986-jse, white1986-n2u", mirror=worms)
    assert (first.added, first.census.seen) == (("white1986-jse", "white1986-n2u"), 4)
    second = ingest(repository, WORMS, select="white1986-j*", mirror=worms)
    assert (second.version, second.added, second.reused) == ("1.1.0", ("white1986-jsh",), ("white1986-jse",))
    assert (second.withdrawn, second.census) == ((), (5, 5, 0))
    third = ingest(repository, WORMS, select="*-whole", mirror=worms)
    assert (third.version, third.added, third.census.used) == ("1.2.0", ("white1986-whole",), N_FILES)
    assert tuple(open_version(WORMS, root=repository.path).records["record"]) == NAMES


@pytest.mark.data
def test_the_order_of_selections_does_not_change_the_outcome(worms, tmp_path):
    digests = set()
    for at, order in enumerate((("white1986-jse", "white1986-n2u"), ("white1986-n2u", "white1986-jse"))):
        for name in order:
            result = ingest(Repository(tmp_path / str(at)), WORMS, select=name, mirror=worms)
        digests.add(result.digest)
    assert len(digests) == 1


def test_a_record_that_its_source_no_longer_gives_is_withdrawn_but_not_by_a_selection(generated, repository):
    generated.optional = ("animal-3.txt",)
    ingest(repository, DATASET)
    (generated.folder / "animal-3.txt").unlink()
    generated.also_listed = ("animal-3.txt",)
    kept = ingest(repository, DATASET, select="animal-1")
    assert (kept.created, kept.withdrawn) == (False, ())
    for file in repository.raw.glob("*/animal-3.txt"):
        file.unlink()
    gone = ingest(repository, DATASET)
    assert (gone.version, gone.withdrawn) == ("2.0.0", ("animal-3",))
    assert rejections(repository)["generated/animal-3.txt"][0] == "unavailable"
    assert gone.census == (3, 2, 1)


def test_a_changed_file_changes_its_record_and_the_log_says_which(generated, repository):
    ingest(repository, DATASET)
    generated.write(animal_2="4 5 6")
    for file in repository.raw.glob("*/animal-2.txt"):
        file.unlink()
    result = ingest(repository, DATASET)
    assert (result.version, result.changed, result.reused) == ("2.0.0", ("animal-2",), ("animal-1", "animal-3"))
    (reason,) = repository.log(DATASET)[0].reasons["animal-2"]
    assert re.fullmatch(r"input generated/animal-2\.txt changed from [0-9a-f]{12} to [0-9a-f]{12}", reason)


# Where raw files come from


@pytest.mark.data
def test_a_mirror_may_be_a_url_and_is_asked_for_nothing_else(worms, tmp_path, http_server):
    by_url = ingest(Repository(tmp_path / "a"), WORMS, select="white1986-jse", mirror=http_server.serve_folder(worms))
    by_folder = ingest(Repository(tmp_path / "b"), WORMS, select="white1986-jse", mirror=worms)
    assert by_url.digest == by_folder.digest
    assert {seen.path for seen in http_server.log} == {
        "/white1986_witvliet2020/white_1986_jse.csv",
        "/neuron_metadata/all_cell_info.csv",
        "/neuron_metadata/LowResAtlasWithHighResHeadsAndTails.csv",
    }
    assert contents(tmp_path / "a" / WORMS / "records") == contents(tmp_path / "b" / WORMS / "records")


@pytest.mark.data
def test_a_mirror_with_wrong_bytes_is_refused_and_nothing_is_committed(worms, repository, http_server):
    http_server.serve_folder(worms)
    http_server.put("/white1986_witvliet2020/white_1986_jse.csv", b"N1\tN2\tType\tNr\nAVAL\tAVAR\tchemical\t1\n")
    with pytest.raises(ChecksumError, match=r"white_1986_jse\.csv"):
        ingest(repository, WORMS, select="white1986-jse", mirror=http_server.url)
    assert repository.latest(WORMS) is None
    whole = ingest(repository, WORMS, select="white1986-jse", mirror=worms)
    assert whole.bytes_downloaded == 1966, "what was whole had stayed"


@pytest.mark.data
def test_a_mirror_without_a_file_is_refused_unless_missing_files_are_allowed_and_then_told_of(worms, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "all_cell_info.csv").write_bytes((worms / "neuron_metadata" / "all_cell_info.csv").read_bytes())
    repository = Repository(tmp_path / "root")
    with pytest.raises(FetchError, match="the mirror does not have the file"):
        ingest(repository, WORMS, select="white1986-jse", mirror=mirror)
    assert repository.versions(WORMS) == []
    lists = worms / "white1986_witvliet2020" / "white_1986_jse.csv"
    (mirror / lists.name).write_bytes(lists.read_bytes())
    with pytest.raises(FetchError, match="LowResAtlas") as caught:
        ingest(repository, WORMS, select="white1986-jse", mirror=mirror)
    assert "--allow-missing" in caught.value.__notes__[0]
    result = ingest(repository, WORMS, select="white1986-jse", mirror=mirror, allow_missing=True)
    assert result.census == (3, 2, 1)
    (missing,) = result.rejected
    assert (missing["file"].rpartition("/")[2], missing["kind"]) == (
        "LowResAtlasWithHighResHeadsAndTails.csv",
        "unavailable",
    )
    with_all = ingest(repository, WORMS, select="white1986-jse", mirror=worms)
    assert (with_all.version, with_all.changed, with_all.census) == ("2.0.0", ("white1986-jse",), (3, 3, 0))


@pytest.mark.data
def test_files_that_are_useless_without_a_missing_one_are_told_of(data_dir, repository, tmp_path):
    """With --allow-missing an edge list without the list of cells is rejected, not lost."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for path in ("white1986_witvliet2020/white_1986_jse.csv", "neuron_metadata/all_cell_info.csv"):
        (mirror / Path(path).name).write_bytes((data_dir / "worm" / path).read_bytes())
    first = ingest(repository, WORMS, select="white1986-jse", mirror=mirror, allow_missing=True)
    assert first.census == (3, 2, 1)
    (mirror / "all_cell_info.csv").unlink()
    for file in repository.raw.glob("*/all_cell_info.csv"):
        file.unlink()
    found = discover(
        load_source("white1986"),
        RawFiles(fetch_source(repository, load_source("white1986"), mirror=mirror, allow_missing=True).files),
        select=None,
        missing=[Rejected("neuron_metadata/all_cell_info.csv", "not here", "unavailable")],
    )
    assert found.jobs == ()
    told = {item.file: item.reason for item in found.rejected}
    assert told["white1986_witvliet2020/white_1986_jse.csv"] == "not used without neuron_metadata/all_cell_info.csv"


# Bad input


def test_a_bad_file_is_rejected_with_its_reason_and_the_others_are_committed(generated, repository, tmp_path):
    generated.write(animal_2="4 five")
    (generated.folder / "notes.md").write_text("made up")
    result = ingest(repository, DATASET)
    assert result.added == ("animal-1", "animal-3")
    assert result.census == (4, 2, 2)
    kind, reason = rejections(repository)["generated/animal-2.txt"]
    assert kind == "format"
    assert reason.startswith("generated/animal-2.txt, somewhere: not a number")
    assert "'five'" in reason
    assert str(tmp_path) not in (repository.path / DATASET / "versions" / "1.0.0.json").read_text()
    again = ingest(repository, DATASET)
    assert (again.created, again.digest) == (False, result.digest)


def test_the_file_to_blame_is_found_by_its_name_alone(generated, repository):
    generated.write(animal_2="6 7", shared="1 2")
    ingest(repository, DATASET)
    found = rejections(repository)
    assert set(found) == {"generated/animal-2.txt"}, "the shared file serves the others"
    assert found["generated/animal-2.txt"][1].startswith("animal-2.txt: an unlucky sum")


def test_when_not_one_record_can_be_made_nothing_is_committed(generated, repository):
    generated.write(shared="1 x")
    with pytest.raises(FactsError, match="not one record") as caught:
        ingest(repository, DATASET)
    assert caught.value.found.startswith("generated/shared.txt: generated/shared.txt, somewhere: not a number")
    assert repository.versions(DATASET) == []


def test_two_records_that_fail_on_one_file_both_keep_their_reasons(generated, repository, monkeypatch):
    generated.write(shared="1 2")
    kind = type(sys.modules["connectome.pipelines.sources.generated_for_tests"].GeneratedSource())

    def read(self, job):
        if job.record != "animal-3":
            raise FormatError("no part of this record's", subject="generated/shared.txt", place=job.record)
        return original(self, job)

    original = kind.read
    monkeypatch.setattr(kind, "read", read)
    result = ingest(repository, DATASET)
    found = rejections(repository)
    assert result.added == ("animal-3",)
    assert found["generated/animal-1.txt"][1].startswith("the record animal-1 could not be made")
    assert found["generated/animal-2.txt"][1].startswith("the record animal-2 could not be made")
    assert result.census == (4, 2, 2)


@pytest.mark.data
def test_a_record_that_shares_all_its_files_is_not_lost_from_the_census(worms, repository, monkeypatch):
    """Both sexes of Cook et al. come from one workbook: where one fails, the workbook still is used."""
    read = Cook2019.read

    def fail(self, job):
        if job.record == "cook2019-male":
            raise FormatError("not readable today", subject=str(job.inputs[0].local))
        return read(self, job)

    monkeypatch.setattr(Cook2019, "read", fail)
    with pytest.raises(FactsError, match="records that the source promises were not made"):
        ingest(repository, WORMS, select="cook2019-male,cook2019-hermaphrodite", mirror=worms)
    result = ingest(repository, WORMS, select="cook2019-male,cook2019-hermaphrodite", mirror=worms, allow_missing=True)
    assert result.added == ("cook2019-hermaphrodite",)
    (told,) = result.rejected
    assert re.fullmatch(r"cook2019/.*\.xlsx#cook2019-male", told["file"])
    assert "not readable today" in told["reason"]
    assert str(repository.path) not in told["reason"]
    assert result.census == (3, 3, 0)
    monkeypatch.undo()
    mended = ingest(repository, WORMS, select="cook2019-male", mirror=worms)
    assert (mended.version, mended.added, mended.rejected) == ("1.1.0", ("cook2019-male",), ())


def test_promised_records_must_be_made_unless_missing_ones_are_allowed(generated, repository):
    generated.expected = Expected(facts(animal_1=3, animal_2=2))
    generated.write(animal_2="x")
    with pytest.raises(FactsError, match="records that the source promises") as caught:
        ingest(repository, DATASET)
    assert caught.value.expected == "animal-2"
    assert "not a number" in caught.value.found
    assert repository.versions(DATASET) == []
    result = ingest(repository, DATASET, allow_missing=True)
    assert (result.added, result.reused) == (("animal-1", "animal-3"), ("animal-1", "animal-3"))
    assert rejections(repository)["generated/animal-2.txt"][0] == "format"


def test_the_promised_number_of_records_must_be_made(generated, repository):
    generated.expected = Expected(n_records=4)
    with pytest.raises(FactsError) as caught:
        ingest(repository, DATASET)
    assert (caught.value.expected, caught.value.found) == ("4 records", "3 records")
    assert repository.versions(DATASET) == []
    assert ingest(repository, DATASET, select="animal-1").created
    assert ingest(repository, DATASET, allow_missing=True).created


def test_facts_that_are_not_met_commit_nothing_and_keep_what_was_right(generated, repository):
    generated.expected = Expected(facts(animal_1=3, animal_2=99))
    with pytest.raises(FactsError) as caught:
        ingest(repository, DATASET, allow_missing=True)
    assert caught.value.as_dict() | {"hint": None} == {
        "kind": "facts", "message": "1 published fact is not met", "subject": "animal-2", "place": "/own.n_samples",
        "expected": "99", "found": "2", "hint": None,
    }  # fmt: skip
    assert repository.versions(DATASET) == []
    assert not (repository.path / DATASET / "refs").exists()
    generated.expected = Expected(facts(animal_1=3, animal_2=2))
    assert ingest(repository, DATASET).reused == ("animal-1",)


@pytest.mark.data
def test_a_wrong_expectation_of_a_real_source_commits_nothing(worms, repository, monkeypatch):
    wrong = {name: dict(values) for name, values in White1986.facts.items()}
    wrong["white1986-jse"]["n_nodes"] = 35
    monkeypatch.setattr(White1986, "facts", wrong)
    with pytest.raises(FactsError, match=r"white1986-jse, /connectome\.n_nodes"):
        ingest(repository, WORMS, select="white1986-jse", mirror=worms)
    assert repository.versions(WORMS) == []


def test_records_made_before_an_expectation_was_corrected_are_held_to_the_new_one(generated, repository):
    ingest(repository, DATASET)
    generated.expected = Expected(facts(animal_1=3, animal_2=99, animal_3=4))
    with pytest.raises(FactsError, match="animal-2"):
        ingest(repository, DATASET)
    assert generated.n_reads == 3


def test_an_adapter_that_passes_over_a_file_is_caught(generated, repository):
    (generated.folder / "animal-4.lost").write_text("1")
    with pytest.raises(UsageError, match="neither used nor rejected") as caught:
        ingest(repository, DATASET)
    assert caught.value.found == "generated/animal-4.lost"


def test_an_adapter_that_makes_a_record_twice_is_caught(generated, repository):
    (generated.folder / "twice.txt").write_text("1")
    with pytest.raises(UsageError, match="two jobs make the same record"):
        ingest(repository, DATASET)


# The same everywhere


@pytest.mark.data
def test_digests_and_files_are_the_same_with_one_and_four_workers_and_from_another_folder(worms, tmp_path):
    select = f"{WHITE},varshney2011*,witvliet2020-8*"
    serial = ingest(Repository(tmp_path / "one"), WORMS, select=select, mirror=worms)
    elsewhere = tmp_path / "a folder with blanks" / "and mäny löng names" / "root"
    parallel = ingest(
        Repository(elsewhere), WORMS, select=select, mirror=tmp_path / "one" / "raw", runner="processes", workers=4
    )
    assert len(serial.added) == 9
    assert parallel.digest == serial.digest
    assert parallel.added == serial.added
    one, four = (contents(root / WORMS / "records") for root in (tmp_path / "one", elsewhere))
    assert one == four
    manifests = [
        json.loads((root / WORMS / "versions" / "1.0.0.json").read_text()) for root in (tmp_path / "one", elsewhere)
    ]
    for manifest in manifests:
        del manifest["created"], manifest["checksum"]
    assert manifests[0] == manifests[1]


def test_the_order_in_which_workers_finish_does_not_matter(generated, tmp_path):
    class Backwards:
        def run(self, function, items):
            return (function(item) for item in reversed(list(items)))

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    forwards, backwards = (
        ingest(Repository(tmp_path / name), DATASET, runner=runner)
        for name, runner in (("a", "serial"), ("b", Backwards()))
    )
    assert forwards.digest == backwards.digest
    assert forwards.added == backwards.added


def test_whoever_listens_hears_every_stage_and_item(generated, repository):
    heard: list[tuple[str, ...]] = []

    class Listener:
        begin = staticmethod(lambda stage, total: heard.append(("begin", stage, total)))
        item = staticmethod(lambda stage, name, outcome: heard.append((stage, name, outcome)))
        end = staticmethod(lambda stage: heard.append(("end", stage)))

    ingest(repository, DATASET, select="animal-1", observer=Listener())
    heard.clear()
    generated.write(animal_3="x")
    ingest(repository, DATASET, observer=Listener())
    assert heard == [
        ("begin", "fetch", 1), ("fetch", "generated", "fetched"), ("end", "fetch"),
        ("begin", "discover", 1), ("discover", "generated", "discovered"), ("end", "discover"),
        ("begin", "make", 3), ("make", "animal-1", "reused"), ("make", "animal-2", "made"),
        ("make", "animal-3", "rejected"), ("end", "make"),
        ("begin", "commit", 1), ("commit", "1.1.0", "committed"), ("end", "commit"),
    ]  # fmt: skip


@pytest.mark.data
def test_two_ingests_at_once_both_succeed_and_agree(worms, repository):
    """Two processes into one root: whoever comes second finds the version made, or makes the next one."""
    action = partial(ingest, repository, WORMS, select="white1986-jse", mirror=worms)
    command = "from connectome.pipelines.ingest import ingest\nfrom connectome.store import Repository\n"
    command += f"ingest(Repository({str(repository.path)!r}), {WORMS!r}, select='white1986-n2u', mirror={str(worms)!r})"
    with subprocess.Popen([sys.executable, "-c", command]) as other:
        for _ in range(20):
            action()
    assert other.returncode == 0
    assert tuple(open_version(WORMS, root=repository.path).records["record"]) == ("white1986-jse", "white1986-n2u")
