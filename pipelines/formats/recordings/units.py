"""The unit of each channel and where it is stated: in the file, in ``channels.tsv``, by whoever imports it, or nowhere.

What the file states holds. Where it states none, what is given holds before ``channels.tsv``, and that before what the
form of the file implies. A given unit that contradicts the file is refused unless it is said to correct it. No number
is changed: a unit says what the physical numbers are that were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connectome.errors import UsageError
from connectome.schema import warning

from .recording import udunits

if TYPE_CHECKING:
    from .recording import Block, Channel, Recording

__all__ = ["ORIGINS", "GivenUnit", "given_unit", "with_units"]

ORIGINS = ("file", "channels.tsv", "given", "assumed", "")
"""Values of a channel's ``unit_origin``: stated in the file, in the sidecar or by the importer, implied, unknown."""
QUANTITIES = ({"V", "mV", "uV", "nV"}, {"T", "nT", "pT", "fT"}, {"T/m", "fT/cm"})
"""Units that stand for each other: voltages, magnetic fields, their gradients."""
NO_SIGNAL = {"trig", "stim", "misc", "status"}
"""Kinds of channels that a given unit does not mean."""
Remarks = list[dict[str, str]]


@dataclass(frozen=True)
class GivenUnit:
    """A unit that somebody states for the channels of a recording."""

    unit: str
    corrects: bool
    """Whether it holds against the file."""

    def means(self, channel: Channel) -> bool:
        """Tell whether it can be the unit of a channel: of the same quantity, or of one that is not known."""
        if channel.kind in NO_SIGNAL:
            return False
        return not channel.unit or any({self.unit, channel.unit} <= quantity for quantity in QUANTITIES)


def given_unit(text: str, *, corrects: bool) -> GivenUnit | None:
    """Return what the options ``unit`` and ``unit_corrects`` say; None where they say nothing."""
    unit = udunits(text)
    if not unit:
        if corrects:
            raise UsageError("nothing to correct with", subject="unit_corrects", expected="unit=UNIT beside it")
        return None
    if not any(unit in quantity for quantity in QUANTITIES):
        known = ", ".join(sorted(unit for quantity in QUANTITIES for unit in quantity))
        raise UsageError("not a unit of recordings", subject="unit", expected=known, found=text)
    return GivenUnit(unit, corrects)


def with_units(
    recording: Recording, stated: Sequence[str], given: GivenUnit | None = None
) -> tuple[list[Block], Remarks]:
    """Return the blocks with unit and origin of every channel, and what contradicts.

    Parameters
    ----------
    recording : Recording
    stated : sequence of str
        What the sidecar says of each channel, in UDUNITS spelling; ``""`` where it says nothing.
    given : GivenUnit, optional

    Raises
    ------
    UsageError
        When the file states another unit than the given one, or no channel can have that.
    """
    blocks, differing, at = [], dict[tuple[str, str, str], list[str]](), 0
    corrected: dict[str, list[str]] = {}
    refused: dict[str, list[str]] = {}
    meant = False
    # What a reader has converted to SI units is no longer in the unit of which the sidecar speaks.
    converted = "conversion" in recording.attrs
    for block in recording.blocks:
        channels = []
        for channel, sidecar in zip(block.channels, stated[at : at + len(block.channels)], strict=True):
            other = "" if converted and channel.unit else sidecar
            origin = channel.unit_origin or ("file" if channel.source_unit else "")
            holds = channel.unit
            if other and origin != "file":
                origin, holds = "channels.tsv", other
            if other and channel.unit and other != channel.unit:
                differing.setdefault((channel.unit, other, origin), []).append(channel.label)
            if given is not None and given.means(channel):
                meant = True
                if origin == "file" and holds != given.unit:
                    (corrected if given.corrects else refused).setdefault(holds, []).append(channel.label)
                if origin == "channels.tsv" and other != given.unit:
                    differing.setdefault((given.unit, other, "given"), []).append(channel.label)
                if origin != "file" or holds != given.unit:
                    origin, holds = "given", given.unit
            channels.append(replace(channel, unit=holds, unit_origin=origin))
        at += len(block.channels)
        blocks.append(replace(block, channels=tuple(channels)))
    if given is not None:
        _check(given, refused, meant=meant)
    return blocks, [*_contradictions(differing), *_corrections(corrected, given)]


def _check(given: GivenUnit, refused: dict[str, list[str]], *, meant: bool) -> None:
    if refused:
        units = "; ".join(f"{unit} for {', '.join(names[:5])}" for unit, names in refused.items())
        raise UsageError(
            "the file states another unit",
            subject="unit",
            expected=units,
            found=given.unit,
            hint="unit_corrects=true, if the file is wrong",
        )
    if not meant:
        raise UsageError("no channel can have this unit", subject="unit", found=given.unit)


def _contradictions(differing: dict[tuple[str, str, str], list[str]]) -> Remarks:
    first = {"file": "the recording says", "given": "given is"}
    last = {"file": "the recording's", "given": "what is given"}
    remarks = []
    for (own, other, origin), names in differing.items():
        says, wins = first.get(origin, "the recording's format implies"), last.get(origin, "the sidecar's")
        message = f"{says} {own}, channels.tsv says {other}; {wins} holds"
        remarks.append(warning("units-differ", ", ".join(names), message))
    return remarks


def _corrections(corrected: dict[str, list[str]], given: GivenUnit | None) -> Remarks:
    return [
        warning("unit-corrected", ", ".join(names), f"the recording says {unit}; {given.unit} is given to correct it")
        for unit, names in corrected.items()
        if given is not None
    ]
