"""Vessel classification: every vessel is a node of the line graph, and its class follows from its radius.

A vessel is a row of the edge table that is no self loop. Its part follows from a keyed hash of the ids of its two ends,
so that parallel vessels are on one side. Vessels without a radius have no class and are in no part; they stay in the
line graph (:func:`~connectome.tasks.line_graph`, ``simple=False``), which is made when it is read and never stored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..errors import LeakError, NotFoundError, SchemaError, UsageError
from ..schema import column, decode, is_category, record, table
from ..splits.plan import check_seed
from ..splits.quota import Fractions
from .keyed import keyed, names_of, part_of
from .link_metrics import roc_auc
from .link_plan import TRAIN, USUAL, in_order
from .link_proof import LinkProof
from .sorted_keys import among
from .vessel_class import NO_CLASS, boundaries_of, vessel_class

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "ClassPlan", "ClassReport", "ClassTask", "ColumnScore", "class_record", "classes_from_record", "edge_features",
    "make_classes", "prove_classes", "report_classes",
]  # fmt: skip

Array = np.ndarray[Any, Any]
TASK = "vessel-classes"
FACTS = ("n_vessels", "n_loops", "n_without_class", "boundaries", "units", "n_per_class")
"""What is counted, in the order in which it is told."""
TRIVIAL = 0.99
"""A column that tells classes better than this says what the label says: it is refused as a feature."""
DIGITS = 6
STRUCTURE = ("source", "target", "out_edge", "in_edge", "edge_row")
"""Edge columns that are no measurements."""


@dataclass(frozen=True, kw_only=True)
class ClassPlan:
    """How to make a task of vessel classes; immutable and JSON-serialisable.

    Parameters
    ----------
    fractions : mapping of str to float
        Part to the share of the vessels. There is a part ``train``.
    seed : int
        Of the places.
    column : str
        Edge column with the radius.
    boundaries : sequence of float, optional
        Rising, in the unit of the column; default the published ones in that unit.

    Raises
    ------
    UsageError
        When a value is out of its range.
    """

    kind: ClassVar[str] = TASK

    fractions: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(USUAL))
    seed: int = 0
    column: str = "radius_min"
    boundaries: Sequence[float] | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        fractions = Fractions(self.fractions)
        if TRAIN not in fractions.shares or len(fractions.shares) < 2:
            raise UsageError(
                "vessels are split into train and at least one other part", subject="fractions", found=str(fractions)
            )
        object.__setattr__(self, "fractions", fractions)
        if self.boundaries is not None:
            vessel_class(np.zeros(0), self.boundaries)
            object.__setattr__(self, "boundaries", tuple(map(float, self.boundaries)))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "fractions": [list(item) for item in Fractions(self.fractions).items()],
            "seed": self.seed,
            "column": self.column,
        }
        return values | ({} if self.boundaries is None else {"boundaries": list(self.boundaries)})

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ClassPlan:
        """Read what :meth:`as_dict` wrote; raise UsageError for anything else."""
        given = {key: item for key, item in value.items() if key != "kind"}
        known = {field.name for field in dataclasses.fields(cls)}
        if value.get("kind") != cls.kind or not {"fractions", "seed", "column"} <= set(given) <= known:
            raise UsageError("this is not a plan for vessel classes", subject="plan", found=", ".join(map(str, value)))
        return cls(**{**given, "fractions": dict(given["fractions"])})


@dataclass(frozen=True)
class ClassTask:
    """Vessels with their classes, in parts."""

    plan: ClassPlan
    edges: Mapping[str, Array]
    """Part to rows of the stored edge table, rising, shape (vessel,), int64."""
    labels: Mapping[str, Array]
    """Part to the class of each, shape (vessel,), int8."""
    facts: Mapping[str, Any]
    """What was counted (JSON values)."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(self.edges)

    @property
    def n_classes(self) -> int:
        """Number of classes, those without a vessel included."""
        return len(self.facts["boundaries"]) + 1

    def weights(self) -> Array:
        """Return the weight of every class in a loss, shape (class,), float64: n / count over the training part.

        As VesselGraph weighs them; 0 for classes that the training part does not have.
        """
        counts = np.bincount(self.labels[TRAIN], minlength=self.n_classes)
        return np.asarray(np.divide(counts.sum(), counts, out=np.zeros(self.n_classes), where=counts > 0))


