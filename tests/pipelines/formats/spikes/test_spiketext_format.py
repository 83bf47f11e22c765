"""The format ``spiketext``: every time equals its text, and what text does not say must be stated."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import FormatError, TruncatedError, UsageError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.spikes.spiketext import sniff
from connectome.pipelines.importing import parse_options


def save(folder, text, name="unit.txt"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def exact(tree, group="spikes") -> list[Fraction]:
    """Return the stored times in seconds, exactly."""
    events = tree[group]
    if "tick_hz_numerator" not in events.attrs:
        return [Fraction(value) for value in events["tick"].values.tolist()]
    step = Fraction(events.attrs["tick_hz_denominator"], events.attrs["tick_hz_numerator"])
    return [tick * step for tick in events["tick"].values.tolist()]


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


def test_each_file_is_a_unit_and_comments_are_kept(tmp_path):
    paths = [save(tmp_path, "# cell a\n0.1\n0.25\n\n0.5\n", "a.txt"), save(tmp_path, "0.25\n", "b.txt")]
    tree = read(paths, "spiketext", time_unit="s", duration_s=1)
    schema.validate(tree, subject="spikes")
    spikes = tree["spikes"]
    assert spikes["unit_id"].values.tolist() == ["a", "b"]
    assert spikes["unit"].values.tolist() == [0, 0, 1, 0]
    assert spikes["source_file"].values.tolist() == ["a.txt", "b.txt"]
    assert spikes.attrs["comments"] == {"a.txt": ["# cell a"]}
    assert exact(tree) == [Fraction(1, 10), Fraction(1, 4), Fraction(1, 4), Fraction(1, 2)]
    assert (spikes.attrs["tick_hz_numerator"], spikes.attrs["tick_hz_denominator"]) == (100, 1)
    assert schema.measure(tree)["/spikes"] == {
        "kind": "events",
        "n_units": 2,
        "n_events": 4,
        "n_silent_units": 0,
        "observed_s": 1.0,
    }


@pytest.mark.parametrize(
    ("unit", "texts", "tick_hz"),
    [
        ("s", ["0.1", "0.12345"], 10**5),
        ("s", ["1.50", "2.000"], 10),
        ("ms", ["6.7", "9.9"], 10**4),
        ("us", ["6700", "9900"], 10**6),
        ("us", ["1e3", "2.5E+4"], 10**6),
        ("ns", ["12"], 10**9),
    ],
)
def test_decimals_become_ticks_that_equal_the_text(unit, texts, tick_hz, tmp_path):
    tree = read(save(tmp_path, "\n".join(texts)), "spiketext", time_unit=unit, duration_s=100)
    per_second = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    assert tree["spikes"].attrs["tick_hz_numerator"] == tick_hz
    assert exact(tree) == [Fraction(text) / per_second for text in texts]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.decimals(0, 1000, allow_nan=False, allow_infinity=False, places=5), min_size=1, max_size=30),
    unit=st.sampled_from(["s", "ms"]),
)
def test_any_decimal_text_is_stored_exactly(values, unit, tmp_path):
    tree = read(save(tmp_path, "\n".join(map(str, values))), "spiketext", time_unit=unit, duration_s=1001)
    assert exact(tree) == sorted(Fraction(value) / (1000 if unit == "ms" else 1) for value in values)


def test_printed_floats_stay_the_floats_they_were(tmp_path):
    times = np.sort(np.random.default_rng(3).random(200) * 9)
    tree = read(save(tmp_path, "\n".join(map(repr, times.tolist()))), "spiketext", time_unit="s", duration_s=10)
    assert "tick_hz_numerator" not in tree["spikes"].attrs
    assert np.array_equal(tree["spikes"]["tick"].values, times)
    schema.validate(tree, subject="floats")


def test_floats_in_milliseconds_become_the_nearest_float_of_the_exact_second(tmp_path):
    text = "0.12345678901234567"
    tree = read(save(tmp_path, text), "spiketext", time_unit="ms", duration_s=1)
    assert tree["spikes"]["tick"].values[0] == float(Fraction(text) / 1000)


def test_sample_numbers_keep_an_odd_rate_exactly(tmp_path):
    tree = read(save(tmp_path, "0\n24414\n"), "spiketext", time_unit="sample", rate_hz="24414.0625", duration_s=2)
    assert exact(tree) == [0, Fraction(24414) / Fraction("24414.0625")]
    with pytest.raises(FormatError, match="not whole") as caught:
        read(save(tmp_path, "0\n1.5\n"), "spiketext", time_unit="sample", rate_hz=100, duration_s=2)
    assert caught.value.place == "unit.txt, line 2"


@pytest.mark.parametrize(("columns", "text"), [("unit,time", "u2,0.5\nu1,0.1\n"), ("time,unit", "0.5 u2\n0.1\tu1\n")])
def test_one_file_may_list_units_and_times(columns, text, tmp_path):
    tree = read(save(tmp_path, text), "spiketext", time_unit="s", duration_s=1, columns=columns)
    assert tree["spikes"]["unit_id"].values.tolist() == ["u2", "u1"]
    assert tree["spikes"]["unit"].values.tolist() == [1, 0]


def test_a_header_line_that_names_the_columns_is_kept_as_a_comment(tmp_path):
    tree = read(save(tmp_path, "unit;time\n7;0.5\n"), "spiketext", time_unit="s", duration_s=1, columns="unit,time")
    assert tree["spikes"].attrs["comments"] == {"unit.txt": ["unit;time"]}
    assert tree["spikes"]["unit_id"].values.tolist() == ["7"]


def test_options_of_the_command_line_reach_the_reader_as_written(tmp_path):
    texts = ["time_unit=sample", "rate_hz=1000/3", "observed_s=0:0.3,0.5:2"]
    options = parse_options("spiketext", texts)
    assert options == {"time_unit": "sample", "rate_hz": "1000/3", "observed_s": "0:0.3,0.5:2"}
    tree = read(save(tmp_path, "1\n200\n"), "spiketext", **options)
    assert exact(tree) == [Fraction(3, 1000), Fraction(600, 1000)]


def test_a_file_of_comments_is_a_silent_unit_and_an_empty_file_is_refused(tmp_path):
    tree = read(save(tmp_path, "# nothing fired\n"), "spiketext", time_unit="s", duration_s=1)
    schema.validate(tree, subject="silent")
    assert schema.measure(tree)["/spikes"]["n_silent_units"] == 1
    assert codes(tree) == ["silent"]
    with pytest.raises(TruncatedError, match="empty"):
        read(save(tmp_path, ""), "spiketext", time_unit="s", duration_s=1)


def test_disorder_and_repetition_are_kept_and_flagged(tmp_path):
    tree = read(save(tmp_path, "0.5\n0.1\n0.5\n"), "spiketext", time_unit="s", duration_s=1)
    assert codes(tree) == ["unsorted", "repeated-times"]
    assert len(exact(tree)) == 3


def test_observed_intervals_may_have_gaps(tmp_path):
    path = save(tmp_path, "0.5\n2.5\n")
    tree = read(path, "spiketext", time_unit="s", observed_s="2:3,0:1")
    assert tree["spikes"]["observed_start"].values.tolist() == [0.0, 2.0]
    with pytest.raises(FormatError, match="outside the observed time") as caught:
        read(path, "spiketext", time_unit="s", observed_s="0:1,3:4")
    assert caught.value.place == "unit.txt, line 2"
    assert caught.value.found == "2.5 s"


@pytest.mark.parametrize(
    ("options", "subject"),
    [
        ({}, "time_unit"),
        ({"time_unit": "min", "duration_s": 1}, "time_unit"),
        ({"time_unit": "s"}, "duration_s, observed_s"),
        ({"time_unit": "s", "duration_s": 1, "observed_s": "0:1"}, "duration_s, observed_s"),
        ({"time_unit": "s", "duration_s": "long"}, "duration_s"),
        ({"time_unit": "s", "observed_s": "0-1"}, "observed_s"),
        ({"time_unit": "s", "observed_s": "1:0"}, "observed_s"),
        ({"time_unit": "s", "observed_s": "0:2,1:3"}, "observed_s"),
        ({"time_unit": "sample", "duration_s": 1}, "rate_hz"),
        ({"time_unit": "sample", "rate_hz": -5, "duration_s": 1}, "rate_hz"),
        ({"time_unit": "s", "rate_hz": 5, "duration_s": 1}, "rate_hz"),
        ({"time_unit": "s", "duration_s": 1, "columns": "time,cell"}, "columns"),
        ({"time_unit": "s", "duration_s": 1, "speed": 2}, "speed"),
    ],
)
def test_what_is_not_stated_or_cannot_be_read_is_refused_by_name(options, subject, tmp_path):
    with pytest.raises(UsageError) as caught:
        read(save(tmp_path, "0.5\n"), "spiketext", **options)
    assert caught.value.subject == subject


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0.1\nnan\n", "line 2"),
        ("0.1\ninf\n", "line 2"),
        ("0.1\nabc\n", "line 2"),
        ("0.1\n0.2 0.3\n", "line 2"),
        ("0.1\n1e999999999\n", "line 2"),
        ("0.1\n1_000\n", "line 2"),
        ("0.1\n\0\n", "character 4"),
    ],
)
def test_a_line_that_is_no_time_is_refused_with_its_number(text, place, tmp_path):
    with pytest.raises(FormatError) as caught:
        read(save(tmp_path, text), "spiketext", time_unit="s", duration_s=1)
    assert caught.value.place == place


def test_an_image_under_the_name_of_text_is_refused(tmp_path):
    path = tmp_path / "unit.txt"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(FormatError, match="not text"):
        read(path, "spiketext", time_unit="s", duration_s=1)
    assert not sniff(path)


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / "x").mkdir()
    paths = [save(tmp_path, "1\n"), save(tmp_path / "x", "2\n")]
    with pytest.raises(UsageError, match="one unit"):
        read(paths, "spiketext", time_unit="s", duration_s=5)


def test_the_format_is_recognised_from_a_column_of_numbers(tmp_path):
    assert sniff(save(tmp_path, "# c\n\n12\n13\n"))
    assert not sniff(save(tmp_path, "source\ttarget\n1\t2\n"))
    assert not sniff(save(tmp_path, "1 2\n"))
