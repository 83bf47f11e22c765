"""Vessel classification: labels by the published boundaries, parts by ids, and columns that are the label refused."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

from connectome import schema
from connectome.errors import LeakError, NotFoundError, SchemaError, UsageError
from connectome.tasks import (
    ClassPlan,
    ClassTask,
    class_record,
    classes_from_record,
    edge_features,
    line_graph,
    make_classes,
    prove_classes,
    report_classes,
    vessel_class,
)
from support.spatial_graphs import generated_graph, voreen_example

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

PLAN = ClassPlan(seed=3)


def with_radius(graph: xr.Dataset) -> xr.Dataset:
    """Give every row of the source a generated radius, the same whatever order the rows lie in."""
    ids = graph["node"].values
    ends = np.sort(np.stack([ids[graph[end].values] for end in ("source", "target")]), axis=0)
    radius = np.abs(np.sin(ends[0] * 12.9898 + ends[1] * 78.233)) * 50
    radius[ends[0] % 37 == 0] = np.nan
    thick = schema.column("edge", radius * 1.01 + np.where(np.isnan(radius), 1, 0), "About the radius", "um")
    return graph.assign(radius_min=schema.column("edge", radius, "Smallest radius", "um"), radius_avg=thick)


@pytest.fixture(scope="module")
def graph() -> xr.Dataset:
    return with_radius(generated_graph(400))


@pytest.fixture(scope="module")
def task(graph: xr.Dataset) -> ClassTask:
    return make_classes(graph, PLAN)


def told(task: ClassTask, graph: xr.Dataset) -> dict[str, list[tuple]]:
    ids = graph["node"].values
    return {
        part: sorted(
            (*sorted((int(ids[graph["source"][row]]), int(ids[graph["target"][row]]))), int(label))
            for row, label in zip(rows.tolist(), task.labels[part].tolist(), strict=True)
        )
        for part, rows in task.edges.items()
    }


def test_every_vessel_with_a_radius_is_in_one_part_with_its_class(graph: xr.Dataset, task: ClassTask):
    rows = np.concatenate(list(task.edges.values()))
    loops = (graph["source"] == graph["target"]).values
    radius = graph["radius_min"].values
    assert sorted(rows.tolist()) == np.flatnonzero(~loops & ~np.isnan(radius)).tolist()
    for part, own in task.edges.items():
        assert np.array_equal(task.labels[part], vessel_class(radius[own], (15, 40)))
    assert task.facts["n_without_class"] == int((np.isnan(radius) & ~loops).sum()) > 0
    assert sum(task.facts["n_per_class"]) == len(rows)
    counts = np.bincount(task.labels["train"], minlength=3)
    assert task.weights().tolist() == pytest.approx((counts.sum() / counts).tolist())


def test_a_task_does_not_depend_on_the_order_of_rows(graph: xr.Dataset, task: ClassTask):
    other = with_radius(generated_graph(400, shuffle=5))
    assert told(make_classes(other, PLAN), other) == told(task, graph)
    assert told(make_classes(graph, dataclasses.replace(PLAN, seed=4)), graph) != told(task, graph)


def test_the_proof_finds_a_defect(graph: xr.Dataset, task: ClassTask):
    prove_classes(task, graph)
    train, test = task.edges["train"], task.edges["test"]
    moved = {**task.edges, "test": np.sort(np.append(test, train[0]))}
    labels = {**task.labels, "test": np.append(task.labels["test"], 0)}
    with pytest.raises(LeakError, match="of an earlier part"):
        prove_classes(dataclasses.replace(task, edges=moved, labels=labels), graph)
    fewer = {**task.edges, "test": test[1:]}
    with pytest.raises(LeakError, match="are placed of"):
        prove_classes(
            dataclasses.replace(task, edges=fewer, labels={**task.labels, "test": labels["test"][1:-1]}), graph
        )


def test_columns_that_say_what_the_label_says_are_refused(graph: xr.Dataset, task: ClassTask):
    assert edge_features(graph, ["distance"], task).shape == (graph.sizes["edge"], 1)
    assert edge_features(graph, [], task).shape == (graph.sizes["edge"], 0)
    for name in ("radius_min", "radius_avg"):
        with pytest.raises(LeakError, match="says what the class says"):
            edge_features(graph, ["distance", name], task)
    with pytest.raises(NotFoundError):
        edge_features(graph, ["edge_type"], task)


def test_a_task_is_read_back_from_its_record(graph: xr.Dataset, task: ClassTask):
    report = report_classes(task, graph)
    tree = class_record(task, report, parent="brain/one", group="vessels")
    schema.validate(tree, subject="classes")
    again, stored = classes_from_record(tree)
    assert told(again, graph) == told(task, graph)
    assert (again.plan, again.facts, stored) == (task.plan, task.facts, report)
    assert "radius_avg" in str(report)
    assert "<pre>" in report._repr_html_()
    with pytest.raises(SchemaError, match="no task of vessel classes"):
        classes_from_record(schema.record({"vessels": graph}))


@pytest.mark.parametrize(
    "wrong", [{"fractions": {"test": 1.0}}, {"boundaries": (3, 2)}, {"boundaries": ()}, {"seed": None}]
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict):
    with pytest.raises(UsageError):
        ClassPlan(**wrong)


def test_a_plan_is_read_back():
    plan = ClassPlan(seed=1, boundaries=(5, 13.33), column="radius_avg", fractions={"train": 0.5, "test": 0.5})
    assert ClassPlan.from_dict(plan.as_dict()) == plan
    with pytest.raises(UsageError, match="not a plan for vessel classes"):
        ClassPlan.from_dict({**plan.as_dict(), "kind": "random"})


@pytest.mark.data
def test_the_real_example_shows_which_columns_are_the_label(data_dir: Path):
    graph = voreen_example(data_dir)
    task = make_classes(graph, ClassPlan(seed=2))
    assert task.facts["boundaries"] == [5.0, 13.33]
    assert task.facts["n_per_class"] == [3022, 27, 0]
    assert len(line_graph(graph, simple=False)) == task.facts["n_vessels"] == 3049
    told = {score.column: score.roc_auc for score in report_classes(task, graph).scores if score.part == "test"}
    assert told["radius_avg"] > 0.99
    assert told["length"] < 0.7
    edge_features(graph, ["length", "distance", "curveness"], task)
    with pytest.raises(LeakError):
        edge_features(graph, ["radius_avg"], task)
