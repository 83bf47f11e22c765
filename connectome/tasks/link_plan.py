"""How to make a link prediction task: what is split how, and what the negatives are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import UsageError
from ..splits.plan import check_choice, check_seed
from ..splits.quota import Fractions

__all__ = ["NEGATIVES", "PUBLISHED", "TRAIN", "LinkPlan"]

TRAIN, PUBLISHED = "train", "published"
NEGATIVES = ("random", "spatial", "distance-matched")
USUAL = {"train": 0.8, "val": 0.1, "test": 0.1}


def in_order(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return values by name, those named here first and in this order; a record keeps them sorted by name."""
    known = [name for name in names if name in values]
    return {name: values[name] for name in [*known, *(name for name in values if name not in known)]}


@dataclass(frozen=True, kw_only=True)
class LinkPlan:
    """A plan for link prediction; immutable and JSON-serialisable.

    Parameters
    ----------
    kind : {"random", "blocks", "published"}
        ``"random"``: a keyed hash of the seed and the pair's ids places every pair. ``"blocks"``: the hash places
        cubes of space; a pair belongs to a part when both its ends lie in cubes of that part, and pairs that cross
        from one part to another are left out of all of them. ``"published"`` is said of a task that came with its
        graph, of which only parts and kinds of negatives are known.
    fractions : mapping of str to float
        Part to the share of the pairs, or of the cubes. There is a part ``train``.
    seed : int
        Of the places and of the negatives.
    negatives : sequence of {"random", "spatial", "distance-matched"}
        Kinds of negatives; each kind is a set of its own.
    ratio : int
        Negatives per positive.
    block : float, optional
        Edge of a cube in the unit of the positions, for ``"blocks"``. Cubes are counted from the origin.
    guard : float
        For ``"blocks"``: pairs to be predicted with an end nearer than this to a cube of another part are left out.
        At most ``block``.
    delta : float, optional
        Half-width of the cube of spatial negatives, in the unit of the positions; default the mean plus twice the
        standard deviation of the edges' distances.
    edge_types : sequence of str, optional
        Types of the links; default all.

    Raises
    ------
    UsageError
        When a value is out of its range, or values do not go together.
    """

    kind: Literal["random", "blocks", "published"] = "random"
    fractions: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(USUAL))
    seed: int = 0
    negatives: Sequence[str] = ("spatial",)
    ratio: int = 1
    block: float | None = None
    guard: float = 0.0
    delta: float | None = None
    edge_types: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_choice(self.kind, what="kind", choices=("random", "blocks", PUBLISHED))
        check_seed(self.seed)
        fractions = Fractions(self.fractions)
        if TRAIN not in fractions.shares or len(fractions.shares) < 2:
            raise UsageError(
                "links are split into train and at least one other part", subject="fractions", found=str(fractions)
            )
        names = (self.negatives,) if isinstance(self.negatives, str) else tuple(self.negatives)
        for name in names if self.kind != PUBLISHED else ():
            check_choice(name, what="negatives", choices=NEGATIVES)
        if not names or len(set(names)) != len(names):
            raise UsageError("each kind of negatives is named once", subject="negatives", found=repr(names))
        if not isinstance(self.ratio, int) or isinstance(self.ratio, bool) or self.ratio < 1:
            raise UsageError("a ratio counts negatives per positive", subject="ratio", found=repr(self.ratio))
        self._check_space()
        values: dict[str, Any] = {"fractions": fractions, "negatives": names, "guard": float(self.guard)}
        values |= {name: float(value) for name in ("block", "delta") if (value := getattr(self, name)) is not None}
        if self.edge_types is not None:
            values["edge_types"] = tuple(self.edge_types)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_space(self) -> None:
        for name in ("block", "guard", "delta"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
            if value is not None and not (number and (value or name == "guard")):
                raise UsageError("not a distance", subject=name, expected="a positive number", found=repr(value))
        if (self.kind == "blocks") is (self.block is None) or (self.kind != "blocks" and self.guard):
            raise UsageError(
                "blocks have a size, and only they",
                subject="block",
                place=self.kind,
                expected="block, and guard if wanted" if self.kind == "blocks" else "neither block nor guard",
                found=f"block {self.block!r}, guard {self.guard!r}",
            )
        if self.block is not None and self.guard > self.block:
            raise UsageError("a guard is at most as wide as a block", subject="guard", found=repr(self.guard))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts, in the order of ``fractions``."""
        return tuple(Fractions(self.fractions).shares)

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values; options that are not in use are left out."""
        values: dict[str, Any] = {
            "kind": self.kind,
            "fractions": [list(item) for item in Fractions(self.fractions).items()],
            "seed": self.seed,
            "negatives": list(self.negatives),
            "ratio": self.ratio,
        }
        if self.block is not None:
            values |= {"block": self.block, "guard": self.guard}
        if self.delta is not None:
            values["delta"] = self.delta
        if self.edge_types is not None:
            values["edge_types"] = list(self.edge_types)
        return values

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> LinkPlan:
        """Read what :meth:`as_dict` wrote; raise UsageError for anything else."""
        known = {field.name for field in dataclasses.fields(cls)}
        if not {"kind", "fractions", "seed", "negatives"} <= set(value) <= known:
            raise UsageError(
                "this is not a plan for links that this release reads",
                subject="plan",
                expected=", ".join(sorted(known)),
                found=", ".join(sorted(map(str, value))),
            )
        return cls(**{**value, "fractions": dict(value["fractions"])})
