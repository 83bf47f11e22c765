"""Damaged, mislabelled, empty and random files through every format: refused in our own words, and nothing is left.

What a reader says about damage that it knows is tested with the reader. Here the whole command meets damage that nobody
has thought of, and must not fail in the words of a library, hang, or leave half a record.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome import errors
from connectome.pipelines.cli import main
from connectome.pipelines.formats import FORMATS
from support import (
    freesurfer_files,
    graph_layouts,
    line_layouts,
    nwb_sessions,
    spike_layouts,
    swec_files,
    volume_layouts,
    worm_layouts,
    worm_mat_layouts,
)
from support.ingesting import assert_nothing_half_made, contents

KINDS = {item.kind for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)}
UNFORESEEN = "the reader cannot make sense of the file"

SAMPLES: dict[str, tuple[str, ...]] = {
    "bbp": (
        "vessel/bbp_formats/fork_diameters_section_spec.h5",
        "vessel/bbp_formats/fork_diameters_sonata_spec.h5",
        "vessel/bbp_formats/capillary_with_loops_point_connectivity.json",
    ),
    "celegans-table": (
        "worm/white1986_witvliet2020/white_1986_jse.csv",
        "worm/white1986_witvliet2020/witvliet_2020_7 adult.xlsx",
        "worm/openworm/CElegansNeuronTables.xls",
        "worm/white1986_witvliet2020/witvliet_2020_7.json",
        "worm/varshney2011/ConnOrdered_040903.mat",
    ),
    "hdf5-celegans": ("worm/dag2023/2022-01-16-01-data.h5", "worm/dag2023/NeuroPAL_labels_dict.jld2"),
    "mat-celegans": ("worm/seeelegans2024/atlas.mat", "worm/seeelegans2024/neurons_by_hand.mat"),
    "mat-spikes": ("neuropixels/stevenson_m1/m1_stevenson_2011.mat",),
    "mne": (
        "eeg/mne_python_formats/test.vhdr",
        "eeg/mne_python_formats/biosemi_test.bdf",
        "eeg/mne_python_formats/ctf_comp_raw.fif",
        "eeg/physionet_eegmmidb/S001R04.edf",
        "eeg/gdf_from_eegmmidb/S001R04_22ch.gdf",
        "eeg/eeglab_sample/eeglab_data.set",
    ),
    "analyzeskeleton": ("vessel/microvesselchaste/Branch_information.csv",),
    "coordcsv": ("vessel/octa_synthetic/20230216_235542.csv",),
    "edgelist": (
        "connectome/larva_winding2023/G_edgelist.txt",
        "connectome/microns_layer23/soma_subgraph_synapses_spines_v185.csv",
        "connectome/flywire_optic_lobe_types/type_to_type_connection_and_synapse_counts.csv",
    ),
    "freesurfer-annot": ("mri/freesurfer_subject1/subject1/label/lh.aparc.annot",),
    "freesurfer-morph": ("mri/freesurfer_subject1/subject1/surf/lh.thickness",),
    "freesurfer-stats": ("mri/freesurfer_subject1/subject1/stats/aseg.stats",),
    "freesurfer-table": ("mri/ideas/freesurfer_tables/controls_aparc_thick.txt",),
    "gifti": (
        "mri/nibabel_testdata/ascii.gii",
        "mri/nibabel_testdata/rh.aparc.annot.gii",
        "mri/nilearn_templates/fsaverage5/white_left.gii.gz",
    ),
    "flyvis": ("connectome/flyvis/fib25-fib19_v2.2.json",),
    "pajek": ("vessel/vascgraph/mygraph.pajek",),
    "mgh": ("mri/nibabel_testdata/test.mgz",),
    "nifti": ("mri/nibabel_testdata/anatomical.nii", "mri/nifti_space/RAS.nii.gz"),
    "spiketext": (),
    "steinmetz-counts": (
        "neuropixels/steinmetz2019_visual/session4.rds",
        "neuropixels/steinmetz2019_visual/session4.npz",
    ),
    "swc": ("vessel/vessmorphovis/BG0002.CNG.swc",),
    "vmv": ("vessel/vessmorphovis/sample-1.vmv",),
    "vtk": ("vessel/human_brain_mra/arteries_smooth.vtk", "vessel/bbp_formats/penetrating_artery.vtk"),
    "vtp": ("vessel/microvesselchaste/tapmeier_network.vtp",),
}
"""Format to real files of it; the damaged copies are generated from them."""
LAYOUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "alf": ("spikes.times.npy", spike_layouts.alf_times),
    "amira": ("graph.am", line_layouts.write_amira),
    "analyze": ("image.hdr", volume_layouts.write_analyze),
    "connectivity-matrix": ("sub-1.csv", freesurfer_files.write_matrix),
    "csv-celegans": ("worm.csv", worm_layouts.venkatachalam_table),
    "freesurfer-surface": ("lh.white", freesurfer_files.write_surface),
    "graphml": ("graph.graphml", graph_layouts.graphml),
    "gt": ("graph.gt", line_layouts.write_gt),
    "json-celegans": ("worm.json", worm_layouts.wormwideweb_old),
    "lin-mat": ("worm.mat", worm_mat_layouts.lin),
    "nwb": ("session.nwb", nwb_sessions.rich_session),
    "nwb-celegans": ("worm.nwb", worm_layouts.worm_nwb),
    "ogb": ("data.npz", graph_layouts.ogb_npz),
    "phy": ("spike_times.npy", spike_layouts.phy_times),
    "swec": ("ID99_part_1.h5", lambda path: swec_files.part(path, swec_files.samples(3, 700))),
    "text-celegans": ("0_gcamp.txt", lambda path: worm_layouts.leifer_worm(path.parent, 0)),
    "yemini-mat": ("worm.mat", worm_mat_layouts.yemini),
    "zimmer-mat": ("WT_Stim.mat", worm_mat_layouts.kato_stim),
}
"""Format to a generated file of its layout, where nobody has a real one at hand."""
OPTIONS: dict[str, tuple[str, ...]] = {
    "amira": ("units=um", "thickness=radius"),
    "analyzeskeleton": ("voxel_size_um=1",),
    "bbp": ("units=um",),
    "coordcsv": ("units=1",),
    "gt": ("units=um",),
    "ogb": ("units=um",),
    "pajek": ("voxel_size_um=2",),
    "swc": ("units=mm",),
    "vmv": ("units=um",),
    "vtk": ("units=um",),
    "vtp": ("units=um",),
}
"""What a format's file does not say and a user has to."""
ASKING = {"amira", "celegans-table", "edgelist", "graphml", "ogb", "pajek"}
"""Formats of which some files are read once an option says what they hold."""
ALSO = {("edgelist", "freesurfer-stats"), ("edgelist", "swc")}
"""(format, other): files of the other that are of the format too. Rows of numbers are an edge list if one says so."""
SEVERAL = {"bids", "freesurfer", "voreen"}
"""Formats of several files: their damage is tested with the reader."""
CASES = [(name, path) for name, paths in SAMPLES.items() for path in paths]
BESIDE = {".vhdr": (".eeg", ".vmrk"), ".set": (".fdt",)}


