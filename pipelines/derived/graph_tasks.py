"""Tasks on graphs as datasets: made of one record of another dataset by a plan, stored and versioned like any.

Unlike the derived datasets of the catalogue these are asked for by their users, by any name, so there is no list of
them; recipes, provenance, parents and versions are the same. The same plan of the same graph gives no new version.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connectome.errors import NotFoundError, UsageError
from connectome.store import Recipe, write_record
from connectome.store.canonical import plain
from connectome.tasks import (
    ClassPlan,
    ClassReport,
    LinkPlan,
    LinkReport,
    class_record,
    graph_group,
    make_classes,
    make_links,
    report_classes,
    report_links,
    task_record,
)

from .parents import SCHEME, parent_versions

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Receipt, Repository
    from connectome.store.manifest import Manifest

__all__ = ["KINDS", "MadeTask", "TaskKind", "make_task_dataset"]

DEFAULT = "default"
OPTIONS = {
    "seed": "seed", "negatives": "negatives", "ratio": "ratio", "block": "block-size", "guard": "guard",
    "delta": "delta", "edge_types": "edge-types", "column": "radius", "boundaries": "boundaries",
}  # fmt: skip
"""Fields of plans to options of the command line."""
Plan = LinkPlan | ClassPlan
Report = LinkReport | ClassReport


@dataclass(frozen=True)
class TaskKind:
    """What tells one kind of task from another."""

    source: str
    """Named by recipes."""
    version: str
    """To be raised by any change of what a plan gives."""
    suffix: str
    """Of the dataset that it goes to."""
    title: str
    make: Callable[..., Any]
    """Graph and plan to task."""
    tell: Callable[..., Any]
    """Task and graph to report, or :class:`~connectome.errors.LeakError`."""
    write: Callable[..., xr.DataTree]
    """Task and report to record."""
    read: Callable[..., Any]
    """Plan and attribute of a record to report."""


KINDS: Mapping[type[Plan], TaskKind] = {
    LinkPlan: TaskKind(
        "links", "1", "links", "Link prediction on", make_links, report_links, task_record, LinkReport.from_dict
    ),
    ClassPlan: TaskKind(
        "vessel-classes", "1", "classes", "Vessel classes of", make_classes, report_classes, class_record,
        ClassReport.from_dict,
    ),
}  # fmt: skip
"""By the type of the plan. A new kind of task is one module in ``connectome/tasks`` and one entry here."""


@dataclass(frozen=True)
class MadeTask:
    """A task that was made, or was there already."""

    dataset: str
    record: str
    version: str | None
    """None where nothing was stored."""
    created: bool
    """Whether there is a new version."""
    content: str
    """Content digest of the record; empty where nothing was stored."""
    parent: str
    """``DATASET/RECORD`` of the graph."""
    report: Report

    def as_dict(self) -> dict[str, Any]:
        """Return what was made as the command line prints it with ``--json``."""
        report = self.report.as_dict()
        return {
            "dataset": self.dataset,
            "version": self.version,
            "name": self.record,
            "digest": self.content,
            "created": self.created,
            "parent": self.parent,
            "plan": dict(self.report.plan),
            "sizes": report["proof"]["sizes"],
            "facts": report["facts"],
            "proof": report["proof"]["proved"],
            "metrics": report["metrics"],
        }


def make_task_dataset(
    repository: Repository,
    spec: str,
    plan: Plan,
    *,
    record: str | None = None,
    group: str | None = None,
    dataset: str | None = None,
    name: str = DEFAULT,
    anew: bool = False,
    dry_run: bool = False,
) -> MadeTask:
    """Make a task of a stored graph, prove it, score what is trivial, and store it.

    Parameters
    ----------
    repository : Repository
        A local one.
    spec : str
        Dataset of the graph: ``NAME`` or ``NAME@1.2.0``.
    plan : LinkPlan or ClassPlan
        How.
    record : str, optional
        The graph's record; may be left out where the dataset has one.
    group : str, optional
        Path of the graph in it; may be left out where the record has one.
    dataset : str, optional
        Where the task goes; default the dataset's name followed by ``-links`` or
        ``-classes``.
    name : str
        Tells several tasks of one graph apart: the task's record is called as the graph's, followed by ``-NAME``
        unless it is ``default``.
    anew : bool
        Replace a task of that name that was made by another plan.
    dry_run : bool
        Make and prove it, but store nothing.

    Returns
    -------
    MadeTask

    Raises
    ------
    NotFoundError
        When there is no such dataset, record or graph.
    UsageError
        When the plan does not go with the graph, or a task of that name is stored with another plan.
    LeakError
        When the task does not hold, which would be a defect here.
    """
    kind = KINDS[type(plan)]
    manifest = repository.find(spec)
    parent = _chosen_record(manifest, record)
    receipt = manifest.records[parent]
    tree = repository.open(manifest.dataset, receipt)
    path = graph_group(tree, group, subject=f"{manifest.dataset}/{parent}")
    target = dataset if dataset is not None else f"{manifest.dataset}-{kind.suffix}"
    made = parent if name == DEFAULT else f"{parent}-{name}"
    parent_spec = f"{manifest.dataset}/{parent}"
    recipe = Recipe(
        source=kind.source,
        source_version=kind.version,
        inputs=({"path": f"{SCHEME}{parent_spec}", "sha256": receipt.content, "verified": True},),
        params=plain({"plan": plan.as_dict(), "group": path}),
    )
    known = repository.recipes(target).get(recipe.digest)
    _check_plan(repository.latest(target), target, made, recipe, anew=anew)
    if known is not None and known.record == made:
        stored = repository.open(target, known)
        report = kind.read(plan.as_dict(), stored.attrs["report"])
        return _stored(repository, target, known, manifest, parent_spec, report, title=kind.title, dry_run=dry_run)
    graph = cast("xr.DataTree", tree[path]).to_dataset(inherit=False)
    task = kind.make(graph, plan, subject=parent_spec)
    report = kind.tell(task, graph)
    if dry_run:
        return MadeTask(target, made, None, False, "", parent_spec, report)
    told = {key: tree.attrs[key] for key in ("species", "subject", "licence") if key in tree.attrs}
    written = write_record(
        kind.write(task, report, parent=parent_spec, group=path, title=f"{kind.title} {parent_spec}", **told),
        repository.folder(target),
        record=made,
        recipe=recipe,
        staging=repository.staging,
    )
    repository.remember(target, written)
    return _stored(repository, target, written, manifest, parent_spec, report, title=kind.title, dry_run=False)


def _chosen_record(manifest: Manifest, record: str | None) -> str:
    subject = f"{manifest.dataset}@{manifest.version}"
    listed = ", ".join(list(manifest.records)[:20])
    if record is None and len(manifest.records) == 1:
        return next(iter(manifest.records))
    if record is None:
        raise UsageError("which record's graph is meant", subject=subject, expected=listed, hint="give --record")
    if record not in manifest.records:
        raise NotFoundError("no such record in this version", subject=record, place=subject, expected=listed)
    return record


def _check_plan(latest: Manifest | None, dataset: str, record: str, recipe: Recipe, *, anew: bool) -> None:
    """Refuse to replace a task by one of another plan, unless that is wanted; the graph may have changed."""
    old: Mapping[str, Any] | None = latest.records[record].recipe if latest and record in latest.records else None
    if old is not None and not anew and (old["source"], old["params"]) != (recipe.source, plain(recipe.params)):
        raise UsageError(
            "a task of that name is stored with another plan; making it anew moves what it holds between its parts",
            subject=f"{dataset}/{record}",
            expected=_as_options(old["source"], old["params"]),
            found=_as_options(recipe.source, recipe.params),
            hint="give another --name, or --anew",
        )


def _as_options(source: str, params: Mapping[str, Any]) -> str:
    """Return what made a task as options of the command line."""
    plan = params["plan"]
    told = {
        "by": source,
        "group": params["group"].strip("/"),
        "fractions": ",".join(f"{part}={share!r}" for part, share in plan["fractions"]),
        **{option: plan[name] for name, option in OPTIONS.items() if name in plan},
    }
    listed = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in told.items()}
    return " ".join(f"--{name} {shlex.quote(str(value))}" for name, value in listed.items())


def _stored(
    repository: Repository,
    dataset: str,
    receipt: Receipt,
    parent: Manifest,
    parent_spec: str,
    report: Report,
    *,
    title: str,
    dry_run: bool,
) -> MadeTask:
    """Commit a task beside the others of its dataset; nothing new gives no new version."""
    latest = repository.latest(dataset)
    if dry_run:
        version = latest.version if latest else None
        return MadeTask(dataset, receipt.record, version, False, receipt.content, parent_spec, report)
    about = None
    if latest is None:
        of = parent.about.get("title") or parent.dataset
        about = {**parent.about, "title": f"{title}: {of}", "kinds": ["table"], "description": ""}
    kept = {**(latest.records if latest else {}), receipt.record: receipt}
    commit = repository.commit(
        dataset,
        [receipt],
        about=about,
        parents=parent_versions(repository, dataset, kept.values()),
        keep_others=True,
    )
    return MadeTask(
        dataset, receipt.record, commit.manifest.version, commit.created, receipt.content, parent_spec, report
    )
