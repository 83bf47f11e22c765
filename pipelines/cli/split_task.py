"""``connectome split DATASET --by links`` or ``--by vessel-classes``: tasks on a graph. Part of the verb ``split``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from connectome.errors import UsageError

if TYPE_CHECKING:
    from connectome.tasks import ClassPlan, LinkPlan

    from .output import Output

__all__ = ["TASKS", "TRIALS", "configure", "refuse_others", "run"]

LINKS, CLASSES, TRIALS = "links", "vessel-classes", "trials"
TASKS = (LINKS, CLASSES)
SHARED = ("record", "group", "to")
OF_LINKS = ("negatives", "ratio", "block_size", "guard", "delta", "edge_types")
OF_CLASSES = ("radius", "boundaries")
OF_TRIALS = ("trials", "align", "before_s", "after_s", "until", "history_s", "keep", "labels", "repeats_of")
SUBJECTS = {"block": "--block-size", **{name: f"--{name}" for name in ("guard", "delta", "ratio", "boundaries")}}
"""Fields of a plan to the options that set them."""
OTHERS = (
    "stratify", "n_folds", "gap_s", "order", "n_blocks", "block_s", "clock", "weigh", "missing", "missing_stratum",
    "linked", "published",
)  # fmt: skip
NOT_OF_TRIALS = ("stratify", "block_s", "clock", "weigh", "missing", "missing_stratum", "linked", "published")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options that go with tasks on a graph."""
    both = parser.add_argument_group("tasks on a graph", "with --by links or --by vessel-classes")
    both.add_argument("--record", metavar="ID", help="the graph's record")
    both.add_argument("--group", metavar="PATH", help="the graph in it, where there are several")
    both.add_argument("--to", metavar="DATASET", help="where it goes (default: DATASET-links or DATASET-classes)")
    links = parser.add_argument_group("link prediction", "with --by links")
    links.add_argument(
        "--negatives", metavar="KIND,...", help="spatial (the default), random, distance-matched; each a set of its own"
    )
    links.add_argument("--ratio", type=int, metavar="K", help="negatives per positive (default: 1)")
    links.add_argument(
        "--block-size", type=float, metavar="D", help="hold out cubes of this size, in the unit of the positions"
    )
    links.add_argument("--guard", type=float, metavar="D", help="least distance between parts, with --block-size")
    links.add_argument("--delta", type=float, metavar="D", help="half-width of the cube of spatial negatives")
    links.add_argument("--edge-types", metavar="TYPE,...", help="types of the links (default: all)")
    classes = parser.add_argument_group("classes of vessels", "with --by vessel-classes")
    classes.add_argument("--radius", metavar="COLUMN", help="edge column with the radius (default: radius_min)")
    classes.add_argument("--boundaries", metavar="R,...", help="in its unit (default: 15 and 40 um, as published)")


def refuse_others(args: argparse.Namespace) -> None:
    """Refuse options that do not go with what is split (UsageError); none is ignored."""
    on_graphs = (*SHARED, *OF_LINKS, *OF_CLASSES)
    refused = {
        LINKS: (*OTHERS, *OF_CLASSES, *OF_TRIALS),
        CLASSES: (*OTHERS, *OF_LINKS, *OF_TRIALS),
        TRIALS: (*NOT_OF_TRIALS, *on_graphs),
    }
    names = refused.get(args.by, (*on_graphs, *OF_TRIALS))
    given = [name for name in names if getattr(args, name) not in (None, [], "error")]
    if given:
        raise UsageError(
            "these options go with another kind of split",
            subject="split",
            place=f"--by {args.by}",
            found=", ".join(f"--{name.removeprefix('n_').replace('_', '-')}" for name in given),
            hint="connectome split --help",
        )


def run(args: argparse.Namespace, output: Output) -> int:
    """Make a task, prove it, score what is trivial, and store it as a dataset of its own."""
    from connectome.store import Repository

    from ..derived.graph_tasks import make_task_dataset

    made = make_task_dataset(
        Repository(args.root),
        args.spec,
        _plan(args),
        record=args.record,
        group=args.group,
        dataset=args.to,
        name=args.name,
        anew=args.anew,
        dry_run=args.dry_run,
    )
    where = "not stored" if made.version is None else f"{made.dataset}@{made.version}/{made.record}"
    output.result(made.as_dict(), f"{where}: made of {made.parent}\n\n{made.report}")
    return 0


def _plan(args: argparse.Namespace) -> LinkPlan | ClassPlan:
    from connectome.splits import Fractions
    from connectome.tasks import ClassPlan, LinkPlan

    given: dict[str, Any] = {"fractions": Fractions.parse(args.fractions) if args.fractions else None}
    if args.by == CLASSES:
        given |= {"column": args.radius, "boundaries": _numbers(args.boundaries)}
    else:
        given |= {
            "negatives": _listed(args.negatives),
            "ratio": args.ratio,
            "kind": "blocks" if args.block_size is not None else None,
            "block": args.block_size,
            "guard": args.guard,
            "delta": args.delta,
            "edge_types": _listed(args.edge_types),
        }
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        return ClassPlan(seed=args.seed, **chosen) if args.by == CLASSES else LinkPlan(seed=args.seed, **chosen)
    except UsageError as error:
        error.subject = SUBJECTS.get(error.subject, error.subject)
        raise


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(item.strip() for item in text.split(","))


def _numbers(text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(item) for item in text.split(","))
    except ValueError:
        raise UsageError(
            "boundaries are numbers", subject="--boundaries", expected="R or R,R,...", found=repr(text)
        ) from None
