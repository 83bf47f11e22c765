"""Which recordings a BIDS tree holds: one run each, with its data files and the sidecars that are about it.

BIDS 1.10, "Electroencephalography", "Intracranial EEG", "Magnetoencephalography" and "The inheritance principle". A run
whose signals were not fetched, or of which only sidecars are here, is a run all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from connectome.errors import FormatError

from .entities import BidsName, parse_name
from .sidecars import applicable
from .tree import RECORDED, BidsFile, BidsTree

__all__ = ["MAINS", "RunFiles", "find_runs"]

MAINS = {
    "eeg": (".vhdr", ".edf", ".bdf", ".set"),
    "ieeg": (".vhdr", ".edf", ".set", ".nwb", ".mefd"),
    "meg": (".fif", ".ds", ".sqd", ".con", ".kdf", ".chn", ".trg"),
}
"""Extensions that a recording is named by, per datatype."""
PARTS = (".eeg", ".vmrk", ".dat", ".fdt")
"""Extensions of files that a header brings along."""
FOLDERS = (".ds", ".mefd")
"""Endings of folders that are one recording."""
PER_RUN = ("channels", "events")


@dataclass(frozen=True)
class RunFiles:
    """One run."""

    record: str
    """Entities as in the file names: ``sub-01_ses-a_task-rest_run-1``."""
    label: str
    """Label of the subject, without ``sub-``."""
    name: BidsName
    datatype: str
    main: BidsFile | None
    """The file that is opened; None where only sidecars speak of the run."""
    data: tuple[BidsFile, ...]
    """All files of the signal, the main one among them, sorted."""
    sidecars: tuple[BidsFile, ...] = ()
    """JSON files about the recording, the weakest first."""
    channels: BidsFile | None = None
    events: BidsFile | None = None
    events_json: tuple[BidsFile, ...] = ()
    electrodes: tuple[BidsFile, ...] = ()
    coordsystems: tuple[BidsFile, ...] = ()
    scans: BidsFile | None = None
    sessions: BidsFile | None = None

    @property
    def is_at_hand(self) -> bool:
        """Whether every file of the signal is here."""
        return self.main is not None and all(file.pointer is None for file in self.data)

    @property
    def folder(self) -> str | None:
        """Folder that is opened instead of a file (CTF), relative to the root; None for files."""
        if self.main is None:
            return None
        found = [part for part in PurePosixPath(self.main.path).parents if part.suffix in FOLDERS]
        return str(found[0]) if found else None

    def files(self) -> list[BidsFile]:
        """Return every file about the run, each once."""
        single = [file for file in (self.channels, self.events, self.scans, self.sessions) if file is not None]
        listed = [*self.data, *self.sidecars, *single, *self.events_json, *self.electrodes, *self.coordsystems]
        return list({file.path: file for file in listed}.values())


def find_runs(tree: BidsTree) -> list[RunFiles]:
    """Find the runs of a tree, sorted by record.

    Parameters
    ----------
    tree : BidsTree
        Raw files; what lies in ``derivatives`` or ``sourcedata`` is no run.

    Returns
    -------
    list of RunFiles

    Raises
    ------
    FormatError
        When two JSON files of one folder are equally about one run.
    """
    shared = [file for file in tree.of(None) if len(file.folder) == 0]
    runs: list[RunFiles] = []
    for label in tree.subjects:
        files = [file for file in tree.of(label) if _is_raw(file)]
        own: dict[tuple[str, tuple[tuple[str, str], ...]], list[BidsFile]] = {}
        for file in files:
            named = _recording_name(file)
            if named is not None:
                datatype, name = named
                own.setdefault((datatype, _without_split(name)), []).append(file)
        # What only sidecars speak of is a run, unless they are about several runs whose names say more.
        sets = {key: {frozenset(entities) for kind, entities in own if kind == key} for key in RECORDED}
        for (datatype, entities), members in list(own.items()):
            is_stated_only = all(file.path.endswith((".json", ".tsv")) for file in members)
            if is_stated_only and any(frozenset(entities) < other for other in sets[datatype]):
                del own[datatype, entities]
        stems = ["_".join("-".join(pair) for pair in entities) for _, entities in own]
        for (datatype, entities), data in own.items():
            stem = "_".join("-".join(pair) for pair in entities)
            record = stem if stems.count(stem) == 1 else f"{stem}_{datatype}"
            runs.append(_run(record, label, datatype, entities, data, [*shared, *files]))
    return sorted(runs, key=lambda run: run.record)


def _is_raw(file: BidsFile) -> bool:
    return file.pipeline is None and not file.path.startswith(("sourcedata/", "code/", "stimuli/"))


def _recording_name(file: BidsFile) -> tuple[str, BidsName] | None:
    """Return datatype and name of the run that a file speaks of: the signal, or a table or JSON file about one run."""
    for part in reversed(file.folder):
        if part.endswith(FOLDERS):
            name = parse_name(part)
            return None if name is None or name.suffix not in RECORDED else (name.suffix, name)
    name, datatype = file.name, file.datatype
    if name is None or datatype not in RECORDED:
        return None
    extension = name.extension.lower()
    if (name.suffix in PER_RUN and extension == ".tsv") or (name.suffix == datatype and extension == ".json"):
        # One without a task is about many runs.
        return (datatype, name) if name.get("task") is not None else None
    is_signal = name.suffix == datatype and (extension in MAINS[datatype] or extension in PARTS)
    return (datatype, name) if is_signal else None


def _without_split(name: BidsName) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in name.entities if pair[0] != "split")


def _run(
    record: str,
    label: str,
    datatype: str,
    entities: tuple[tuple[str, str], ...],
    members: Sequence[BidsFile],
    around: Sequence[BidsFile],
) -> RunFiles:
    data = sorted((file for file in members if not file.path.endswith((".json", ".tsv"))), key=lambda file: file.path)
    mains = [file for file in data if _is_main(file, datatype)]
    main = min(mains, key=lambda file: file.path) if mains else None
    name = BidsName(entities, datatype, main.name.extension if main is not None and main.name is not None else ".json")
    anchor = main if main is not None and main.name is not None else members[0]
    # A JSON file that names its run is about the run whatever the extension of the signal.
    about = BidsFile(f"{'/'.join(anchor.folder)}/{record}_{datatype}.json", 0, name)
    if any(part.endswith(FOLDERS) for part in anchor.folder):
        above = anchor.folder[: next(at for at, part in enumerate(anchor.folder) if part.endswith(FOLDERS))]
        about = BidsFile(f"{'/'.join(above)}/{record}_{datatype}.json", 0, name)
    single = {kind: _nearest(about, around, kind, ".tsv") for kind in PER_RUN}
    events = BidsFile(about.path, 0, BidsName(entities, "events", ".json"))
    return RunFiles(
        record=record,
        label=label,
        name=name,
        datatype=datatype,
        main=main,
        data=tuple(data),
        sidecars=tuple(file for file in applicable(about, around) if file.pointer is None),
        channels=single["channels"],
        events=single["events"],
        events_json=tuple(file for file in applicable(events, around) if file.pointer is None),
        electrodes=tuple(_of_setup(about, around, "electrodes", ".tsv")),
        coordsystems=tuple(_of_setup(about, around, "coordsystem", ".json")),
        scans=next((file for file in around if _is_table(file, about, "scans")), None),
        sessions=next((file for file in around if _is_table(file, about, "sessions")), None),
    )


def _is_main(file: BidsFile, datatype: str) -> bool:
    if any(part.endswith(FOLDERS) for part in file.folder):
        return True
    return file.name is not None and file.name.extension.lower() in MAINS[datatype]


def _candidates(about: BidsFile, around: Iterable[BidsFile], suffix: str, extension: str) -> list[BidsFile]:
    """Return the files of a kind that lie above or beside a run and name nothing that the run does not."""
    assert about.name is not None
    own = set(about.name.entities)
    folders = [about.folder[:depth] for depth in range(len(about.folder) + 1)]
    return [
        file
        for file in around
        if file.name is not None
        and file.name.suffix == suffix
        and file.name.extension == extension
        and file.folder in folders
        and file.pointer is None
        and {pair for pair in file.name.entities if pair[0] != "space"} <= own
    ]


def _nearest(about: BidsFile, around: Sequence[BidsFile], suffix: str, extension: str) -> BidsFile | None:
    found = _candidates(about, around, suffix, extension)
    if not found:
        return None
    rank = max((len(file.folder), len(file.name.entities)) for file in found if file.name is not None)
    best = [file for file in found if file.name is not None and (len(file.folder), len(file.name.entities)) == rank]
    if len(best) > 1:
        raise FormatError(
            "two tables of one folder are about the same run", subject=about.path.rpartition("/")[2],
            expected="one of them more specific than the other", found=", ".join(file.path for file in best),
        )  # fmt: skip
    return best[0]


def _of_setup(about: BidsFile, around: Sequence[BidsFile], suffix: str, extension: str) -> list[BidsFile]:
    """Return the electrode or coordinate files of a run, one per space, the nearest of each."""
    nearest: dict[str, BidsFile] = {}
    for file in _candidates(about, around, suffix, extension):
        assert file.name is not None
        space = file.name.get("space") or ""
        other = nearest.get(space)
        rank = (len(file.folder), len(file.name.entities))
        if other is None or other.name is None or rank > (len(other.folder), len(other.name.entities)):
            nearest[space] = file
    return [nearest[space] for space in sorted(nearest)]


def _is_table(file: BidsFile, about: BidsFile, suffix: str) -> bool:
    return (
        file.name is not None
        and about.name is not None
        and file.name.suffix == suffix
        and file.name.extension == ".tsv"
        and file.pointer is None
        and set(file.name.entities) <= set(about.name.entities)
        and file.folder == about.folder[: len(file.folder)]
    )
