"""The kind ``series``: what the builder makes is valid, every check finds its fault, facts are exact."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import xarray as xr

from connectome import schema
from connectome.schema.series import CHUNK_BYTES, layout, rate_hz, time_s
from support.faults import Plant, attrs, dropped, edited, faults, replaced

SIGNAL = np.arange(24, dtype=np.int16).reshape(2, 12)


def regular(**options: Any) -> xr.Dataset:
    given = {"rate_hz": Fraction(30_000, 1001), "start_s": 1.5, "gain": np.array([0.1, 0.2]), **options}
    return schema.series(SIGNAL, channel=["a", "b"], units="uV", long_name="Generated", **given)


def stamped(**options: Any) -> xr.Dataset:
    signal = SIGNAL.astype(np.float32)
    signal[0, 3] = np.nan
    given = {"time_s": np.linspace(5.0, 16.0, 12) ** 2, "segments": [(0, 4), (5, 12)], **options}
    return schema.series(signal, channel=["a", "b"], units="1", long_name="Generated", **given)


BUILT = {
    "regular": regular(),
    "regular without gain": regular(gain=None),
    "stamped": stamped(),
    "equal stamps": stamped(time_s=np.repeat(np.arange(6.0), 2)),
    "valid per time": stamped(valid=np.arange(12) % 2 == 0),
    "valid per sample": stamped(valid=SIGNAL % 2 == 0),
    "channel table": regular(
        channels={"x": schema.column("channel", np.ones(2), "Position", "m")}, sidecar={"TaskName": "rest"}
    ),
    "no samples": schema.series(
        np.zeros((2, 0)), channel=["a", "b"], units="1", long_name="Generated", time_s=np.zeros(0)
    ),
    "one sample": schema.series(np.zeros((1, 1)), channel=["a"], units="1", long_name="Generated", time_s=np.zeros(1)),
}


@pytest.mark.parametrize("dataset", BUILT.values(), ids=BUILT.keys())
def test_what_is_built_is_valid_and_can_be_measured(dataset: xr.Dataset) -> None:
    assert faults(dataset) == []
    facts = schema.measure(schema.record({"group": dataset}))["/group"]
    assert (facts["n_channels"], facts["n_samples"]) == dataset["signal"].shape


ONE_CLOCK = "one clock: time stamps, an exact rate, or frame numbers"
RATE = "a positive rate as a fraction, and start_s"
SEGMENTS = "ordered ranges inside the signal"
WHOLE_SEGMENTS = "a start and a stop of one segment or more"

PLANTED: dict[str, tuple[xr.Dataset, Plant, str, str]] = {
    "no signal": (regular(), dropped("signal"), "signal", "a variable (channel, time)"),
    "signal turned": (
        regular(gain=None), lambda d: d.assign(signal=d["signal"].transpose()), "signal", "a variable (channel, time)",
    ),
    "complex signal": (regular(), replaced("signal", SIGNAL * 1j), "signal", "numbers"),
    "text as signal": (regular(), replaced("signal", SIGNAL.astype(str)), "signal", "numbers"),
    "no channel ids": (regular(gain=None), dropped("channel"), "channel", "channel ids"),
    "channel twice": (
        regular(), lambda d: d.assign_coords(channel=("channel", ["a", "a"], d["channel"].attrs)), "channel",
        "unique channel ids",
    ),
    "numbers as channels": (
        regular(), lambda d: d.assign_coords(channel=("channel", [1, 2], {"long_name": "Id", "units": "1"})), "channel",
        "channel ids in text",
    ),
    "no units": (regular(), attrs("signal", units=None), "signal", 'the attribute units ("1" for plain numbers)'),
    "no name": (regular(), attrs("signal", long_name=None), "signal", "the attribute long_name"),
    "gain per sample": (regular(), replaced("gain", np.ones(12), dims="time"), "gain", "one number per channel"),
    "gain alone": (regular(), dropped("offset"), "gain", "gain and offset together"),
    "offset alone": (regular(), dropped("gain"), "gain", "gain and offset together"),
    "no clock": (regular(), attrs(rate_hz_numerator=None), "", ONE_CLOCK),
    "two clocks": (stamped(), attrs(rate_hz_numerator=1, rate_hz_denominator=1, start_s=0.0), "", ONE_CLOCK),
    "rate of zero": (regular(), attrs(rate_hz_numerator=0), "", RATE),
    "rate below zero": (regular(), attrs(rate_hz_denominator=-1), "", RATE),
    "rate as float": (regular(), attrs(rate_hz_numerator=29.97), "", RATE),
    "half a rate": (regular(), attrs(rate_hz_denominator=None), "", RATE),
    "no start": (regular(), attrs(start_s=None), "", RATE),
    "start is no time": (regular(), attrs(start_s=float("nan")), "", RATE),
    "stamps in float32": (
        stamped(), lambda d: d.assign_coords(time=("time", d["time"].values.astype(np.float32), d["time"].attrs)),
        "time", "finite float64 seconds",
    ),
    "stamp missing": (stamped(), edited("time", 3, np.nan), "time", "finite float64 seconds"),
    "stamps go back": (stamped(), edited("time", 3, 0.0), "time", "stamps that never go back"),
    "segments overlap": (stamped(), edited("segment_start", 1, 3), "segment_start", SEGMENTS),
    "segment is empty": (stamped(), edited("segment_stop", 0, 0), "segment_start", SEGMENTS),
    "segment before the signal": (stamped(), edited("segment_start", 0, -1), "segment_start", SEGMENTS),
    "segment after the signal": (stamped(), edited("segment_stop", 1, 13), "segment_start", SEGMENTS),
    "segments without stop": (stamped(), dropped("segment_stop"), "segment_start", WHOLE_SEGMENTS),
    "segments without start": (stamped(), dropped("segment_start"), "segment_start", WHOLE_SEGMENTS),
    "no segment at all": (stamped(segments=[]), lambda d: d, "segment_start", WHOLE_SEGMENTS),
    "mask of numbers": (
        stamped(valid=np.ones(12)), replaced("valid", np.ones(12, dtype=np.int8)), "valid",
        "truth along (channel,) time",
    ),
    "mask per channel": (stamped(), lambda d: d.assign(valid=("channel", [True, False], {"long_name": "Valid"})),
        "valid", "truth along (channel,) time"),
}  # fmt: skip


@pytest.mark.parametrize(("dataset", "plant", "place", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_every_check_finds_its_fault(dataset: xr.Dataset, plant: Plant, place: str, expected: str) -> None:
    assert (f"/group/{place}".rstrip("/"), expected) in faults(plant(dataset))


def test_facts_of_a_regular_series_are_exact() -> None:
    facts = schema.measure(schema.record({"group": regular()}))["/group"]
    assert facts == {
        "kind": "series",
        "n_channels": 2,
        "n_samples": 12,
        "n_segments": 1,
        "start_s": 1.5,
        "duration_s": 12 * 1001 / 30_000,
        "sampling_frequency_hz": 30_000 / 1001,
        "regular": True,
        "dtype": "int16",
        "n_missing": 0,
    }


def test_facts_of_a_stamped_series_are_exact() -> None:
    facts = schema.measure(schema.record({"group": stamped()}))["/group"]
    stamps = stamped()["time"].values
    assert facts == {
        "kind": "series",
        "n_channels": 2,
        "n_samples": 12,
        "n_segments": 2,
        "start_s": 25.0,
        "duration_s": 256.0 - 25.0,
        "sampling_frequency_hz": 1.0 / float(np.median(np.diff(stamps))),
        "regular": False,
        "dtype": "float32",
        "n_missing": 1,
    }


def test_missing_samples_are_counted_across_blocks() -> None:
    signal = np.zeros((2, 3_000_000), dtype=np.float32)
    signal[:, ::1000] = np.nan
    dataset = schema.series(signal, channel=["a", "b"], units="1", long_name="Generated", rate_hz=Fraction(1))
    assert schema.measure(schema.record({"group": dataset}))["/group"]["n_missing"] == 6000


def test_time_stamps_follow_from_the_exact_rate() -> None:
    dataset = regular()
    assert rate_hz(dataset) == Fraction(30_000, 1001)
    expected = [1.5 + at * 1001 / 30_000 for at in range(12)]
    assert time_s(dataset).tolist() == expected
    assert time_s(dataset, 3, 5).tolist() == expected[3:5]
    assert time_s(stamped(), 3, 5).tolist() == stamped()["time"].values[3:5].tolist()


def test_offset_is_zero_where_only_a_gain_is_given() -> None:
    assert regular()["offset"].values.tolist() == [0.0, 0.0]
    assert regular(offset=np.array([1.0, 2.0]))["offset"].values.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_the_dtype_of_the_source_is_kept(dtype: type[np.generic]) -> None:
    dataset = schema.series(
        SIGNAL.astype(dtype), channel=["a", "b"], units="1", long_name="Generated", rate_hz=Fraction(1)
    )
    assert dataset["signal"].dtype == dtype


def test_chunks_hold_all_channels_and_about_a_mebibyte() -> None:
    signal = xr.Variable(("channel", "time"), np.zeros((64, 100_000), dtype=np.int16))
    chunks = layout(signal).chunks
    assert chunks[0] == 64
    assert CHUNK_BYTES / 2 < chunks[0] * chunks[1] * 2 <= CHUNK_BYTES
