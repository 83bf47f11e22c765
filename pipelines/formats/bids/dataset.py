"""The format ``bids``: a BIDS dataset, raw and derived, as records: a patient with images, a run of EEG, iEEG or MEG.

The record of a patient holds the images that are here (``t1w``, ``flair``, ``space-orig_t1w``), label maps on their
grids (``labels/...``), the patient's row of ``participants.tsv`` as ``subject``, and ``sessions`` and ``scans`` where
there are such tables. That of a run holds its signals and what the tree says of it (:mod:`.run`). Images and signals
that were not fetched are told in the census with the size that they would have; a run without signals, and a person of
whom only the row is here, are records all the same.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io/en/v1.10.0/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError, UsageError
from connectome.schema import warning

from ..portions import Division, Portion, Unused
from ..seizures.rules import choose_rules
from .listed import INDEX, read_index, with_listed
from .naming import Image, images_of, is_volume, volume_name
from .participants import Participants, read_participants
from .patient import Patient
from .run import AUTO, ENTITIES, Run, check_signals
from .runs import RunFiles, find_runs
from .sidecars import applicable, read_json
from .tree import DESCRIPTION, RECORDED, BidsFile, BidsTree, is_bids, scan, subject_key

if TYPE_CHECKING:
    import xarray as xr

    from ..tables.text_rows import Note

__all__ = ["divide", "read", "sniff"]

TABLE, CODE_BOOK = "participants.tsv", "participants.json"
ALL = "all"
LISTS = "a list of files that are not here; what it says of a file is in the record"
NO_RECORDING = "no recording, and no table about one"
SPECIES = "Homo sapiens"
"""What BIDS assumes where the table has no column ``species``."""


def sniff(path: Path) -> bool:
    """Tell whether a folder is a BIDS dataset with anatomical images or recordings."""
    if not is_bids(path):
        return False
    return any(file.datatype in {"anat", *RECORDED} for file in scan(path).files)


def read(
    paths: list[Path],
    *,
    subject: str = "",
    run: str = "",
    datatypes: str = "anat",
    derivatives: str = ALL,
    post_op: str = "",
    signals: str = AUTO,
    events: str = AUTO,
) -> xr.DataTree:
    """Read one patient, or one run of a recording.

    Parameters
    ----------
    paths : list of Path
        The root of the dataset.
    subject : str
        Label with or without ``sub-``; may be left out where there is only one record.
    run : str
        Name of the run's record, ``sub-01_ses-a_task-rest_run-1``, where a subject has several.
    datatypes : str
        Folders that images are taken from, separated by commas; ``anat`` and whatever else holds NIfTI (``func``).
    derivatives : str
        Folders of ``derivatives`` to take, separated by commas; ``all`` or ``none``.
    post_op : str
        Columns of the participants that only surgery makes known, separated by commas; the table does not say.
    signals : str
        ``auto`` reads the signals of recordings where they are at hand, ``skip`` reads none, ``read`` refuses runs
        whose signals are not at hand.
    events : str
        Rules for the texts of events (:mod:`..seizures.rules`): ``auto`` takes those of the dataset's accession, else
        ``plain``; ``none`` keeps texts and times as they stand.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    UsageError
        When a subject has to be named, or there is none of that name.
    FormatError
        When a file is refused.
    """
    division = divide(
        paths, subject=subject, run=run, datatypes=datatypes, derivatives=derivatives, post_op=post_op,
        signals=signals, events=events,
    )  # fmt: skip
    found = division.portions
    name = run or subject or None
    if len(found) != 1:
        if not found:
            division = divide(paths, datatypes=datatypes, derivatives=derivatives, post_op=post_op)
        raise UsageError(
            "no such subject" if not found else "one run has to be named" if subject else "one subject has to be named",
            subject="run" if subject and found else "subject",
            expected=", ".join(portion.record for portion in division.portions[:20]),
            found=name,
        )
    return found[0].read()


def divide(
    paths: list[Path],
    *,
    subject: str = "",
    run: str = "",
    datatypes: str = "anat",
    derivatives: str = ALL,
    post_op: str = "",
    signals: str = AUTO,
    events: str = AUTO,
) -> Division:
    """Say which records a dataset holds; see :func:`read` for the options.

    Raises
    ------
    FormatError
        When the folder is no BIDS dataset, or its table of participants is malformed.
    UsageError
        When the table has no such column.
    """
    if len(paths) != 1 or not paths[0].is_dir():
        raise UsageError(
            "the root of one dataset is wanted", subject="bids", expected="a folder", found=", ".join(map(str, paths))
        )
    tree = scan(paths[0])
    if not is_bids(tree.root):
        raise FormatError(
            "not a BIDS dataset", subject=str(tree.root), expected=f"{DESCRIPTION}, or folders sub-*/anat"
        )
    listed = read_index(tree.root / INDEX) if _is_here(tree, INDEX) else {}
    tree = with_listed(tree, listed)
    about = _described(tree)
    participants = _participants(tree, tuple(name.strip() for name in post_op.split(",") if name.strip()))
    labels = sorted({*tree.subjects, *(participants.labels if participants else ())}, key=subject_key)
    if subject:
        labels = [label for label in labels if label == subject.removeprefix("sub-")]
    types = frozenset(item.strip() for item in datatypes.split(","))
    found = find_runs(tree)
    recorded = sorted({files.label for files in found})
    plain = {label: participants.plain(label) for label in recorded} if participants else {}
    rules = choose_rules(events, doi=_doi(about))
    runs = [
        Run(tree.root, files, rules, check_signals(signals), participants, listed,
            _about_run(files, plain.get(files.label, {}), about, tree))
        for files in found
    ]  # fmt: skip
    portions: list[Portion] = []
    unused: dict[str, Unused] = {}
    for label in labels:
        own = [item for item in runs if item.files.label == label]
        if not runs or any(is_volume(file) and file.datatype in types for file in tree.of(label)):
            portion, left = _portion(tree, label, participants, about, types, derivatives)
            portions.append(portion)
            unused.update((item.file, item) for item in left)
        else:
            # Who has recordings and no images is not a record of the images that are missing.
            unused.update((file.path, Unused(file.path, NO_RECORDING, "not-data")) for file in tree.of(label))
            if not own:
                row = f"{TABLE}#sub-{label}"
                unused[row] = Unused(row, "no recording of this person is known", "not-data")
        for item in own:
            portions.append(_run_portion(item, tree))
            unused.update((file.path, _not_read(file)) for file in item.files.data if not item.reads_signals)
    if run:
        portions = [portion for portion in portions if portion.record == run]
    used = {path for portion in portions for path in portion.files}
    for file in tree.of(None):
        if file.path not in used:
            reason = LISTS if file.path == INDEX else "it is about no patient"
            unused[file.path] = Unused(file.path, reason, "not-data")
    unused = {path: item for path, item in unused.items() if path not in used and not _is_listed(tree, path)}
    title = str(about.get("Name") or tree.root.name)
    told = {"title": title, "species": [SPECIES], "licence": str(about.get("License") or "none-stated")}
    return Division(tree.root, tuple(portions), tuple(unused[path] for path in sorted(unused)), told)


def _doi(about: Mapping[str, Any]) -> str:
    return str(about.get("DatasetDOI") or "").removeprefix("doi:")


def _about_run(files: RunFiles, plain: Mapping[str, Any], about: Mapping[str, Any], tree: BidsTree) -> dict[str, Any]:
    """Return the attributes of a run's record."""
    name = f"sub-{files.label}"
    attrs: dict[str, Any] = {
        "title": f"{files.record} of {about.get('Name') or tree.root.name}",
        "species": SPECIES, "subject": name, "patient": name, "datatype": files.datatype,
    }  # fmt: skip
    for key, long in ENTITIES.items():
        value = files.name.get(key)
        if value is not None:
            attrs[long] = f"ses-{value}" if key == "ses" else value
    attrs |= _licence(about)
    return attrs | {key: value for key, value in plain.items() if key not in attrs}


