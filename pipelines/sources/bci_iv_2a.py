"""BCI Competition IV, data set 2a: nine people who imagine four movements, two sessions of 288 trials each.

Brunner et al. 2008, "BCI Competition 2008 - Graz data set A"; Tangermann et al. 2012, doi:10.3389/fnins.2012.00055. 22
EEG and 3 EOG channels at 250 Hz in GDF; files come in one archive behind a page (https://www.bbci.de/competition/iv/):
lay them in a folder and give it as ``--mirror``. Codes 769 to 772 cue left hand, right hand, feet and tongue, 72 times
each; in the sessions for evaluation (``E``) all cues are 783, and the true classes are offered apart. The table
``trial`` has one row per cue; trials that the publishers rejected (1023) stay in it and are marked. 25 channels, 250 Hz
and 288 trials are held against every file. Tried on made ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from connectome import schema

from ..formats.recordings import gdf, mne_raw
from ..jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile
from .recordings import warn

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BciIv2a"]

_PAGE = "https://www.bbci.de/competition/iv/#download"
_LICENCE = "none-stated"
_NAME = re.compile(r"A0(?P<subject>[1-9])(?P<session>[TE])\.gdf")
PARTS: Mapping[str, str] = {"T": "training", "E": "evaluation"}
CUES: Mapping[str, str] = {"769": "left hand", "770": "right hand", "771": "feet", "772": "tongue", "783": ""}
"""Codes of cues and the movement that each asks for; 783 does not say (Brunner et al. 2008, table 2)."""
START, REJECTED = "768", "1023"
"""Codes of the start of a trial and of a trial that was rejected."""
N_CHANNELS, RATE_HZ, N_TRIALS, N_PER_CLASS = 25, 250.0, 288, 72
FACTS: Mapping[str, Mapping[str, Any]] = {
    "/signal": {"n_channels": N_CHANNELS, "sampling_frequency_hz": RATE_HZ},
    "/trial": {"n_rows": N_TRIALS},
}
"""Of every session (Brunner et al. 2008)."""


class BciIv2a:
    """Every session, one record each."""

    id = "bci_iv_2a"
    version = "2"
    dataset = "bci-iv-2a"
    about: ClassVar[Mapping[str, Any]] = {
        "species": "Homo sapiens",
        "citation": "Tangermann et al., Frontiers in Neuroscience 6:55 (2012)",
        "doi": "10.3389/fnins.2012.00055",
        "licence": _LICENCE,
    }

    def files(self) -> Sequence[RemoteFile]:
        """List the sessions, which lie in an archive behind a page."""
        return [RemoteFile("*A0[1-9][TE].gdf", _PAGE, licence=_LICENCE, optional=True, pattern=True)]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of every session."""
        jobs: dict[str, Job] = {}
        rejected: list[Rejected] = []
        for path in raw:
            name = PurePosixPath(path).name
            if _NAME.fullmatch(name) is None:
                rejected.append(Rejected(path, "not named as the sessions are", "not-data"))
            elif name[:4] in jobs:
                rejected.append(Rejected(path, "the session was taken from another folder", "duplicate"))
            elif not gdf.is_gdf2(raw[path].local) and not mne_raw.sniff(raw[path].local):
                rejected.append(Rejected(path, "no GDF in the file", "format"))
            else:
                jobs[name[:4]] = Job(self.id, name[:4], (raw[path],))
        return Discovery(tuple(jobs[name] for name in sorted(jobs)), tuple(rejected))

    def read(self, job: Job) -> xr.DataTree:
        """Read a session; the reader names the codes."""
        tree = mne_raw.read([job.inputs[0].local], sidecars="given")
        part = PARTS[job.record[3]]
        tree.attrs.update(
            self.about,
            title=f"Motor imagery, subject {job.record[:3]}, session for {part} (BCI Competition IV 2a)",
            subject=job.record[:3],
            session=job.record[3],
            task="imagined movement of left hand, right hand, feet or tongue",
            published_part=part,
            source=self.id,
            data_file=job.inputs[0].path,
        )
        trials = trial_table(tree["annotation"].to_dataset())
        tree["trial"] = trials
        counts = Counter(trials["code"].values.tolist())
        if part == "evaluation":
            warn(tree, "classes-apart", "trial", "the classes of the trials (783) are not in the file")
            wanted = {"783": N_TRIALS}
        else:
            wanted = {code: N_PER_CLASS for code, movement in CUES.items() if movement}
        if counts != wanted:
            found = ", ".join(f"{counts[code]} of {code}" for code in sorted({*counts, *wanted}))
            stated = ", ".join(f"{n} of {code}" for code, n in wanted.items())
            warn(tree, "class-counts", "trial", f"{found}; stated are {stated}")
        n_rejected = int(trials["rejected"].values.sum())
        if n_rejected:
            warn(
                tree, "rejected-trials", "trial", f"{n_rejected} trials were rejected by the publishers; they are kept"
            )
        return tree

    def expected(self) -> Expected:
        """Return what is published of every session; few have all the files."""
        names = [f"A0{subject}{session}" for subject in range(1, 10) for session in PARTS]
        return Expected(dict.fromkeys(names, FACTS), optional=frozenset(names))


def trial_table(annotations: xr.Dataset) -> xr.Dataset:
    """Return one row per cue: when it came, when its trial started, what it asked for, and if the trial was rejected.

    A trial goes from its start (768) to the next; a cue before any start has none, and NaN says so.
    """
    codes, onsets = annotations["description"].values, annotations["onset_s"].values
    starts = np.sort(onsets[codes == START])
    cued = np.flatnonzero(np.isin(codes, list(CUES)))
    cued = cued[np.argsort(onsets[cued], kind="stable")]
    of_cue, of_rejection = (
        np.searchsorted(starts, times, side="right") - 1 for times in (onsets[cued], onsets[codes == REJECTED])
    )
    began = np.where(of_cue >= 0, starts[of_cue] if starts.size else np.nan, np.nan)
    texts = [str(code) for code in codes[cued]]
    return schema.table(
        {
            "onset_s": schema.column("row", onsets[cued], "Cue after the first sample", "s"),
            "start_s": schema.column("row", began, "Start of the trial after the first sample", "s"),
            "code": schema.column("row", texts, "Code of the cue as in the file"),
            "movement": schema.column("row", [CUES[code] for code in texts], "What the cue asks for, where it says so"),
            "rejected": schema.column(
                "row", (of_cue >= 0) & np.isin(of_cue, of_rejection), "Whether the publishers rejected the trial (1023)"
            ),
        }
    )
