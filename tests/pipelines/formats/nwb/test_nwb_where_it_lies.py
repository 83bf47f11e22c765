"""NWB sessions read where they lie: by ranges over HTTP, and by reference instead of copies. On real files."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from connectome.errors import ChecksumError, DamagedError, FetchError, FormatError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.fetch.ranges import RangedFile
from connectome.pipelines.formats import read
from connectome.pipelines.importing import import_files
from connectome.pipelines.importing_elsewhere import import_url, plan_import
from connectome.pipelines.ingest import fetch_source, ingest
from connectome.pipelines.planning import plan, sources_of
from connectome.pipelines.publish.folder import build_folder
from connectome.store import Repository, collect, open_version, verify
from connectome.store.references import CODEC
from support.nwb_sessions import add_units, empty_session, series, spike_trains, typed

PEYRACHE = "neuropixels/peyrache_adn_ca1/A2929-200711.nwb"
ALM = "neuropixels/guo_svoboda_alm/sub-anm00239123_ses-20170627T093549_ecephys+ogen.nwb"


@pytest.fixture(scope="module")
def peyrache(data_dir: Path) -> Path:
    return data_dir / PEYRACHE


@pytest.fixture
def server(http_server: Any) -> Any:
    return http_server


def served(server: Any, path: Path, *, etag: str = '"1"', at: str = "") -> str:
    return str(server.put(f"/{at or path.name}", server.Answer(path.read_bytes(), etag=etag)))


def sent(server: Any, url: str) -> int:
    return sum(seen.body_bytes for seen in server.log if url.endswith(seen.path.rpartition("/")[2]))


@pytest.fixture(scope="module")
def lfp(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return a generated session whose LFP lies in every layout that can be referred to, and in some that cannot."""
    path = tmp_path_factory.mktemp("lfp") / "generated.nwb"
    random = np.random.default_rng(5)
    values = random.integers(-500, 500, (30_000, 8)).astype(np.int16)
    plain = {
        "contiguous": {},
        "big_endian": {"dtype": ">i2"},
        "chunked": {"chunks": (4096, 8)},
        "gzip": {"chunks": (7000, 8), "compression": "gzip"},
        "gzip_shuffle": {"chunks": (10_000, 3), "compression": "gzip", "shuffle": True},
    }
    copied = {
        "lzf": {"chunks": (4096, 8), "compression": "lzf"},
        "fletcher": {"chunks": (4096, 8), "fletcher32": True},
        "tiny": {"chunks": (16, 8)},
    }
    with empty_session(path) as file:
        add_units(file, spike_trains())
        for name, layout in (plain | copied).items():
            item = series(typed(file, f"acquisition/{name}", "LFP"), name, np.zeros(2), rate=1250.0, unit="volts",
                          kind="ElectricalSeries", conversion=1e-6)  # fmt: skip
            del item["data"]
            item.create_dataset("data", data=values, **layout)
            item["data"].attrs.update({"unit": "volts", "conversion": 1e-6})
        holes = series(file, "acquisition/holes", np.zeros(2), rate=1250.0, unit="volts")
        del holes["data"]
        data = holes.create_dataset("data", (30_000, 8), dtype="i2", chunks=(4096, 8))
        data[:100] = 1
        data.attrs["unit"] = "volts"
    return {"path": path, "values": values, "plain": sorted(plain), "copied": [*sorted(copied), "holes"]}


# By ranges


def test_only_the_spikes_and_epochs_of_a_remote_session_are_fetched(
    server: Any, peyrache: Path, tmp_path: Path
) -> None:
    url = served(server, peyrache)
    result = import_url(Repository(tmp_path), url, dataset="a", remote="ranges", options={"only": "spikes,epochs"})
    (told,) = result.by_ranges
    assert told["bytes_fetched"] == sent(server, url) < peyrache.stat().st_size / 4
    assert told["requests"] == len(server.log)
    whole = read(peyrache, only="spikes,epochs")
    tree = open_version("a", root=tmp_path).open("A2929-200711")
    assert sorted(tree.groups) == sorted(whole.groups)
    for path in ("spikes", "epochs"):
        xr.testing.assert_identical(tree[path].to_dataset().load(), whole[path].to_dataset().load())