def _licence(about: Mapping[str, Any]) -> dict[str, str]:
    pairs = (("licence", "License"), ("doi", "DatasetDOI"), ("bids_version", "BIDSVersion"))
    return {key: str(about[given]).removeprefix("doi:") for key, given in pairs if about.get(given)}


def _run_portion(run: Run, tree: BidsTree) -> Portion:
    """Return a run as a portion; what is stated of data that are not here is one of its parameters."""
    inputs = [file.path for file in run.inputs()]
    common = [path for path in (DESCRIPTION, TABLE, CODE_BOOK) if _is_here(tree, path)]
    own = [path for path in inputs if run.files.record in path] or inputs
    stated: dict[str, Any] = {
        file.path: [file.pointer.size_bytes, file.pointer.checksum]
        for file in run.files.data
        if file.pointer is not None
    }
    for file in run.files.data:
        row = run.listed.get(file.path)
        if row is not None:
            stated[file.path] = [row.pointer.size_bytes, row.pointer.checksum, row.duration_s, row.rate_hz]
    return Portion(
        run.files.record, tuple(sorted({*inputs, *common})), run.read, tuple(sorted(own)),
        {"not_at_hand": stated} if stated and not run.reads_signals else {},
    )  # fmt: skip


def _not_read(file: BidsFile) -> Unused:
    if file.pointer is not None:
        return Unused(file.path, str(file.pointer), "unavailable")
    return Unused(file.path, "signals were not read: other files of the run are missing, or signals=skip", "not-data")


def _is_listed(tree: BidsTree, path: str) -> bool:
    found = tree.find(path)
    return found is not None and found.is_listed


def _described(tree: BidsTree) -> dict[str, Any]:
    found = tree.find(DESCRIPTION)
    return read_json(tree.root / DESCRIPTION) if found is not None and found.pointer is None else {}


