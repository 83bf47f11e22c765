"""What lies beside Voreen's tables: regions of the nodes, by table and by volume of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import read
from connectome.pipelines.formats.tables import delimited
from support.voreen_tables import Tables, change_column, lines, vessels


def one_hot(generated: Any, path: Path) -> Path:
    acronyms = pd.read_csv(generated.atlas)["Region_Acronym"]
    pd.get_dummies(acronyms, prefix="Region_Acronym").astype(int).to_csv(path, sep=";", index=False)
    return path


def test_the_atlas_of_nodes_gives_region_id_acronym_and_colour(generated: Any, tables: Tables) -> None:
    graph = vessels([*tables, generated.atlas])
    frame = pd.read_csv(generated.atlas).iloc[graph["node_row"].values]
    assert schema.problems(read([*tables, generated.atlas], "voreen", voxel_size_um=3)) == []
    assert (graph["region_id"].values == frame["Blob_AtlasLabel"].to_numpy()).all()
    assert schema.decode(graph["region"]).tolist() == frame["Region_Acronym"].tolist()
    assert schema.decode(graph["region_colour"]).tolist() == frame["Region_ColorHex"].tolist()


def test_the_processed_atlas_gives_one_region_to_the_node_of_the_row(
    generated: Any, tables: Tables, tmp_path: Path
) -> None:
    graph = vessels([*tables, one_hot(generated, tmp_path / "x_atlas_processed.csv")])
    expected = pd.read_csv(generated.atlas)["Region_Acronym"].iloc[graph["node_row"].values]
    assert schema.decode(graph["region"]).tolist() == expected.tolist()


ACRONYMS = {315: ("70FF71", "CUL4, 5"), 1089: ("7ED04B", 'the "inner", part'), 182305689: ("188064", "AN")}


@pytest.fixture
def quoted(generated: Any, tmp_path: Path) -> Path:
    """Return an atlas with acronyms that hold its separator, as pandas writes them."""
    frame = pd.read_csv(generated.atlas)
    frame["Region_Acronym"] = frame["Blob_AtlasLabel"].map({label: name for label, (_, name) in ACRONYMS.items()})
    path = tmp_path / "quoted_nodes_Atlas.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("names", [("CUL4, 5", " AN"), ("CUL4, 5", ' the "inner", part')])
@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
def test_an_acronym_may_hold_the_separator_in_quotes(
    names: tuple[str, str], block_bytes: int, quoted: Path, tables: Tables
) -> None:
    frame = pd.read_csv(quoted)
    # Doubled quotes go the slow way, others the fast one; neither strips a text.
    frame["Region_Acronym"] = np.where(frame["Region_Acronym"] == "CUL4, 5", *names)
    frame.to_csv(quoted, index=False)
    graph = vessels([*tables, quoted], block_bytes=block_bytes)
    expected = frame.iloc[graph["node_row"].values]
    assert set(expected["Region_Acronym"]) == set(names)
    assert schema.decode(graph["region"]).tolist() == expected["Region_Acronym"].tolist()
    assert (graph["region_id"].values == expected["Blob_AtlasLabel"].to_numpy()).all()


def test_fields_in_quotes_need_no_second_look(quoted: Path) -> None:
    header = delimited.read_header(quoted)
    text = quoted.read_bytes()[header.size_bytes :].replace(b'"the ""inner"", part"', b"AN")
    assert b'"CUL4, 5"' in text
    for ends in (text, text.removesuffix(b"\n"), text.replace(b"\n", b"\r\n")):
        n_rows, columns = delimited._parse_fast(header, {"Region_Acronym": "text", "id": "whole"}, ends)
        assert (n_rows, set(columns["Region_Acronym"])) == (300, {"CUL4, 5", "AN"})


@pytest.mark.parametrize("block_bytes", [300, 1 << 20])
def test_damage_beside_quoted_fields_has_its_line(block_bytes: int, quoted: Path, tables: Tables) -> None:
    rows = lines(quoted)
    at = next(at for at, row in enumerate(rows) if at > 20 and row.endswith('"CUL4, 5"'))
    for damaged, message in (
        (rows[at][:-1], "does not end"),
        (rows[at].replace('"', ""), "number of fields"),
        (rows[at] + "x", "does not end"),
        (rows[at].replace(",", ',"', 1), "does not end"),
    ):
        quoted.write_text("\n".join([*rows[:at], damaged, *rows[at + 1 :]]) + "\n")
        with pytest.raises(FormatError, match=message) as caught:
            vessels([*tables, quoted], block_bytes=block_bytes)
        assert caught.value.place == f"quoted_nodes_Atlas.csv:{at + 1}"


@pytest.mark.parametrize(
    ("row", "found"), [("0;0;0", "zeros only"), ("1;1;0", "HPF=1, Region_Acronym_Isocortex=1"), ("0;2;0", "=2")]
)
def test_a_row_without_exactly_one_region_is_refused(
    row: str, found: str, generated: Any, tables: Tables, tmp_path: Path
) -> None:
    path = one_hot(generated, tmp_path / "x_atlas_processed.csv")
    rows = lines(path)
    rows[41] = row
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(FormatError, match="not exactly one region") as caught:
        vessels([*tables, path])
    assert caught.value.place == "x_atlas_processed.csv:42"
    assert found in (caught.value.found or "")


def test_a_companion_of_other_nodes_is_refused(generated: Any, tables: Tables, tmp_path: Path) -> None:
    rows = generated.atlas.read_text().splitlines()
    path = tmp_path / "other_nodes_Atlas.csv"
    path.write_text("\n".join(rows[:-3]) + "\n")
    with pytest.raises(FormatError, match="another number of rows"):
        vessels([*tables, path])
    swapped = [*rows[:5], rows[6], rows[5], *rows[7:]]
    path.write_text("\n".join(swapped) + "\n")
    with pytest.raises(FormatError, match="another table of nodes") as caught:
        vessels([*tables, path])
    assert caught.value.place == "other_nodes_Atlas.csv:6"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match="not a companion"):
        vessels([*tables, path])


def test_groups_of_regions_become_a_table(tables: Tables, tmp_path: Path) -> None:
    path = tmp_path / "x_AtlasGrouped.csv"
    path.write_text(
        'ColorGroup,GroupName,GroupAcronym,GroupedAcronyms,BlobCount\n70FF71,Isocortex,Isocortex,"A, B",17\n'
    )
    groups = read([*tables, path], "voreen", voxel_size_um=3)["region_groups"]
    assert groups["GroupedAcronyms"].values.tolist() == ["A, B"]
    assert groups["BlobCount"].values.tolist() == [17]


def test_companions_may_lack_signs_fractions_and_names_and_write_truth_in_words(
    generated: Any, tables: Tables, tmp_path: Path
) -> None:
    change_column(tables[0], "pos_x", lambda texts: [f"-{text}" for text in texts])
    frame = pd.read_csv(generated.atlas)
    for axis in "xyz":
        frame[f"pos_{axis}"] = np.trunc(frame[f"pos_{axis}"]).astype(int)
    frame["Blob_AtlasLabel"] *= -1
    frame.loc[:9, ["Region_Acronym", "Region_ColorHex"]] = ""
    frame.to_csv(tmp_path / "x_nodes_Atlas.csv", index=False)
    graph = vessels([*tables, tmp_path / "x_nodes_Atlas.csv"])
    names = schema.decode(graph["region"])
    assert sorted(graph["node_row"].values[names == ""]) == list(range(10))
    assert graph["region_id"].values.max() < 0
    frame = pd.get_dummies(pd.read_csv(generated.atlas)["Region_Acronym"], prefix="Region_Acronym").astype(bool)
    frame.to_csv(tmp_path / "x_atlas_processed.csv", sep=";", index=False)
    again = schema.decode(vessels([*tables, tmp_path / "x_atlas_processed.csv"])["region"])
    assert (again[names != ""] == names[names != ""]).all()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_regions_are_looked_up_in_a_volume_of_labels(
    suffix: str, data_dir: Path, tables: Tables, tmp_path: Path
) -> None:
    nib = pytest.importorskip("nibabel")
    xml = data_dir / "vessel" / "vesselgraph_example" / "AllenMouseCCFv3_ontology_22Feb2021.xml"
    position = pd.read_csv(tables[0], sep=";")[["pos_x", "pos_y", "pos_z"]].to_numpy()
    # One axis is too short: nodes beyond it are outside. A band of background, and a label of no structure.
    shape = tuple(int(size) for size in np.ceil(position.max(axis=0)) + np.array([2, 2, -20]))
    volume = np.random.default_rng(5).choice([315, 1089, 182305689, 12998], shape).astype(np.uint32)
    volume[:, : shape[1] // 3], volume[: shape[0] // 5] = 0, 999_999_999
    path = tmp_path / f"labels{suffix}"
    nib.save(nib.Nifti1Image(volume, np.diag([3, 3, 3, 1])), path)
    words = ["import", "voreen", *map(str, tables), "--dataset", "mine", "--record", "r", "--root", str(tmp_path / "s")]
    for option in ("voxel_size_um=3", f"labels={path}", f"ontology={xml}"):
        words += ["--option", option]
    assert main(words) == 0
    from connectome.store import open_version

    version = open_version("mine", root=tmp_path / "s")
    graph = version.open("r")["vessels"].to_dataset()
    assert {item["path"] for item in version.manifest.records["r"].recipe["inputs"]} == {
        "nodes.csv", "edges.csv", path.name, xml.name,
    }  # fmt: skip
    params = version.manifest.records["r"].recipe["params"]
    assert params == {"voxel_size_um": "3", "labels": path.name, "ontology": xml.name}
    names = {0: "bgr", 315: "Isocortex", 1089: "HPF", 182305689: "SSp-un", 12998: "SS6b", 999_999_999: ""}
    index = np.floor(position + 0.5).astype(int)[graph["node_row"].values]
    inside = (index < shape).all(axis=1)
    expected = [names[int(volume[tuple(at)])] if known else "" for at, known in zip(index, inside, strict=True)]
    assert schema.decode(graph["region"]).tolist() == expected
    codes = {note["code"]: note["message"] for note in version.manifest.records["r"].warnings}
    assert codes["regions-outside"].startswith(f"{int((~inside).sum())} nodes")
    assert "regions-unlisted" in codes
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TruncatedError):
        vessels(tables, labels=path, ontology=xml)
    with pytest.raises(UsageError, match="regions need"):
        vessels(tables, labels=path)
