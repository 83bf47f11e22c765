"""Which of the formats of lines and trees a file is told to be, over all real files that are here."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectome.errors import ConnectomeError
from connectome.pipelines.formats import FORMATS, recognise

OURS = ("amira", "bbp", "gt", "swc", "vmv", "vtk", "vtp")
WANTED = {
    "bbp_formats/astrovascpy_node_dataset.csv": "bbp",
    "bbp_formats/astrovascpy_toy_graph.h5": "bbp",
    "bbp_formats/capillary_with_loops.h5": "bbp",
    "bbp_formats/capillary_with_loops_point_connectivity.json": "bbp",
    "bbp_formats/fork_diameters_point_spec.h5": "bbp",
    "bbp_formats/fork_diameters_point_spec.vtk": "vtk",
    "bbp_formats/fork_diameters_section_spec.h5": "bbp",
    "bbp_formats/fork_diameters_sonata_spec.h5": "bbp",
    "bbp_formats/penetrating_artery.vtk": "vtk",
    "human_brain_mra/arteries_smooth.vtk": "vtk",
    "microvesselchaste/bio_original.vtp": "vtp",
    "microvesselchaste/markelc_network.vtp": "vtp",
    "microvesselchaste/retinal.vtp": "vtp",
    "microvesselchaste/tapmeier_network.vtp": "vtp",
    "vesselgraph_example/example_graph.vtk": "vtk",
    "vessmorphovis/BG0002.CNG.swc": "swc",
    "vessmorphovis/BG0002.CNG.vmv": "vmv",
    "vessmorphovis/BG0003.CNG.swc": "swc",
    "vessmorphovis/BG001.CNG.swc": "swc",
    "vessmorphovis/BG04.CNG.swc": "swc",
    "vessmorphovis/sample-1.vmv": "vmv",
    "vessmorphovis/sample_1.h5": "bbp",
    "vessmorphovis/sample_3.h5": "bbp",
}


def fits(name: str, path: Path) -> bool:
    try:
        return bool(FORMATS[name].load().sniff(path))
    except ConnectomeError:
        return False


@pytest.mark.data
def test_every_real_file_is_told_by_one_reader_alone(data_dir) -> None:
    for name, wanted in WANTED.items():
        assert recognise([data_dir / "vessel" / name]).name == wanted, name


@pytest.mark.data
@pytest.mark.parametrize("name", OURS)
def test_no_reader_takes_a_file_of_anyone_else(name, data_dir) -> None:
    taken = set()
    for path in sorted(data_dir.rglob("*")):
        if path.is_file() and path.name.lower().endswith(FORMATS[name].suffixes) and fits(name, path):
            taken.add(path.relative_to(data_dir / "vessel").as_posix())
    assert taken == {path for path, wanted in WANTED.items() if wanted == name}