def _participants(tree: BidsTree, post_op: tuple[str, ...]) -> Participants | None:
    if not _is_here(tree, TABLE):
        if post_op:
            raise UsageError("there is no table of participants", subject="post_op", found=", ".join(post_op))
        return None
    code_book = tree.find(CODE_BOOK)
    found = read_participants(tree.root / TABLE, tree.root / CODE_BOOK if code_book is not None else None)
    there = list(found.rows[0]) if found.rows else []
    strange = [name for name in post_op if name not in there]
    if strange:
        raise UsageError(
            "the table has no such column", subject="post_op", expected=", ".join(there), found=", ".join(strange)
        )
    return replace(found, post_op=post_op)


def _portion(
    tree: BidsTree,
    label: str,
    participants: Participants | None,
    about: dict[str, Any],
    types: frozenset[str],
    derivatives: str,
) -> tuple[Portion, list[Unused]]:
    taken, unused, absent = _sorted_out(tree.of(label), types, derivatives)
    name = f"sub-{label}"
    try:
        images, sidecars = _described_images(tree, label, taken)
    except FormatError as error:
        # One patient whose files cannot be told apart stops nobody else.
        refused = sorted({file.path for file in taken})
        return Portion(name, tuple(refused), partial(_refuse, error), tuple(refused)), unused
    tables = {
        kind: file
        for kind in ("sessions", "scans")
        for file in tree.of(label)
        if file.file_name == f"{name}_{kind}.tsv" and file.pointer is None
    }
    warnings: list[Note] = []
    if participants is not None and label not in participants.labels:
        warnings.append(warning("folder-without-row", TABLE, f"{name} has a folder and no row"))
    if not tree.of(label):
        warnings.append(warning("row-without-folder", TABLE, f"{name} has a row and no folder"))
    if absent:
        listed = ", ".join(f"{file.file_name} ({file.pointer})" for file in absent)
        warnings.append(warning("images-not-fetched", name, listed))
    elif not images and tree.of(label):
        warnings.append(warning("no-images", name, "no anatomical image of this person is here"))
    attrs: dict[str, Any] = {
        "title": f"{name} of {about.get('Name') or tree.root.name}",
        "species": SPECIES, "subject": name, "patient": name,
    }  # fmt: skip
    attrs |= _licence(about)
    if participants is not None:
        attrs |= {key: value for key, value in participants.plain(label).items() if key not in attrs}
    patient = Patient(tree.root, label, tuple(images), sidecars, tables, participants, tuple(warnings), attrs)
    json_files = {file.path for files in sidecars.values() for file in files}
    own = {image.file.path for image in images} | {file.path for file in tables.values()}
    own |= {path for path in json_files if path.startswith(f"{name}/") or f"/{name}/" in path}
    common = {path for path in (DESCRIPTION, TABLE, CODE_BOOK) if _is_here(tree, path)}
    unused = [item for item in unused if item.file not in own]
    files = sorted(own | json_files | common)
    return Portion(name, tuple(files), patient.read, tuple(sorted(own))), unused


def _described_images(
    tree: BidsTree, label: str, files: Sequence[BidsFile]
) -> tuple[list[Image], dict[str, list[BidsFile]]]:
    images = images_of(files, subject=f"sub-{label}")
    candidates = [file for file in (*tree.of(None), *tree.of(label)) if file.file_name.endswith(".json")]
    sidecars = {image.file.path: applicable(image.file, candidates) for image in images if image.file.name is not None}
    return images, sidecars


def _refuse(error: FormatError) -> xr.DataTree:
    raise error


def _is_here(tree: BidsTree, path: str) -> bool:
    found = tree.find(path)
    return found is not None and found.pointer is None


def _sorted_out(
    files: Sequence[BidsFile], types: frozenset[str], derivatives: str
) -> tuple[list[BidsFile], list[Unused], list[BidsFile]]:
    """Return the volumes to read, what is left aside with reasons, and the volumes that were not fetched."""
    taken: list[BidsFile] = []
    unused: list[Unused] = []
    absent: list[BidsFile] = []
    wanted = {item.strip() for item in derivatives.split(",")}
    for file in files:
        if file.pipeline is not None and wanted != {ALL} and file.pipeline not in wanted:
            unused.append(Unused(file.path, "its folder of derivatives was not asked for", "not-data"))
        elif not is_volume(file):
            unused.append(Unused(file.path, _why_not(file), "not-data"))
        elif file.pipeline is None and file.datatype not in types:
            reason = f"images of {file.datatype or 'no datatype'} were not asked for; --option datatypes=..."
            unused.append(Unused(file.path, reason, "not-data"))
        elif file.pointer is not None:
            absent.append(file)
            unused.append(Unused(file.path, str(file.pointer), "unavailable"))
        elif volume_name(file) is None:
            unused.append(Unused(file.path, "its name is not of the form of BIDS", "not-data"))
        else:
            taken.append(file)
    return taken, unused, absent


def _why_not(file: BidsFile) -> str:
    if file.pointer is not None:
        return str(file.pointer)
    if file.file_name.endswith(".json"):
        return "the image that it describes is not read"
    return "no image, and no table of one patient"