def test_a_record_of_parts_says_what_was_read_and_that_it_was_not_all(
    server: Any, peyrache: Path, tmp_path: Path
) -> None:
    url = served(server, peyrache)
    import_url(Repository(tmp_path), url, dataset="a", remote="ranges", options={"spikes": "skip"})
    version = open_version("a", root=tmp_path)
    receipt = version.manifest.records["A2929-200711"]
    assert "source-not-whole" in {item["code"] for item in receipt.warnings}
    assert receipt.recipe["inputs"] == [
        {"path": peyrache.name, "sha256": "", "bytes": 7200244, "verified": False, "whole": False, "url": url,
         "validators": {"etag": '"1"'}}
    ]  # fmt: skip
    (told,) = version.open("A2929-200711").attrs["fetched"]
    assert told["bytes_fetched"] == sum(stop - start for start, stop, _ in told["ranges"]) < told["bytes_of_source"]
    body, step = peyrache.read_bytes(), told["block_bytes"]
    again = RangedFile(url, block_bytes=step)
    for start, stop, _ in told["ranges"]:
        assert again.read(start, stop - start) == body[start:stop]
    assert again.told()["ranges"] == told["ranges"]
    again.close()
    assert version.records["bytes_of_source"].tolist() == [7200244]
    assert verify(Repository(tmp_path), "a").ok


def test_values_are_the_same_whether_a_file_is_fetched_whole_or_in_parts(
    server: Any, data_dir: Path, tmp_path: Path
) -> None:
    path = data_dir / ALM
    url = served(server, path, at="alm.nwb")
    repository = Repository(tmp_path)
    import_url(repository, url, dataset="parts", remote="ranges")
    import_url(repository, url, dataset="whole")
    parts, whole = (repository.find(name).records["alm"] for name in ("parts", "whole"))
    assert parts.content == whole.content
    assert whole.recipe["inputs"][0]["sha256"]
    assert "source-not-whole" not in {item["code"] for item in whole.warnings}


def test_an_unchanged_remote_file_is_asked_for_its_state_only(server: Any, peyrache: Path, tmp_path: Path) -> None:
    url = served(server, peyrache)
    repository = Repository(tmp_path)
    import_url(repository, url, dataset="a", remote="ranges", options={"only": "epochs"})
    n_before = len(server.log)
    again = import_url(repository, url, dataset="a", remote="ranges", options={"only": "epochs"})
    assert (again.created, again.reused) == (False, ("A2929-200711",))
    assert len(server.log) == n_before + 1
    served(server, peyrache, etag='"2"')
    changed = import_url(repository, url, dataset="a", remote="ranges", options={"only": "epochs"})
    assert (changed.created, changed.changed) == (True, ())


