"""Which forms of files of EEG, iEEG and MEG are read, by whom, and which are refused, and why.

Every suffix that MNE-Python's ``read_raw`` knows stands here, and a few forms that it reads by other functions. A form
is told by suffix and, where it has one, by what the file starts with or what lies beside it; so no reader is ever tried
on a file that it may merely fail to refuse.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267 (MNE-Python 1.13, ``mne.io``).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from connectome.errors import FormatError, MissingExtraError

__all__ = ["FORMS", "Form", "beside", "form_of", "refuse_mislabelled", "starts_like"]

FIF_START = b"\x00\x00\x00\x64\x00\x00\x00\x1f\x00\x00\x00\x14"
"""First tag of a FIF file: kind 100 (file id), type 31, 20 bytes."""
MATLAB_STARTS = (b"MATLAB 5.0", b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3")
NOT_ELECTRIC = "near-infrared spectroscopy, no electric or magnetic recording"
START_BYTES = 16
EXIMIA_FRAME, EXIMIA_HZ = 2 * 64, 1450
"""Bytes of one moment and moments of a second: ``mne.io.eximia``; the file itself says neither."""


@dataclass(frozen=True)
class Form:
    """One form of files."""

    name: str
    suffixes: tuple[str, ...]
    """Lower case; those of folders too."""
    reader: str = ""
    """Function of ``mne.io`` for what is not read here; ``""`` where none is needed or the form is refused."""
    here: bool = False
    """Whether this package has a reader of its own, for all or most of the form."""
    starts: tuple[bytes, ...] = ()
    """First bytes, where the form has a mark."""
    beside: tuple[str, ...] = ()
    """Endings that take the place of the suffix in the names of further files that are read."""
    needed: tuple[str, ...] = ()
    """One of these must lie beside it; in a folder, the start of the name of one file."""
    inside: tuple[str, ...] = ()
    """Ends of the names of files that must be in the folder, where it is one."""
    named_only: bool = False
    """Whether nothing tells it from other files, so that it is meant only where the format is named."""
    package: str = ""
    """What MNE-Python needs for it beside itself."""
    reason: str = ""
    """Why it is refused."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of MNE-Python's function."""
    frame_bytes: int = 0
    """Of all samples of one moment, where a file is nothing but these; it then lasts a second or more."""
    unscaled: bool = False
    """Whether MNE-Python hands out stored numbers and calls them volts."""
    states_zone: bool = True
    """Whether the file says in which time zone its clock is; MNE-Python writes UTC for all."""


