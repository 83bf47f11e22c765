"""``connectome split DATASET --by links``: link prediction tasks. Part of the verb ``split``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from connectome.errors import UsageError

if TYPE_CHECKING:
    from .output import Output

__all__ = ["LINKS", "configure", "refuse_others", "run"]

LINKS = "links"
OWN = ("record", "group", "negatives", "ratio", "block_size", "guard", "delta", "edge_types", "to")
OTHERS = (
    "stratify", "n_folds", "gap_s", "order", "n_blocks", "block_s", "clock", "weigh", "missing", "linked", "published",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options that go with ``--by links``."""
    links = parser.add_argument_group("link prediction", "with --by links: pairs of nodes of one stored graph")
    links.add_argument("--record", metavar="ID", help="the graph's record")
    links.add_argument("--group", metavar="PATH", help="the graph in it, where there are several")
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
    links.add_argument("--to", metavar="DATASET", help="where the task goes (default: DATASET-links)")


def refuse_others(args: argparse.Namespace) -> None:
    """Refuse options that do not go with what is split (UsageError); none is ignored."""
    names = OTHERS if args.by == LINKS else OWN
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
    """Make a link prediction task, prove it, score the baselines and store it as a dataset of its own."""
    from connectome.splits import Fractions
    from connectome.store import Repository
    from connectome.tasks import LinkPlan

    from ..derived.links import make_link_dataset

    given: dict[str, Any] = {
        "fractions": Fractions.parse(args.fractions) if args.fractions else None,
        "negatives": _listed(args.negatives),
        "ratio": args.ratio,
        "kind": "blocks" if args.block_size is not None else None,
        "block": args.block_size,
        "guard": args.guard,
        "delta": args.delta,
        "edge_types": _listed(args.edge_types),
    }
    plan = LinkPlan(seed=args.seed, **{name: value for name, value in given.items() if value is not None})
    made = make_link_dataset(
        Repository(args.root),
        args.spec,
        plan,
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


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(item.strip() for item in text.split(","))
