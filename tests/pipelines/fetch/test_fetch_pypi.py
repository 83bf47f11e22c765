"""Files that packages carry: downloaded by pip from a folder of generated wheels, and from the real index."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from connectome.errors import ChecksumError, FetchError, UnsafeError, UsageError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.fetch.pypi import PackageFile, parse
from connectome.pipelines.jobs import RemoteFile

TABLE = b"pre,post,weight\nAVAL,AVBR,7\n"


def make_wheel(folder: Path, name: str, version: str, members: dict[str, bytes], *, tag: str = "py3-none-any") -> Path:
    """Write a generated wheel."""
    info = f"{name}-{version}.dist-info"
    whole = members | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{info}/RECORD": b"",
    }
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, body in whole.items():
            archive.writestr(path, body)
    return wheel


def listed(url: str, body: bytes = TABLE, path: str = "cook/edges.csv", **changes: object) -> RemoteFile:
    fields: dict = {"size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()} | changes
    return RemoteFile(path, url, **fields)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that is a folder: pip of the machine is told to look there and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def pip_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What pip wrote to its log, run after run."""
    log = tmp_path / "pip.log"
    monkeypatch.setenv("PIP_LOG", str(log))
    return lambda: log.read_text() if log.exists() else ""


def test_a_file_is_taken_out_of_a_wheel_that_is_not_installed(index, cache):
    make_wheel(
        index, "wormtables", "1.2", {"wormtables/data/SI 5, corrected.csv": TABLE, "wormtables/__init__.py": b""}
    )
    url = "pypi:WormTables==1.2#wormtables/data/SI 5, corrected.csv"
    (raw,) = fetch([listed(url)], cache).files
    assert raw.local.read_bytes() == TABLE
    assert raw.verified
    probe = subprocess.run([sys.executable, "-c", "import wormtables"], capture_output=True, check=False)
    assert probe.returncode != 0


def test_several_files_of_a_package_are_one_download(index, cache, pip_log):
    members = {f"many/data/{number}.csv": TABLE + b"%d" % number for number in range(6)}
    make_wheel(index, "many", "1.0", members)
    files = [listed(f"pypi:many==1.0#{path}", body, path) for path, body in members.items()]
    fetched = fetch(files, cache)
    assert [raw.local.read_bytes() for raw in fetched.files] == list(members.values())
    assert pip_log().count("Saved ") == 1
    (wheel,) = (cache / "packages" / "many-1.0").iterdir()
    assert fetched.bytes_downloaded == wheel.stat().st_size


def test_a_second_run_does_not_start_pip(index, cache, pip_log):
    wheel = make_wheel(index, "once", "1.0", {"once/a.csv": TABLE})
    fetch([listed("pypi:once==1.0#once/a.csv")], cache)
    said = pip_log()
    wheel.unlink()
    again = fetch([listed("pypi:once==1.0#once/a.csv")], cache)
    assert (again.bytes_downloaded, again.bytes_hashed) == (0, len(TABLE))
    assert pip_log() == said


def test_wrong_bytes_in_a_package_are_refused(index, cache):
    make_wheel(index, "wrong", "1.0", {"wrong/a.csv": TABLE[::-1]})
    with pytest.raises(ChecksumError) as caught:
        fetch([listed("pypi:wrong==1.0#wrong/a.csv")], cache)
    assert caught.value.place == "wrong-1.0-py3-none-any.whl, wrong/a.csv"
    assert not (cache / hashlib.sha256(TABLE).hexdigest()).exists()


def test_a_wrong_size_in_a_package_is_refused_before_it_is_read(index, cache):
    make_wheel(index, "long", "1.0", {"long/a.csv": bytes(10_000_000)})
    with pytest.raises(ChecksumError, match="size"):
        fetch([listed("pypi:long==1.0#long/a.csv")], cache)


def test_a_file_that_is_not_in_the_package_is_named_with_its_likes(index, cache):
    make_wheel(index, "moved", "1.0", {"moved/new/a.csv": TABLE})
    with pytest.raises(FetchError) as caught:
        fetch([listed("pypi:moved==1.0#moved/a.csv")], cache)
    assert caught.value.found == "moved/new/a.csv"


def test_a_damaged_archive_of_an_earlier_run_is_downloaded_again(index, cache):
    make_wheel(index, "kept", "1.0", {"kept/a.csv": TABLE, "kept/b.csv": TABLE * 2})
    fetch([listed("pypi:kept==1.0#kept/a.csv")], cache)
    (wheel,) = (cache / "packages" / "kept-1.0").iterdir()
    wheel.write_bytes(wheel.read_bytes()[:100])
    fetched = fetch([listed("pypi:kept==1.0#kept/b.csv", TABLE * 2, "b.csv")], cache)
    assert fetched.files[0].local.read_bytes() == TABLE * 2


def test_the_same_wheel_is_taken_on_every_machine(index, cache):
    # Both fit a Linux machine of today, which would prefer the second.
    make_wheel(index, "lines", "1.0", {"lines/a.csv": TABLE}, tag="cp311-abi3-manylinux2014_x86_64")
    windows = TABLE.replace(b"\n", b"\r\n")
    make_wheel(index, "lines", "1.0", {"lines/a.csv": windows}, tag="cp311-abi3-manylinux_2_31_x86_64")
    make_wheel(index, "lines", "1.0", {"lines/a.csv": windows}, tag="cp311-abi3-win_amd64")
    assert fetch([listed("pypi:lines==1.0#lines/a.csv")], cache).files[0].local.read_bytes() == TABLE