FORMS = (
    Form("EDF", (".edf",), here=True, starts=(b"0       ",)),
    Form("BDF", (".bdf",), here=True, starts=(b"\xffBIOSEMI",)),
    Form("BrainVision", (".vhdr", ".ahdr"), "read_raw_brainvision", here=True, states_zone=False,
         starts=tuple(mark + name for mark in (b"", b"\xef\xbb\xbf") for name in (b"Brain Vision", b"BrainVision"))),
    Form("EEGLAB", (".set",), here=True, starts=MATLAB_STARTS),
    Form("Persyst", (".lay",), here=True, starts=(b"[FileInfo]", b"[fileinfo]", b"[Fileinfo]", b"[FILEINFO]")),
    Form("Nihon Kohden", (".eeg",), here=True, beside=(".21e", ".log"),
         starts=(b"EEG-1100", b"EEG-1200", b"EEG-2100", b"QI-403A", b"DAE-2100D")),
    Form("Neuroscan", (".cnt",), here=True, starts=(b"Version 3",)),
    Form("EGI simple binary", (".raw",), here=True,
         starts=tuple(b"\0\0\0" + bytes([number]) for number in range(2, 8))),
    Form("GDF", (".gdf",), "read_raw_gdf", here=True, starts=(b"GDF ",), states_zone=False),
    Form("FIF", (".fif", ".fif.gz"), "read_raw_fif", starts=(FIF_START,)),
    Form("KIT", (".sqd", ".con"), "read_raw_kit"),
    Form("CTF", (".ds",), "read_raw_ctf", inside=(".res4", ".meg4"), states_zone=False),
    Form("BTi", ("",), "read_raw_bti", inside=("config",), needed=("c,rf", "e,rf"), states_zone=False,
         options={"rename_channels": False, "sort_by_ch_name": False, "ecg_ch": None, "eog_ch": None}),
    Form("ANT", (".cnt",), "read_raw_ant", starts=(b"RIFF", b"RF64"), package="antio"),
    Form("EGI MFF", (".mff",), "read_raw_egi", inside=("info.xml", "signal1.bin"), package="mffpy"),
    Form("Curry 7", (".dap", ".dat", ".rs3", ".cef", ".ceo"), here=True, needed=(".dap",)),
    Form("Curry 8 and 9", (".cdt", ".cdt.dpa", ".cdt.dpo", ".cdt.cef", ".cdt.ceo"), here=True,
         needed=(".cdt.dpa", ".cdt.dpo")),
    Form("BCI2000", (".dat",), "read_raw_bci2k", starts=(b"BCI2000V=", b"HeaderLen="), unscaled=True,
         options={"preload": True}),
    Form("Nicolet", (".data",), "read_raw_nicolet", beside=(".head",), needed=(".head",), options={"ch_type": "eeg"},
         states_zone=False),
    Form("Neuroelectrics", (".nedf",), "read_raw_nedf", starts=(b"<",), package="defusedxml"),
    Form("eXimia", (".nxe",), "read_raw_eximia", unscaled=True, frame_bytes=EXIMIA_FRAME),
    Form("UCL FIL OPM", ("_meg.bin",), "read_raw_fil", needed=("_meg.json",),
         beside=("_meg.json", "_channels.tsv", "_positions.tsv", "_coordsystem.json")),
    Form("Artemis123", (".bin",), "read_raw_artemis123", beside=(".txt",), needed=(".txt",), named_only=True,
         states_zone=False),
    Form("MEF 3", (".mefd",), "read_raw_mef", inside=(".timd",), package="pymef"),
    Form("NIRx", (".hdr",), starts=(b"[GeneralInfo]",), reason=NOT_ELECTRIC),
    Form("SNIRF", (".snirf",), reason=NOT_ELECTRIC),
    Form("BOXY", (".txt",), named_only=True, reason=NOT_ELECTRIC),
    Form("EyeLink", (".asc",), named_only=True, reason="positions of eyes, no electric or magnetic recording"),
    Form("FieldTrip", (".mat",), named_only=True,
         reason="a FieldTrip structure does not say what its channels are: save it as EDF, BrainVision or FIF"),
    Form("Blackrock", (".ns3",),
         reason="MNE-Python keeps samples that were not taken at the edges of a pause: convert the recording to NWB"),
    Form("markers of BrainVision", (".vmrk", ".amrk"), reason="a file of markers: give the header (.vhdr) instead"),
)  # fmt: skip
"""Where several forms have a suffix, the first whose marks fit is meant."""
SHORTEST_MARK, TEXT_BYTES = 4, 256
TEXT = frozenset([*b"\t\n\v\f\r", *range(0x20, 0x7F)])
OTHERS = (
    b"PK\x03\x04", b"\x1f\x8b\x08", b"\x93NUMPY", b"%PDF-", b"\x89PNG", b"<?xml", b"CDF\x01", b"CDF\x02",
    b"Julia data file", b"HDF5-based Julia",
    *{mark for form in FORMS for mark in form.starts if len(mark.strip(b"\0")) >= SHORTEST_MARK},
)  # fmt: skip
"""What files of other kinds start with: a form without a mark of its own would take their bytes for samples."""


def _suffix(path: Path, form: Form) -> str | None:
    """Return the longest suffix of the form that a name has; None where it has none."""
    name = path.name.lower()
    found = [suffix for suffix in form.suffixes if name.endswith(suffix) and name != suffix]
    return max(found, key=len) if found else None


def _start(path: Path) -> bytes:
    """Return the first bytes of a file, or of what is compressed in it; none where that is damaged."""
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    if path.name.lower().endswith(".gz"):
        try:
            with gzip.open(path) as packed:
                return packed.read(START_BYTES)
        except (OSError, EOFError, zlib.error):
            return b""
    return start


def _is_text(path: Path) -> bool:
    """Tell whether a file starts with plain text only, as samples never do."""
    with path.open("rb") as file:
        start = file.read(TEXT_BYTES)
    return bool(start) and all(byte in TEXT for byte in start)


