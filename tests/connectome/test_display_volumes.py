"""Pictures of patients and cohorts: masks over images with their volumes, intensities, outcomes, who has what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from connectome import schema
from connectome.display import plots
from connectome.display.cohort import cohort_figures
from connectome.display.plots.overlay import overlay_of
from connectome.errors import UsageError
from support import volume_records

if TYPE_CHECKING:
    import xarray as xr

SHAPE = (20, 24, 28)
BOX = (slice(2, 6), slice(10, 16), slice(20, 25))
AFFINE = np.diag([2.0, 1.0, 3.0, 1.0])


def image(**attrs: Any) -> xr.Dataset:
    return volume_records.image_group(volume_records.blob(SHAPE), affine=AFFINE, **attrs)


def labels(ids: dict[int, Any], **attrs: Any) -> xr.Dataset:
    return volume_records.label_group(volume_records.boxes(SHAPE, ids, "int32"), affine=AFFINE, **attrs)


def cohort(n_patients: int) -> pd.DataFrame:
    """Make outcomes that are known for fewer patients every year."""
    classes = [[1, 1, None], [1, 3, 4], [2, None, None], [5, 5, None]] * n_patients
    years = {f"ilae_year{year + 1}": pd.array([row[year] for row in classes], dtype="Int64") for year in range(3)}
    lobes = pd.Categorical(["temporal", "temporal", "frontal", None] * n_patients)
    sides = pd.Categorical(["left", "right", "left", None] * n_patients)
    return pd.DataFrame({**years, "lobe": lobes, "side": sides})


def test_a_mask_is_drawn_where_it_lies_with_its_volume() -> None:
    mask = labels({1: BOX})
    figure = plots.slices(image(), overlay=mask, overlay_name="resection")
    # 4 x 6 x 5 voxels of 6 cubic millimetres.
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["resection: 0.72 ml"]
    sagittal, coronal, axial = (np.asarray(panel.images[1].get_array()) for panel in figure.axes[:3])
    full = np.zeros(SHAPE)
    full[BOX] = 1
    np.testing.assert_array_equal(axial[..., 3] > 0, full.any(axis=2).T)
    np.testing.assert_array_equal(coronal[..., 3] > 0, full.any(axis=1).T)
    np.testing.assert_array_equal(sagittal[..., 3] > 0, full.any(axis=0).T)
    assert (axial[axial[..., 3] > 0][:, 0] > 0.9).all()
    # The cross stands in the mask.
    assert "voxel (4, 12, 22)" in figure.get_suptitle() or "voxel (3, 12, 22)" in figure.get_suptitle()


def test_the_largest_labels_have_names_and_the_rest_is_summed() -> None:
    boxes = {at: (slice(at, at + 1), slice(0, 10 - at), slice(0, 4)) for at in range(1, 9)}
    found = overlay_of(labels(boxes, label_names={1: "one"}), image(), name="aseg")
    assert found.ids == (1, 2, 3, 4, 5, 6, 7, 8)
    handles, texts = found.legend()
    assert len(handles) == len(texts) == 7
    assert texts[0] == f"one: {9 * 4 * 6 / 1000:.2f} ml"
    assert texts[1].startswith("aseg 2: ")
    assert texts[-1] == "2 more: 0.1 ml"


def test_labels_of_another_shape_are_refused_and_an_empty_mask_is_drawn_as_nothing() -> None:
    with pytest.raises(UsageError, match="grid"):
        plots.slices(image(), overlay=volume_records.label_group(np.zeros((2, 2, 2), np.uint8), affine=AFFINE))
    figure = plots.slices(image(), overlay=labels({}))
    assert all(np.asarray(panel.images[1].get_array()).max() == 0 for panel in figure.axes[:3])


def test_an_unknown_orientation_has_no_letters() -> None:
    known, unknown = (plots.slices(image(**more)) for more in ({}, {"orientation": "unknown"}))
    assert [text.get_text() for text in known.axes[1].texts] == ["L", "R", "S", "I"]
    assert [text.get_text() for text in unknown.axes[1].texts] == []
    assert "ORIENTATION UNKNOWN" in unknown.get_suptitle()
    assert "left" not in unknown.axes[1].get_xlabel()


def test_intensities_count_every_voxel_that_is_not_zero() -> None:
    dataset = image(slope=2.0, intercept=-1.0)
    figure = plots.intensities(dataset)
    assert figure is not None
    stored = dataset["image"].values
    (steps,) = figure.axes[0].patches
    data = steps.get_data()
    assert data.values.sum() == np.count_nonzero(stored)
    assert data.edges[0] <= stored[stored > 0].min() * 2.0 - 1.0
    assert data.edges[-1] >= stored.max() * 2.0 - 1.0
    median = np.percentile(stored[stored > 0] * 2.0 - 1.0, 50)
    marked = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert marked[1] == pytest.approx(median, abs=2.0)
    assert plots.intensities(volume_records.image_group(np.zeros((3, 3, 3)), affine=AFFINE)) is None


def test_bins_of_whole_numbers_hold_as_many_numbers_each() -> None:
    figure = plots.intensities(volume_records.image_group(np.arange(1000, dtype=np.int16).reshape(10, 10, 10)))
    assert figure is not None
    assert set(figure.axes[0].patches[0].get_data().values[:-1].tolist()) == {5.0}


def test_a_preview_puts_masks_over_the_image_that_they_lie_on() -> None:
    groups = {
        "t1w": image(),
        "labels/a": labels({1: BOX}, aligned_to="t1w", max_corner_error_mm=0.0),
        "labels/b": labels({1: BOX, 2: (slice(0, 1),) * 3}, aligned_to="t1w", max_corner_error_mm=0.0),
        "labels/alone": labels({7: BOX}),
    }
    figures = plots.preview(schema.record(groups), title="sub-1")
    assert [figure.get_label() for figure in figures] == ["/labels/alone", "/t1w", "/t1w", "/t1w"]
    assert [len(figure.legends) for figure in figures] == [0, 1, 1, 0]


def test_outcome_bars_are_shares_of_those_known() -> None:
    figure = plots.outcome_bars(cohort(5))
    assert figure is not None
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1\n20 known", "2\n15 known", "3\n5 known"]
    by_class = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axes.containers}
    assert by_class == {
        "1": [50.0, pytest.approx(100 / 3), 0.0],
        "2": [25.0, 0.0, 0.0],
        "3": [0.0, pytest.approx(100 / 3), 0.0],
        "4": [0.0, 0.0, 100.0],
        "5": [25.0, pytest.approx(100 / 3), 0.0],
    }


def test_survival_starts_at_one_and_follows_the_estimate() -> None:
    figure = plots.survival_curves(cohort(5))
    assert figure is not None
    curve = figure.axes[0].lines[0]
    # ILAE<=2: one of four fails in year 1; of the ten left at risk in year 2 five fail.
    assert curve.get_xdata().tolist() == [0.0, 1.0, 2.0]
    assert curve.get_ydata() == pytest.approx([1.0, 0.75, 0.375])
    assert "20 patients" in figure.axes[0].get_legend().get_texts()[0].get_text()


def test_presence_and_sites_count_what_is_there() -> None:
    figure = plots.presence_matrix({"sub-1": ["t1w", "labels/resection"], "sub-2": ["t1w"]})
    assert figure is not None
    assert np.asarray(figure.axes[0].images[0].get_array()).tolist() == [[1, 1], [1, 0]]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["t1w  2", "labels/resection  1"]
    figure = plots.sites(cohort(5))
    assert figure is not None
    widths = {bars.get_label(): [bar.get_width() for bar in bars] for bars in figure.axes[0].containers}
    assert widths == {"left": [5.0, 5.0], "right": [5.0, 0.0]}
    assert any("5 records without a site" in text.get_text() for text in figure.axes[0].texts)


def test_nothing_is_drawn_for_what_nobody_knows() -> None:
    table = pd.DataFrame({"age": [1, 2]})
    empty = pd.DataFrame(
        {"ilae_year1": pd.array([None, None], dtype="Int64"), "lobe": [None, None], "side": [None, None]}
    )
    assert plots.outcome_bars(table) is None
    assert plots.survival_curves(table) is None
    assert plots.sites(table) is None
    assert plots.outcome_bars(empty) is None
    assert plots.survival_curves(empty) is None
    assert plots.sites(empty) is None
    assert plots.presence_matrix({"a": []}) is None


def test_a_version_without_patients_has_no_pictures_of_a_cohort(tmp_path: Path, all_kinds: Any) -> None:
    assert cohort_figures(all_kinds.commit(tmp_path / "worms", {"a": all_kinds.tree(1)})) == {}
    columns = {"ilae_year1": schema.category("row", ["1"], ["1", "2"], "Outcome")}
    people = {"sub-1": volume_records.patient({"t1w": image()}, columns)}
    found = cohort_figures(all_kinds.commit(tmp_path / "people", people, dataset="people"))
    assert list(found) == [
        "outcome classes by year", "share of patients without a break of the outcome", "volumes by record",
    ]  # fmt: skip
    assert all(plots.png_bytes(figure, dpi=40).startswith(b"\x89PNG") for figure in found.values())
