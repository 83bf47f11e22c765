"""Tables, sizes and durations as text."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from connectome.display.text import (
    clean,
    human_bytes,
    human_count,
    human_duration,
    rich_table,
    short_digest,
    table_text,
)


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1234, "1.23 kB"), (12_345, "12.3 kB"), (999_499, "999 kB"),
        (999_500, "1.00 MB"), (2_300_000, "2.30 MB"), (5 * 10**12, "5.00 TB"), (-1500, "-1.50 kB"),
        (10**21, "1000 EB"),
    ],
)  # fmt: skip
def test_bytes_are_written_with_three_figures(n_bytes: int, text: str):
    assert human_bytes(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (4.2e-6, "4.20 µs"), (0.0042, "4.20 ms"), (0.9994, "999 ms"), (1, "1.0 s"), (13.44, "13.4 s"),
        (59.96, "1 min 00 s"), (125, "2 min 05 s"), (3599.6, "1 h 00 min"), (11_220, "3 h 07 min"),
        (187_200, "2 d 04 h"), (-2.0, "-2.0 s"), (float("nan"), "unknown"), (float("inf"), "unknown"),
    ],
)  # fmt: skip
def test_durations_are_written_in_the_unit_that_fits(seconds: float, text: str):
    assert human_duration(seconds) == text


def test_counts_and_digests_are_short():
    assert human_count(119010) == "119,010"
    assert short_digest("sha256:0123456789abcdef") == "0123456789ab"


def test_a_table_is_aligned_with_numbers_to_the_right():
    text = table_text(("dataset", "records", "note"), [("worms", 12, None), ("flies and more", 3000, "é")])
    assert text == (
        "dataset         records  note\n"
        "--------------  -------  ----\n"
        "worms                12\n"
        "flies and more    3,000  é"
    )
    assert table_text(("a", "b"), []) == "a  b\n-  -"
    assert table_text(("a", "b"), [("x", "y")], align=("right", "left"), indent=2).splitlines()[0] == "  a  b"


def test_wide_characters_keep_columns_aligned():
    lines = table_text(("name", "n"), [("脳", 1), ("ab", 22)]).splitlines()
    assert lines[2] == "脳     1"
    assert lines[3] == "ab    22"


def test_control_characters_cannot_steer_a_terminal():
    assert clean("a\x1b[31mred\x07") == "a\\x1b[31mred\\x07"
    assert clean("one\ntwo") == "one⏎two"
    assert clean("\u202egnp.exe") == "\\u202egnp.exe"
    assert "\x1b" not in table_text(("a",), [("\x1b]0;title\x07",)])


cells = st.one_of(st.text(max_size=12), st.integers(), st.none(), st.booleans())


@given(st.lists(st.tuples(cells, cells), max_size=6))
def test_a_table_has_one_line_per_row_whatever_is_in_it(rows: list[tuple[object, object]]):
    lines = table_text(("first", "second"), rows).split("\n")
    assert len(lines) == len(rows) + 2
    assert all(line == line.rstrip() for line in lines)
    assert all(character.isprintable() for line in lines for character in line)


def test_the_rich_table_shows_markup_as_text():
    stream = io.StringIO()
    Console(file=stream, width=80).print(rich_table(("a", "n"), [("[red]x[/red]", 7)], title="[bold]t"))
    assert "[red]x[/red]" in stream.getvalue()
    assert "[bold]t" in stream.getvalue()