def _companions(path: Path, form: Form, endings: tuple[str, ...]) -> list[Path]:
    """Return the files beside one, or in a folder, whose names have the same stem and one of these endings."""
    suffix = _suffix(path, form) or ""
    stem = path.name[: len(path.name) - len(suffix)].lower()
    if path.is_dir():
        return sorted(item for item in path.iterdir() if item.name.lower().startswith(endings) and item.is_file())
    wanted = {stem + ending for ending in endings}
    found = (item for item in path.parent.iterdir() if item.name.lower() in wanted and item.is_file())
    return sorted(item for item in found if item.name != path.name)


def _fits(path: Path, form: Form) -> bool:
    """Tell whether a file or folder carries the marks of a form whose suffix it has."""
    if path.is_dir():
        names = [item.name.lower() for item in path.iterdir()] if form.inside else []
        fits = bool(names) and all(any(name.endswith(end) for name in names) for end in form.inside)
    elif form.inside:
        return False
    else:
        start = _start(path)
        # What must lie beside it is a mark, too; some such forms are text.
        marked = start.startswith(OTHERS) or (not form.needed and _is_text(path))
        fits = start.startswith(form.starts) if form.starts else bool(form.reason) or not marked
        if form.frame_bytes:
            size = path.stat().st_size
            fits = fits and not size % form.frame_bytes and size >= EXIMIA_HZ * form.frame_bytes
    own = _suffix(path, form) in form.needed
    return fits and (not form.needed or own or bool(_companions(path, form, form.needed)))


def _named(path: Path) -> list[Form]:
    """Return the forms whose suffix a file or folder has."""
    lengths = [(len(suffix), form) for form in FORMS if (suffix := _suffix(path, form)) is not None]
    if path.is_file():
        lengths = [(length, form) for length, form in lengths if length]
    # A folder without a suffix of its own is told by what is in it.
    return [form for _, form in sorted(lengths, key=lambda item: -item[0])]


def form_of(path: Path) -> Form | None:
    """Return the form of a file or folder; None where its suffix or its marks are of none."""
    return next((form for form in _named(path) if _fits(path, form)), None)


def starts_like(path: Path) -> bool:
    """Tell whether a file or folder is of one of the forms, read or refused; False where only its suffix may say so."""
    form = form_of(path)
    return form is not None and not form.named_only


def refuse_mislabelled(path: Path) -> Form:
    """Return the form of a file or folder that is read.

    Raises
    ------
    FormatError
        Where it does not start as its suffix demands, or its form is not read.
    MissingExtraError
        Where MNE-Python needs a package for it that is not installed.
    """
    form, named = form_of(path), _named(path)
    if form is None and path.is_dir():
        folders = [item for item in FORMS if item.inside]
        raise FormatError(
            "not a folder of a recording",
            subject=str(path),
            expected="; ".join(f"NAME{item.suffixes[0]} with {' and '.join(item.inside)}" for item in folders),
            found=path.name,
        )
    if form is None and not named:
        known = sorted({suffix for item in FORMS if not item.reason for suffix in item.suffixes if suffix})
        raise FormatError(
            "no form of recordings has this suffix", subject=str(path), expected=", ".join(known), found=path.name
        )
    if form is None:
        lacking = [item for item in named if item.starts and not _start(path).startswith(item.starts)]
        if not lacking:
            raise FormatError(
                "a file that belongs to it is missing",
                subject=str(path),
                place=named[0].name,
                expected=" or ".join(f"NAME{end}" for item in named for end in item.needed),
                found="no such file beside it",
            )
        raise FormatError(
            "the file does not start as its suffix demands",
            subject=str(path),
            place="byte 0",
            expected=" or ".join(repr(start) for item in lacking for start in item.starts),
            found=repr(_start(path)),
        )
    if form.reason:
        raise FormatError(
            f"recordings of this form ({form.name}) are not read", subject=str(path), found=form.name, hint=form.reason
        )
    if form.package and find_spec(form.package) is None:
        raise MissingExtraError(
            f"MNE-Python reads this form ({form.name}) by another package, {form.package}",
            subject=str(path),
            hint=f"pip install {form.package}",
        )
    return form


def beside(path: Path) -> list[Path]:
    """Return the files of the same stem that are read along with this one."""
    form = form_of(path)
    return _companions(path, form, form.beside) if form is not None and form.beside else []