def test_a_wheel_for_this_machine_alone_is_taken_when_there_is_no_other(index, cache):
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    make_wheel(index, "alone", "1.0", {"alone/a.csv": TABLE}, tag=f"py3-none-{platform}")
    assert fetch([listed("pypi:alone==1.0#alone/a.csv")], cache).files[0].local.read_bytes() == TABLE


def test_a_source_distribution_is_refused_and_none_of_its_code_runs(index, cache, tmp_path):
    proof = tmp_path / "it ran"
    script = f"from pathlib import Path\nPath({str(proof)!r}).write_text('ran')\n"
    members = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "trap"\nbackend-path = ["."]\n',
        "trap.py": script,
        "PKG-INFO": "Metadata-Version: 2.1\nName: trap\nVersion: 1.0\n",
        "trap/a.csv": TABLE.decode(),
    }
    with tarfile.open(index / "trap-1.0.tar.gz", "w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(f"trap-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    with pytest.raises(UnsafeError, match="source distribution") as caught:
        fetch([listed("pypi:trap==1.0#trap/a.csv")], cache)
    assert caught.value.place == "trap==1.0"
    assert not proof.exists()

    naive = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(tmp_path), "trap==1.0"]
    subprocess.run(naive, capture_output=True, check=False)
    assert proof.exists(), "the trap would not have sprung: this test proves nothing"


def test_a_package_that_nobody_has_is_an_error_with_pips_own_words(index, cache):
    with pytest.raises(FetchError) as caught:
        fetch([listed("pypi:nowhere==1.0#nowhere/a.csv")], cache)
    assert caught.value.kind == "fetch"
    assert "nowhere==1.0" in (caught.value.found or "")
    assert fetch([listed("pypi:nowhere==1.0#nowhere/a.csv", optional=True)], cache).missing[0].file == "cook/edges.csv"


def test_a_link_in_a_package_is_refused(index, cache):
    wheel = make_wheel(index, "links", "1.0", {})
    with zipfile.ZipFile(wheel, "a") as archive:
        info = zipfile.ZipInfo("links/a.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UnsafeError, match="plain file"):
        fetch([listed("pypi:links==1.0#links/a.csv", b"/etc/passwd")], cache)


def test_a_python_without_pip_is_told_how_to_get_it(index, cache, tmp_path, monkeypatch):
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, capture_output=True)
    (python,) = [*bare.glob("bin/python"), *bare.glob("Scripts/python.exe")]
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(FetchError) as caught:
        fetch([listed("pypi:once==1.0#once/a.csv")], cache)
    assert "ensurepip" in (caught.value.hint or "")


def test_a_module_named_pip_in_the_working_folder_is_not_run(index, cache, tmp_path, monkeypatch):
    make_wheel(index, "once", "1.0", {"once/a.csv": TABLE})
    trap = tmp_path / "cwd"
    trap.mkdir()
    (trap / "pip.py").write_text("raise SystemExit('the wrong pip')")
    monkeypatch.chdir(trap)
    assert fetch([listed("pypi:once==1.0#once/a.csv")], cache).files[0].local.read_bytes() == TABLE


@pytest.mark.parametrize(
    "url",
    ["pypi:cect#data/a.csv", "pypi:cect>=0.3#data/a.csv", "pypi:cect==0.3.5", "pypi:cect==0.3.5#", "pypi:==1#a",
     "pypi:--index-url==1#a", "pypi:cect==1 --index-url x#a", "pypi:cect==1\n#a"],
)  # fmt: skip
def test_an_address_that_is_not_one_exact_file_is_refused(url, cache):
    with pytest.raises(UsageError, match="not a file of a package"):
        fetch([listed(url)], cache)


@pytest.mark.parametrize("path", ["../a.csv", "/etc/passwd", "a\\b", "C:/a.csv"])
def test_a_path_that_leaves_the_package_is_refused(path, cache):
    with pytest.raises(UnsafeError):
        fetch([listed(f"pypi:cect==0.3.5#{path}")], cache)


def test_one_package_has_one_folder_however_it_is_spelled():
    spelled = [
        parse(f"pypi:{name}==0.1.3#a#b")
        for name in ("py_neuromodulation", "Py-Neuromodulation", "py.neuro--modulation")
    ]
    assert spelled[0] == PackageFile("py_neuromodulation", "0.1.3", "a#b")
    assert [item.folder for item in spelled] == ["py-neuromodulation-0.1.3"] * 2 + ["py-neuro-modulation-0.1.3"]


# The files of the demonstration, as measured from the wheels of the index.
REAL = [
    ("pypi:nitime==0.12.1#nitime/data/grasshopper_spike_times1.txt", 7695,
     "840014ad9a8f591d02ab108bcbd46715badb3459e0ef7eac95fdd661ff134e3d"),
    ("pypi:nitime==0.12.1#nitime/data/grasshopper_spike_times2.txt", 7216,
     "389e5dccb709fbe0552589ff2e0b64e15d46665e4d2d4172071f2175c8641541"),
    ("pypi:cect==0.3.5#cect/data/SI 5 Connectome adjacency matrices, corrected July 2020.xlsx", 4188190,
     "1f4fdbf84746b69b49a8da0816f52787860ce349b638dce37924ba80f90c70c9"),
]  # fmt: skip


@pytest.mark.package
def test_real_files_come_from_the_package_index(cache):
    files = [RemoteFile(url.rpartition("/")[2], url, size, sha256) for url, size, sha256 in REAL]
    try:
        fetched = fetch(files, cache)
    except FetchError as error:
        if error.kind == "fetch" and re.search(r"No matching distribution|from versions: none", error.found or ""):
            pytest.skip(f"no package index can be reached: {error.found}")
        raise
    assert [raw.size_bytes for raw in fetched.files] == [size for _, size, _ in REAL]
    assert fetch(files, cache).bytes_downloaded == 0