def damages(whole: bytes, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield generated damage of a file, the same every time."""
    chance = np.random.default_rng(seed)
    for part in (0, 1, 100, len(whole) // 3, len(whole) * 9 // 10, len(whole) - 1):
        yield f"cut to {part} bytes", whole[:part]
    yield "zeros", bytes(min(len(whole), 5000))
    yield "random", chance.bytes(min(len(whole), 5000))
    yield "text", b"these are words, not data\n" * 20
    yield "random after the first 64 bytes", whole[:64] + chance.bytes(min(len(whole), 20_000))
    for number in range(3):
        flipped = bytearray(whole)
        head = min(len(whole), 3000)
        for at in (*chance.integers(0, head, 8), *chance.integers(0, len(whole), 8)):
            flipped[at] ^= 1 << int(chance.integers(8))
        yield f"bits flipped, {number}", bytes(flipped)
    middle = len(whole) // 2
    yield "a hole in the middle", whole[:middle] + whole[middle + 1000 :]


def try_import(format_name: str, path: Path, root: Path, capsys: pytest.CaptureFixture[str], what: str) -> bool:
    """Import; check that it is either done or refused in our own words with nothing left. Return whether it is done."""
    before = contents(root)
    existed = root.exists()
    options = [word for option in OPTIONS.get(format_name, ()) for word in ("--option", option)]
    words = ["import", format_name, str(path), "--dataset", "mine", "--record", "r", "--root", str(root), "--json"]
    code = main(words + options)
    document = json.loads(capsys.readouterr().out)
    if code == 0:
        assert_nothing_half_made(root)
        shutil.rmtree(root)
        return True
    error = document["error"]
    # A table with an unknown header might be one all the same, if an option said what its columns are.
    asks_for_option = format_name in ASKING and "option" in (error["place"] or "")
    assert code == (2 if asks_for_option else 1), f"{what}: {error}"
    assert error["kind"] in KINDS - {"error"} - (set() if asks_for_option else {"usage"}), f"{what}: {error}"
    assert "Warning" not in (error["found"] or "") or error["message"] != UNFORESEEN, f"{what}: {error}"
    assert error["message"], what
    assert error["subject"], what
    assert contents(root) == before, what
    assert root.exists() == existed, what
    return False


@pytest.mark.data
@pytest.mark.parametrize(("format_name", "sample"), CASES, ids=[path.rpartition("/")[2] for _, path in CASES])
def test_damaged_files_are_refused_or_read_but_never_crash(format_name, sample, data_dir, tmp_path, capsys) -> None:
    source = data_dir / sample
    for suffix in BESIDE.get(source.suffix, ()):
        shutil.copy(source.with_suffix(suffix), tmp_path)
    path = tmp_path / source.name
    refused = 0
    for what, damaged in damages(source.read_bytes(), zlib.crc32(sample.encode())):
        path.write_bytes(damaged)
        refused += not try_import(format_name, path, tmp_path / "root", capsys, f"{sample}, {what}")
    assert refused >= 6, "what is nothing but rubbish must be refused"


@pytest.mark.parametrize("format_name", sorted(LAYOUTS))
def test_damaged_files_of_a_layout_are_refused_or_read_but_never_crash(format_name, tmp_path, capsys) -> None:
    name, write = LAYOUTS[format_name]
    path = tmp_path / name
    write(path)
    refused = 0
    for what, damaged in damages(path.read_bytes(), zlib.crc32(format_name.encode())):
        path.write_bytes(damaged)
        refused += not try_import(format_name, path, tmp_path / "root", capsys, f"{name}, {what}")
    assert refused >= 6, "what is nothing but rubbish must be refused"


@pytest.mark.data
@pytest.mark.parametrize("format_name", [name for name, paths in SAMPLES.items() if paths])
def test_files_of_another_format_under_the_right_suffix_are_refused(format_name, data_dir, tmp_path, capsys) -> None:
    suffixes = FORMATS[format_name].suffixes
    for other, paths in SAMPLES.items():
        for sample in paths[:2] if other != format_name and (format_name, other) not in ALSO else ():
            for suffix in suffixes:
                path = tmp_path / f"mislabelled{suffix}"
                path.write_bytes((data_dir / sample).read_bytes()[:200_000])
                what = f"{sample} as {path.name}"
                assert not try_import(format_name, path, tmp_path / "root", capsys, what), what


def test_damaged_spike_times_are_refused(tmp_path, capsys) -> None:
    path = tmp_path / "generated.txt"
    whole = b"# generated\n" + b"".join(b"%d\n" % number for number in range(100, 30_000, 97))
    path.write_bytes(whole)
    words = ["import", "spiketext", str(path), "--dataset", "mine", "--root", str(tmp_path / "root"), "--json"]
    words += ["--option", "time_unit=us", "--option", "duration_s=1"]
    assert main(words) == 0, capsys.readouterr()
    shutil.rmtree(tmp_path / "root")
    capsys.readouterr()
    for what, damaged in damages(whole, 7):
        path.write_bytes(damaged)
        code = main(words)
        document = json.loads(capsys.readouterr().out)
        if code == 0:
            shutil.rmtree(tmp_path / "root")
        else:
            assert document["error"]["kind"] in {"format", "truncated", "schema"}, f"{what}: {document}"
            assert document["error"]["message"] != UNFORESEEN, f"{what}: {document}"
            assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("format_name", sorted(FORMATS))
def test_a_folder_and_a_missing_file_are_refused(format_name, tmp_path, capsys) -> None:
    suffix = next(iter(FORMATS[format_name].suffixes), "")
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert not try_import(format_name, folder, tmp_path / "root", capsys, "a folder")
    assert not try_import(format_name, tmp_path / f"missing{suffix}", tmp_path / "root", capsys, "a missing file")


def test_every_format_is_tried() -> None:
    assert set(FORMATS) == {*SAMPLES, *LAYOUTS, *SEVERAL}, "add files of the new format here, or a generated layout"
