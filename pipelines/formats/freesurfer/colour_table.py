"""Colour tables of FreeSurfer as text (``FreeSurferColorLUT.txt``, ``aparc.annot.ctab``): numbers and names of labels.

FreeSurfer's own table is under FreeSurfer's licence and is not part of this package; a user has it with the program.
Layout (https://surfer.nmr.mgh.harvard.edu/fswiki/LabelsClutsAnnotationFiles): number, name, red, green, blue,
transparency.
"""

from __future__ import annotations

from pathlib import Path

from connectome.errors import FormatError

from ..tables.text_rows import read_lines, whole

__all__ = ["read_colour_table"]


def read_colour_table(path: Path) -> dict[int, str]:
    """Return the names of labels by their numbers, in the order of the file; colours are checked and left.

    Raises
    ------
    FormatError
        When a line is no entry, or a number is there twice with different names.
    TruncatedError
        When the file is empty or only points to the data.
    """
    names: dict[int, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.partition("#")[0].split()
        if not cells:
            continue
        place = f"line {number}"
        if len(cells) != 6:
            raise FormatError(
                "not an entry of a colour table", subject=str(path), place=place,
                expected="number, name, red, green, blue, transparency", found=line[:80],
            )  # fmt: skip
        label = whole(cells[0], path, place, "the number of a label")
        for cell in cells[2:]:
            if not 0 <= whole(cell, path, place, "a colour") <= 255:
                raise FormatError("a colour is not from 0 to 255", subject=str(path), place=place, found=cell)
        if names.setdefault(label, cells[1]) != cells[1]:
            raise FormatError(
                "one number has two names", subject=str(path), place=place, expected=names[label], found=cells[1]
            )
    if not names:
        raise FormatError("the colour table is empty", subject=str(path), expected="entries", found="none")
    return names
