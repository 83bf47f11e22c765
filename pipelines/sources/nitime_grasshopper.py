"""Spike trains of one auditory receptor of a locust, and the two sounds it heard, as the package nitime carries them.

Rokem et al. 2006, doi:10.1152/jn.00891.2005. What the files do not say stands in nitime's documentation, example
"Auditory processing in grasshoppers" (doc/examples/grasshopper.py): spike times are microseconds, the stimuli were
sampled at 20 kHz and are in volts, both recordings are of the same cell, *Locusta migratoria*. Spikes were looked for
while the sound played, so the length of the stimulus is the observed time; the headers speak of 1000 ms instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.schema import warning

from ..formats.spikes.spiketext import read
from ..jobs import Discovery, Expected, Job, RawFiles, RemoteFile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NitimeGrasshopper"]

_HOME = "pypi:nitime==0.12.1#nitime/data"
_STEP_US = 50

# Record: number in the file names, cut-off of the envelope in Hz, spike file and stimulus file (bytes, sha256).
_RECORDS: Mapping[str, tuple[int, int, tuple[int, str], tuple[int, str]]] = {
    "gauss_st6_co200": (
        1,
        200,
        (7695, "840014ad9a8f591d02ab108bcbd46715badb3459e0ef7eac95fdd661ff134e3d"),
        (3627459, "4b47a4cbca8c5f694f87dd510db608a868dffbaba96845199c8afa545a4c37fa"),
    ),
    "gauss_st6_co800": (
        2,
        800,
        (7216, "389e5dccb709fbe0552589ff2e0b64e15d46665e4d2d4172071f2175c8641541"),
        (3627474, "69f257a8e7a5019897111b07f9cd317b136357d256e99682d40c09d5add18e6a"),
    ),
}


class NitimeGrasshopper:
    """Two recordings of one cell, a record each, named after the stimulus files of the experiment."""

    id = "nitime_grasshopper"
    version = "1"
    dataset = "grasshopper-spikes"

    def files(self) -> Sequence[RemoteFile]:
        """List spike times and stimulus of both recordings."""
        return [
            RemoteFile(
                path=f"{self.id}/{name}",
                url=f"{_HOME}/{name}",
                size_bytes=size,
                sha256=digest,
                licence="BSD-3-Clause",
                records=(record,),
            )
            for record, (number, _, spikes, stimulus) in _RECORDS.items()
            for name, (size, digest) in ((_spikes(number), spikes), (_stimulus(number), stimulus))
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        """Make a job of each pair of files that are both here."""
        jobs = []
        for record, (number, *_) in _RECORDS.items():
            names = (f"{self.id}/{_spikes(number)}", f"{self.id}/{_stimulus(number)}")
            if all(name in raw for name in names):
                jobs.append(Job(self.id, record, tuple(raw[name] for name in names)))
        return Discovery(tuple(jobs))

    def read(self, job: Job) -> xr.DataTree:
        """Read one recording: the spikes on a microsecond clock, the stimulus on its own."""
        number, cut_off_hz, *_ = _RECORDS[job.record]
        sound = _read_stimulus(job.local(f"{self.id}/{_stimulus(number)}"), cut_off_hz)
        seconds = Fraction(sound.sizes["time"] * _STEP_US, 10**6)
        tree = read([job.local(f"{self.id}/{_spikes(number)}")], time_unit="us", duration_s=str(seconds))
        groups = {**dict(schema.groups(tree)), "stimulus": sound}
        message = f"the header says 1000 ms; the stimulus lasts {float(seconds):g} s and so do the spikes"
        warnings = [
            *tree.attrs.get("warnings", []),
            warning("sources-disagree", f"{_spikes(number)}, stimulus length", message),
        ]
        return schema.record(
            groups,
            warnings=warnings,
            title=f"Auditory receptor of a locust, random envelope up to {cut_off_hz} Hz",
            species="Locusta migratoria",
            cell_type="auditory receptor",
            subject="cell-1",
            source=self.id,
            citation="Rokem et al., Journal of Neurophysiology 95:2541-2552 (2006)",
            doi="10.1152/jn.00891.2005",
            licence="BSD-3-Clause",
        )

    def expected(self) -> Expected:
        """Return the counts, taken from the files with grep and wc."""
        sound = {"n_channels": 1, "n_samples": 200000, "duration_s": 10.0, "sampling_frequency_hz": 20000.0}
        return Expected(
            {
                record: {
                    "/spikes": {"n_units": 1, "n_events": n_events, "n_silent_units": 0, "observed_s": 10.0},
                    "/stimulus": sound,
                }
                for record, n_events in (("gauss_st6_co200", 929), ("gauss_st6_co800", 868))
            },
            n_records=2,
        )


def _spikes(number: int) -> str:
    return f"grasshopper_spike_times{number}.txt"


def _stimulus(number: int) -> str:
    return f"grasshopper_stimulus{number}.txt"


def _read_stimulus(path: Path, cut_off_hz: int) -> xr.Dataset:
    """Read a stimulus: microseconds in even steps of 50, and volts."""
    values: list[float] = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines()):
        parts = line.split()
        try:
            good = len(parts) == 2 and int(parts[0]) == number * _STEP_US and Decimal(parts[1]).is_finite()
        except (ValueError, InvalidOperation):
            good = False
        if not good:
            raise FormatError(
                "not a line of an evenly sampled stimulus",
                subject=str(path),
                place=f"line {number + 1}",
                expected=f"{number * _STEP_US} and a number",
                found=line[:60],
            )
        values.append(float(parts[1]))
    signal: np.ndarray[Any, Any] = np.array([values], dtype=np.float64)
    return schema.series(
        signal,
        channel=["sound"],
        units="V",
        long_name="Envelope of the sound as played",
        rate_hz=Fraction(10**6, _STEP_US),
        cut_off_hz=cut_off_hz,
    )
