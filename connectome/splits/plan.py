"""What every plan for a split has in common: it makes a split, says what must hold for it, and travels as JSON."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

from ..errors import UsageError
from .groups import some
from .quota import Fractions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from .split import Split

__all__ = ["Demands", "Missing", "Plan"]

Missing = Literal["error", "own-group"]
"""What becomes of a record that does not say what group it belongs to."""


@dataclass(frozen=True)
class Demands:
    """What must hold for any split that a plan makes."""

    parts: tuple[str, ...] = ()
    """Parts that must not be empty."""
    by: tuple[str, ...] = ()
    """Columns whose values may not be in two parts; none where records are cut in time."""
    missing: Missing = "error"
    linked: tuple[tuple[str, str], ...] = ()
    """Pairs of groups that are one."""
    clock: str | None = None
    """Column that says which records share a time axis."""
    gap_s: float = 0.0
    """Least distance in seconds between two parts on one time axis."""
    covering: bool = True
    """Whether stretches cover their records but for guard gaps; trials do not."""


@dataclass(frozen=True, kw_only=True)
class Plan(ABC):
    """How to make a split; immutable and JSON-serialisable."""

    kind: ClassVar[str]
    """The name under which the plan is registered; stable."""

    @abstractmethod
    def assign(self, index: pd.DataFrame, previous: Split | None = None, *, name: str = "default") -> Split:
        """Make the split of an index.

        Parameters
        ----------
        index : pandas.DataFrame
            One row per record: a unique ``record`` and the attributes that the plan needs. The order of the rows
            does not matter.
        previous : Split, optional
            A split by the same plan of an earlier index. What it placed stays where it is.
        name : str
            Of the new split.

        Raises
        ------
        UsageError
            When the index lacks what the plan needs, or does not have enough of it.
        LeakError
            When what was in different parts must now be together.
        """

    @abstractmethod
    def demands(self) -> Demands:
        """Return what must hold for the split, for :func:`connectome.splits.prove`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        values = {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {"kind": self.kind, **values}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_dict` wrote.

        Raises
        ------
        UsageError
            When the value is of another kind or has fields that this plan does not know or needs.
        """
        given = {key: item for key, item in value.items() if key != "kind"}
        fields = {field.name: field for field in dataclasses.fields(cls)}
        needed = {
            name
            for name, field in fields.items()
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        }
        if value.get("kind") != cls.kind or not needed <= set(given) <= set(fields):
            raise UsageError(
                "this is not a plan that this release reads",
                subject=f"plan {cls.kind}",
                expected=f"kind {cls.kind!r} with {some(fields)}",
                found=f"kind {value.get('kind')!r} with {some(sorted(given))}",
            )
        return cls(**given)

    def _set(self, **values: Any) -> None:
        """Put the fields into their normal form, while the plan is being made."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def columns(value: object, *, what: str) -> tuple[str, ...]:
    """Return one or more column names as a tuple; text may list several with commas (UsageError)."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not found or not all(isinstance(item, str) and item for item in found):
        raise UsageError(f"{what} needs the name of a column", subject=what, found=repr(value))
    names = tuple(cast("str", item).strip() for item in found)
    if len(set(names)) != len(names):
        raise UsageError("a column is named twice", subject=what, found=some(names))
    return names


def link_pairs(value: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    """Return pairs of groups in one order, so that equal plans are equal (UsageError)."""
    pairs = {tuple(sorted(pair)) for pair in value}
    for pair in pairs:
        if len(pair) != 2 or not all(isinstance(item, str) for item in pair):
            raise UsageError("a link joins two groups", subject="linked", expected="pairs of names", found=repr(pair))
    return cast("tuple[tuple[str, str], ...]", tuple(sorted(pairs)))


def check_seed(seed: object) -> None:
    """Refuse a seed that is not a whole number (UsageError)."""
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UsageError("a seed is a whole number", subject="seed", found=repr(seed))


def check_gap(gap_s: object) -> None:
    """Refuse a gap that is not a finite number of seconds from 0 up (UsageError)."""
    number = isinstance(gap_s, (int, float)) and not isinstance(gap_s, bool)
    if not number or not 0 <= cast("float", gap_s) < float("inf"):
        raise UsageError("a guard gap is a number of seconds", subject="gap_s", expected="0 or more", found=repr(gap_s))


def check_choice(value: object, *, what: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices (UsageError)."""
    if value not in choices:
        raise UsageError(f"{what} has no such choice", subject=what, expected=" or ".join(choices), found=repr(value))


def _plain(value: Any) -> Any:
    """Return the JSON form of a plan's field."""
    if isinstance(value, Plan):
        return value.as_dict()
    if isinstance(value, Fractions):
        return [list(pair) for pair in value.items()]
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