def make_classes(graph: xr.Dataset, plan: ClassPlan, *, subject: str = "graph") -> ClassTask:
    """Classify the vessels of a graph and split them.

    Parameters
    ----------
    graph : xarray.Dataset
        A group of the kind ``graph``.
    plan : ClassPlan
        How.
    subject : str
        For errors.

    Returns
    -------
    ClassTask
        The part of a vessel depends on the plan and the ids of its ends only.

    Raises
    ------
    NotFoundError
        When there is no column of radii.
    UsageError
        When its unit does not tell the boundaries, or a part stays empty.
    """
    bounds = boundaries_of(graph, plan.column) if plan.boundaries is None else tuple(plan.boundaries)
    if plan.column not in graph or graph[plan.column].dims != ("edge",):
        raise NotFoundError("the edges have no such column", subject=subject, place=plan.column)
    classes = vessel_class(graph[plan.column].values, bounds)
    source, target = (np.asarray(graph[end].values) for end in ("source", "target"))
    names = names_of(decode(graph["node"]))
    one, other = names[source], names[target]
    placed = part_of(
        keyed(plan.seed, np.minimum(one, other), np.maximum(one, other), purpose="vessel"),
        list(Fractions(plan.fractions).shares.values()),
    )
    usable = (source != target) & (classes != NO_CLASS)
    edges = {
        part: np.flatnonzero(usable & (placed == code)) for code, part in enumerate(Fractions(plan.fractions).shares)
    }
    empty = [part for part, rows in edges.items() if not len(rows)]
    if empty:
        raise UsageError(
            "a part has no vessels", subject=subject, place=", ".join(empty), found=f"{usable.sum()} vessels"
        )
    loops = source == target
    facts = {
        "n_vessels": int(usable.sum()),
        "n_loops": int(loops.sum()),
        "n_without_class": int((~loops & (classes == NO_CLASS)).sum()),
        "boundaries": list(bounds),
        "units": str(graph[plan.column].attrs.get("units", "")),
        "n_per_class": np.bincount(classes[usable], minlength=len(bounds) + 1).tolist(),
    }
    return ClassTask(plan, edges, {part: classes[rows] for part, rows in edges.items()}, facts)


def prove_classes(task: ClassTask, graph: xr.Dataset) -> LinkProof:
    """Prove that no vessel, nor one that is parallel to it, is in two parts, and that none was lost.

    Raises
    ------
    LeakError
        When something does not hold.
    """
    ends = np.sort(np.stack([graph[end].values for end in ("source", "target")], axis=1).astype(np.int64), axis=1)
    keys = ends[:, 0] * int(graph.sizes["node"]) + ends[:, 1]
    problems, seen = [], np.zeros(0, dtype=np.int64)
    for part, rows in task.edges.items():
        shared = int(among(keys[rows], seen).sum())
        if shared:
            problems.append(f"{shared} vessels of {part} join nodes that vessels of an earlier part join")
        if len(rows) != len(task.labels[part]) or (np.diff(rows) <= 0).any():
            problems.append(f"rows of {part} do not rise, or have no class")
        seen = np.sort(np.concatenate([seen, keys[rows]]))
    radius = np.asarray(graph[task.plan.column].values, dtype=np.float64)
    expected = int(((ends[:, 0] != ends[:, 1]) & (radius >= 0)).sum())
    if len(seen) != expected:
        problems.append(f"{len(seen)} vessels are placed of {expected} that have a radius")
    if problems:
        raise LeakError("the task does not hold", subject=TASK, found="; ".join(problems), hint="make it anew")
    sizes = {
        part: {f"class {at}": int((labels == at).sum()) for at in range(task.n_classes)}
        for part, labels in task.labels.items()
    }
    return LinkProof(
        sizes,
        (
            f"all {expected:,} vessels that have a radius are in one part each",
            "no two vessels between the same nodes are in two parts",
        ),
    )


@dataclass(frozen=True)
class ColumnScore:
    """How well one column alone tells capillaries from larger vessels."""

    part: str
    column: str
    roc_auc: float
    """From 0.5 up, whichever direction; vessels without the value left out."""


@dataclass(frozen=True)
class ClassReport:
    """What a task holds, what was proved of it, and what is trivial."""

    plan: Mapping[str, Any]
    facts: Mapping[str, Any]
    proof: LinkProof
    scores: tuple[ColumnScore, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        metrics = [asdict(score) for score in self.scores]
        return {"facts": dict(self.facts), "proof": self.proof.as_dict(), "metrics": metrics}

    @classmethod
    def from_dict(cls, plan: Mapping[str, Any], value: Mapping[str, Any]) -> ClassReport:
        """Read what :meth:`as_dict` wrote."""
        facts = in_order(value["facts"], FACTS)
        classes = [f"class {at}" for at in range(len(facts["boundaries"]) + 1)]
        proof = LinkProof.from_dict(value["proof"], parts=dict(plan["fractions"]), names=classes)
        return cls(plan, facts, proof, tuple(ColumnScore(**score) for score in value["metrics"]))

    def __str__(self) -> str:
        from ..display.text import table_text

        rows = [(score.part, score.column, f"{score.roc_auc:.4f}") for score in self.scores]
        counted = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        head = ("part", "column", "ROC AUC, class 0 against others")
        return f"vessel classes, seed {self.plan['seed']}\n  {counted}\n{self.proof}\n\n{table_text(head, rows)}"

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(str(self))}</pre>"