def test_an_import_by_ranges_that_fails_leaves_the_root_as_it_was(server: Any, peyrache: Path, tmp_path: Path) -> None:
    body = peyrache.read_bytes()
    good, other = server.Answer(body, etag='"1"'), server.Answer(body, etag='"2"')
    cases = {
        "changed": [good, good, other],
        "does not answer range requests": [server.Answer(body, ranges=False)],
        "not an HDF5 file": [server.Answer(b"no session" * 1000)],
        "cannot be opened": [server.Answer(body[: len(body) // 2])],
    }
    for number, (said, answers) in enumerate(cases.items()):
        url = server.put(f"/{number}.nwb", *answers)
        with pytest.raises((FetchError, FormatError), match=said):
            import_url(Repository(tmp_path / "root"), url, dataset="a", remote="ranges")
    assert not list((tmp_path / "root").rglob("*.json"))


def test_what_cannot_be_read_by_ranges_is_refused(server: Any, peyrache: Path, tmp_path: Path) -> None:
    url = served(server, peyrache)
    repository = Repository(tmp_path)
    with pytest.raises(UsageError, match="whole files"):
        import_url(repository, url, dataset="a", format="nifti", remote="ranges")
    with pytest.raises(UsageError, match="checksum is known"):
        import_url(repository, url, dataset="a", remote="ranges", by_reference=True)
    with pytest.raises(UsageError, match="unknown way"):
        import_url(repository, url, dataset="a", remote="some")
    with pytest.raises(UsageError, match="leaves nothing"):
        import_url(repository, url, dataset="a", remote="ranges", options={"only": "lfp/*"})
    with pytest.raises(UsageError, match="whole files"):
        ingest(repository, "celegans-activity", mirror=server.url, remote="ranges")


def test_an_ingest_by_ranges_makes_the_records_of_a_whole_one(server: Any, peyrache: Path, tmp_path: Path) -> None:
    served(server, peyrache, at="peyrache_a2929/A2929-200711.nwb")
    repository = Repository(tmp_path)
    parts = ingest(repository, "mouse-head-direction", mirror=server.url, remote="ranges")
    assert parts.by_ranges[0]["bytes_fetched"] < parts.by_ranges[0]["bytes_of_source"] == 7200244
    (warned,) = [item for item in repository.find("mouse-head-direction").records["A2929-200711"].warnings
                 if item["code"] == "source-not-whole"]  # fmt: skip
    assert warned["place"] == "peyrache_a2929/A2929-200711.nwb"
    whole = ingest(repository, "mouse-head-direction", mirror=peyrache.parent)
    assert (whole.version, whole.changed) == ("1.0.1", ())
    server.put("/peyrache_a2929/A2929-200711.nwb", server.Answer(b"short", etag='"1"'))
    with pytest.raises(ChecksumError, match="promised"):
        ingest(Repository(tmp_path / "other"), "mouse-head-direction", mirror=server.url, remote="ranges")


# By reference


def test_a_real_session_by_reference_has_the_content_of_its_copy(peyrache: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    import_files(repository, [peyrache], dataset="copy")
    import_files(repository, [peyrache], dataset="refers", by_reference=True)
    copy, refers = (repository.find(name).records["A2929-200711"] for name in ("copy", "refers"))
    assert copy.content == refers.content
    assert refers.size_bytes < copy.size_bytes / 4
    one, other = (open_version(name, root=tmp_path).open("A2929-200711") for name in ("copy", "refers"))
    for path in one.groups[1:]:
        xr.testing.assert_identical(one[path].to_dataset().load(), other[path].to_dataset().load())
    assert verify(repository, "refers").ok
    # From one to the other nothing changes but the metadata.
    assert import_files(repository, [peyrache], dataset="refers").version == "1.0.1"


def test_every_plain_layout_is_referred_to_and_every_other_is_copied(lfp: dict[str, Any], tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    import_files(repository, [lfp["path"]], dataset="copy")
    import_files(repository, [lfp["path"]], dataset="refers", by_reference=True)
    copy, refers = (repository.find(name).records["generated"] for name in ("copy", "refers"))
    assert copy.content == refers.content
    tree = open_version("refers", root=tmp_path).open("generated")
    file = open_version("refers", root=tmp_path).file("generated")
    referred = {path for path, codecs in codecs_of(file).items() if CODEC in codecs}
    assert referred == {f"lfp/{name}/signal" for name in lfp["plain"]}
    for name in [*lfp["plain"], *lfp["copied"][:-1]]:
        signal = tree[f"lfp/{name}/signal"]
        assert np.array_equal(signal.values, lfp["values"].T)
        assert np.array_equal(signal[2:5, 9990:10_020].values, lfp["values"].T[2:5, 9990:10_020])
    assert plan_import(lfp["path"]).referable_bytes == plan_import(lfp["path"], by_reference=True).reference_bytes > 0


def codecs_of(file: Path) -> dict[str, list[str]]:
    import zipfile

    with zipfile.ZipFile(file) as archive:
        nodes = json.loads(archive.read("zarr.json"))["consolidated_metadata"]["metadata"]
    return {path: [codec["name"] for codec in node.get("codecs", ())] for path, node in nodes.items()}


@pytest.fixture
def referring(peyrache: Path, tmp_path: Path) -> dict[str, Path]:
    """Return a store that refers to a session, and the session, which may be moved."""
    session = tmp_path / "here" / peyrache.name
    session.parent.mkdir()
    shutil.copyfile(peyrache, session)
    import_files(Repository(tmp_path / "root"), [session], dataset="a", by_reference=True,
                 options={"only": "series/Position"})  # fmt: skip
    return {"root": tmp_path / "root", "session": session}


def position(root: Path) -> Any:
    return open_version("a", root=root).open("A2929-200711")["series/Position/signal"]


def test_a_source_that_is_gone_is_an_error_that_says_where_it_was_looked_for(
    referring: dict[str, Path], server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, session = referring["root"], referring["session"]
    expected = position(root).values
    copy = pickle.loads(pickle.dumps(position(root)))
    assert np.array_equal(copy.values, expected)
    away = session.parent.parent / "away" / session.name
    away.parent.mkdir()
    session.rename(away)
    with pytest.raises(DamagedError, match="is not here") as caught:
        _ = position(root).values
    assert str(session) in str(caught.value.found)
    assert str(root / "raw") in str(caught.value.found)
    (damage,) = verify(Repository(root), "a").damaged
    assert damage.what == "source"
    # A folder, or an address, that has it.
    monkeypatch.setenv("CONNECTOME_SOURCES", f"{away.parent.parent / 'nowhere'};{away.parent}")
    assert np.array_equal(position(root).values, expected)
    served(server, away)
    monkeypatch.setenv("CONNECTOME_SOURCES", server.url)
    assert np.array_equal(position(root)[:, 100:200].values, expected[:, 100:200])


def test_a_changed_source_is_an_error_even_in_one_byte(referring: dict[str, Path]) -> None:
    with h5py.File(referring["session"]) as file:
        offset = file["acquisition/Position/y/data"].id.get_offset()
    with referring["session"].open("r+b") as stream:
        stream.seek(offset + 1000)
        stream.write(b"\x00\x01")
    signal = position(referring["root"])
    assert np.isfinite(signal[0].values).all()
    with pytest.raises(DamagedError, match="have changed since") as caught:
        _ = signal[1].values
    assert "series/Position/signal/c/1/0" in str(caught.value.place)
    assert not verify(Repository(referring["root"]), "a").ok


def test_a_zarr_tool_that_does_not_know_the_codec_refuses_instead_of_reading_fill_values(
    referring: dict[str, Path], tmp_path: Path
) -> None:
    file = open_version("a", root=referring["root"]).file("A2929-200711")
    code = (
        "import sys, zarr; from zarr.storage import ZipStore\n"
        "store = ZipStore(sys.argv[1], mode='r')\n"
        "group = zarr.open_group(store, mode='r', use_consolidated=False)\n"
        "print(len(group['series/Position/time'][:]))\n"
        "print(group['series/Position/signal'][:])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "63527"
    assert done.returncode == 1
    assert CODEC in done.stderr
    # What such tools are given is the export, in which the values are.
    out = tmp_path / "out.zarr"
    command = ["--root", str(referring["root"]), "export", "a", "--record", "A2929-200711", "--to", "zarr", str(out)]
    assert main([*command[2:], *command[:2]]) == 0
    code = "import sys, zarr; print(zarr.open_group(sys.argv[1], mode='r')['series/Position/signal'].shape)"
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(3, 63527)"


def test_loaders_read_windows_through_references(referring: dict[str, Path]) -> None:
    from connectome.loaders.reading.chunks import RecordReader
    from connectome.store.archive import LocalBytes

    reader = RecordReader(LocalBytes(open_version("a", root=referring["root"]).file("A2929-200711")))
    found = reader.array("series/Position/signal").read([0, 500], [3, 700])
    assert np.array_equal(found, position(referring["root"])[:, 500:700].values)


def test_a_version_whose_arrays_lie_in_other_files_is_not_published(referring: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not published"):
        build_folder(open_version("a", root=referring["root"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_raw_files_that_records_refer_to_are_not_collected(peyrache: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    ingest(repository, "mouse-head-direction", mirror=peyrache.parent, by_reference=True)
    stray = repository.raw / ("0" * 64) / "old.nwb"
    stray.parent.mkdir()
    stray.write_bytes(b"old")
    os.utime(stray, (0, 0))
    done = collect(repository, raw=True, grace_s=-10)
    assert f"raw/{'0' * 64}/old.nwb" in done.removed
    assert not any(peyrache.name in item for item in done.removed)
    assert verify(repository, "mouse-head-direction").ok


# Plans


def test_a_plan_of_an_import_says_what_is_fetched_copied_and_referred_to(
    server: Any, peyrache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = served(server, peyrache)
    assert main(["import", "nwb", url, "--dry-run", "--remote", "ranges", "--option", "only=spikes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sent(server, url) < told["fetch_bytes"] < told["source_bytes"] / 4
    assert told["copy_bytes"] >= 98794 * 8
    assert main(["import", "nwb", str(peyrache), "--dry-run", "--references", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    # Three coordinates and three angles of 63,527 samples, float64, and 594 ripples.
    assert told["reference_bytes"] == 6 * 63527 * 8 + 4752
    assert told["fetch_bytes"] == 0
    assert main(["import", "nwb", url, "--dry-run"]) == 0
    assert "7,200,244  bytes to be fetched" in capsys.readouterr().out


def test_a_plan_of_an_ingest_says_what_is_copied_and_could_be_referred_to(peyrache: Path, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    before = plan(repository, "mouse-head-direction")
    assert (before.fetch_bytes, before.copy_bytes, before.referable_bytes) == (7200244, 0, 0)
    (source,) = sources_of("mouse-head-direction")
    fetch_source(repository, source, mirror=peyrache.parent)
    there = plan(repository, "mouse-head-direction")
    whole = plan_import(peyrache)
    assert (there.fetch_bytes, there.copy_bytes) == (0, whole.copy_bytes)
    assert there.as_dict()["records"][0]["referable_bytes"] == whole.referable_bytes == 6 * 63527 * 8 + 4752
