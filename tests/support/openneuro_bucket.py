"""Datasets as the bucket of OpenNeuro serves them: a list in pages, and the files; both generated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import bids_trees, eeg_files

if TYPE_CHECKING:
    from support.http_server import HttpServer

HEAD = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
CHANGED = "2022-08-12T10:00:00.000Z"


def page(*entries: tuple[str, int, str], token: str = "", truncated: bool | None = None, changed: str = "") -> bytes:
    """Return a page of a list; entries are key, size and tag."""
    time = f"<LastModified>{changed}</LastModified>" if changed else ""
    rows = "".join(
        f"<Contents><Key>{key}</Key>{time}<ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>"
        for key, size, tag in entries
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    whole = "" if truncated is None else f"<IsTruncated>{str(truncated).lower()}</IsTruncated>"
    return f"{HEAD}{whole}{rows}{more}</ListBucketResult>".encode()


def entries_of(root: Path, *, in_parts: Callable[[Path], bool] = lambda _: False) -> list[tuple[str, int, str]]:
    """Return the entries of a folder named like its accession; the tag of files laid there in parts is no MD5."""
    found = []
    for path in sorted(item for item in root.rglob("*") if item.is_file()):
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        tag = f"{digest}-2" if in_parts(path) else digest
        found.append((f"{root.name}/{path.relative_to(root).as_posix()}", path.stat().st_size, tag))
    return found


def serve(server: HttpServer, *roots: Path, **options: Any) -> str:
    """Serve folders named like their accessions, of one parent: the n-th list asked for is that of the n-th."""
    server.put("/", *(page(*entries_of(root, **options), changed=CHANGED) for root in roots))
    return server.serve_folder(roots[0].parent)


def eeg_dataset(root: Path, people: dict[str, int], **description: Any) -> Path:
    """Write a generated dataset of EEG: so many runs of each person, all different."""
    told = {"Name": "Generated", "BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["Ada Ada", "Bob Bob"],
            "DatasetDOI": f"doi:10.18112/openneuro.{root.name}.v1.0.5", **description}  # fmt: skip
    rows = "".join(f"{person}\t{30 + place}\n" for place, person in enumerate(people))
    files: dict[str, Any] = {
        "dataset_description.json": {key: value for key, value in told.items() if value is not None},
        "participants.tsv": f"participant_id\tage\n{rows}",
        "CHANGES": "1.0.5 2022-08-12\n  - mended\n1.0.0 2020-08-19\n  - first\n",
        "README": "generated\n",
        ".bidsignore": "x\n",
        "task-rest_eeg.json": {"TaskName": "rest", "SamplingFrequency": 4, "PowerLineFrequency": 50,
                               "EEGReference": "Cz", "SoftwareFilters": "n/a"},
    }  # fmt: skip
    for person, n_runs in people.items():
        for run in range(1, n_runs + 1):
            stem = f"{person}/eeg/{person}_task-rest_run-{run}"
            files[f"{stem}_channels.tsv"] = "name\ttype\tunits\nEEG Fz\tEEG\tuV\n"
            files[f"{stem}_events.tsv"] = f"onset\tduration\ttrial_type\n0.{run}\t0\tgo\n"
    bids_trees.write(root, files)
    for place, (person, n_runs) in enumerate(people.items()):
        for run in range(1, n_runs + 1):
            path = root / f"{person}/eeg/{person}_task-rest_run-{run}_eeg.edf"
            eeg_files.edf(path, signals=[eeg_files.ONE], records=[[[run, 2, 3, place]]] * 3)
    return root