def report_classes(task: ClassTask, graph: xr.Dataset) -> ClassReport:
    """Prove a task and say what every column of numbers alone tells of the classes; raise LeakError where it leaks."""
    scores = [
        ColumnScore(part, str(name), round(score, DIGITS))
        for part in task.parts
        if part != TRAIN
        for name, variable in graph.variables.items()
        if name not in STRUCTURE and _is_number(variable) and (score := _tells(variable.values, task, part)) is not None
    ]
    return ClassReport(task.plan.as_dict(), task.facts, prove_classes(task, graph), tuple(scores))


def _is_number(variable: xr.Variable) -> bool:
    return variable.dims == ("edge",) and variable.dtype.kind in "biuf" and not is_category(variable)


def _tells(values: Array, task: ClassTask, part: str) -> float | None:
    """Return how well a column separates class 0 from the others; None where one of the two is not there."""
    own = values[task.edges[part]].astype(np.float64)
    known = ~np.isnan(own)
    larger = task.labels[part] > 0
    if not (known & larger).any() or not (known & ~larger).any():
        return None
    area = roc_auc(own[known & larger], own[known & ~larger])
    return max(area, 1 - area)


def edge_features(graph: xr.Dataset, names: Sequence[str], task: ClassTask) -> Array:
    """Return columns of the edge table as features of the line graph's nodes, refusing those that are the label.

    Parameters
    ----------
    graph : xarray.Dataset
        The graph.
    names : sequence of str
        Columns; VesselGraph takes ``length``, ``distance`` and ``curveness``.
    task : ClassTask
        What is to be predicted.

    Returns
    -------
    numpy.ndarray
        Shape (edge row, feature), float32.

    Raises
    ------
    LeakError
        When a column is that of the radius, or alone tells capillaries from larger vessels of the training part with an
        area under the curve above 0.99.
    NotFoundError
        When there is no such column of numbers.
    """
    columns = []
    for name in names:
        if name not in graph.variables or not _is_number(graph.variables[name]):
            raise NotFoundError("the edges have no such column of numbers", subject=name)
        values = np.asarray(graph[name].values)
        told = _tells(values, task, TRAIN)
        if name == task.plan.column or (told is not None and told > TRIVIAL):
            found = "the column of the radius itself" if told is None else f"ROC AUC {told:.4f} in the training part"
            raise LeakError("the column says what the class says", subject=name, found=found, hint="leave it out")
        columns.append(values.astype(np.float32))
    return np.stack([np.zeros(graph.sizes["edge"], dtype=np.float32), *columns], axis=1)[:, 1:]


def class_record(task: ClassTask, report: ClassReport, *, parent: str, group: str, **attrs: Any) -> xr.DataTree:
    """Make a record of a task: a table per part with ``edge``, the row of the parent's edge table, and ``label``."""
    groups = {
        part: table(
            {
                "edge": column("row", rows, "Row of the parent graph's edge table", "1"),
                "label": column("row", task.labels[part], "Boundaries of the radius strictly exceeded", "1"),
            },
            title=f"Vessels of {part}",
        )
        for part, rows in task.edges.items()
    }
    return record(
        groups, task=TASK, plan=task.plan.as_dict(), report=report.as_dict(), parent=parent, parent_group=group, **attrs
    )


def classes_from_record(tree: xr.DataTree) -> tuple[ClassTask, ClassReport]:
    """Read what :func:`class_record` wrote.

    Raises
    ------
    SchemaError
        When the record is no such task.
    """
    if tree.attrs.get("task") != TASK:
        raise SchemaError("the record is no task of vessel classes", subject="task", found=repr(tree.attrs.get("task")))
    plan = ClassPlan.from_dict(tree.attrs["plan"])
    report = ClassReport.from_dict(plan.as_dict(), tree.attrs["report"])
    edges = {part: np.asarray(tree[part]["edge"].values) for part in Fractions(plan.fractions).shares}
    labels = {part: np.asarray(tree[part]["label"].values) for part in edges}
    return ClassTask(plan, edges, labels, report.facts), report
