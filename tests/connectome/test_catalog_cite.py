"""Citations: stable keys, safe escaping, and the styles that people paste into papers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.catalog import Citation, Dataset, load_catalog
from connectome.catalog.cite import bibtex, escape_bibtex, key_of, keys_of, text
from connectome.errors import UsageError

COOK = Citation(
    authors=("Cook, Steven J.", "Tang, Leo T.-H.", "Bülow, Hannes E."),
    title="Whole-animal connectomes of both Caenorhabditis elegans sexes",
    year=2019,
    container="Nature",
    volume="571",
    issue="7763",
    pages="63-71",
    doi="10.1038/s41586-019-1352-7",
)
free = st.text(max_size=40)
citations = st.builds(
    Citation,
    authors=st.lists(free, max_size=25).map(tuple),
    title=free,
    year=st.integers(1800, 2030),
    container=free,
    volume=free,
    issue=free,
    pages=free,
    doi=st.sampled_from(["", "10.1000/x_y", "10.1016/S1053-8119(09)70884-5"]),
    url=free,
)


def balanced(entry: str) -> bool:
    """Count braces as BibTeX does: a backslash before one changes nothing."""
    depth = 0
    for character in entry:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def fields_of(entry: str) -> dict[str, str]:
    """Read one entry as BibTeX does, by braces alone."""
    found, at = {}, entry.index(",") + 1
    while match := re.compile(r"\s*(\w+) = \{").match(entry, at):
        depth, start = 1, match.end()
        at = start
        while depth:
            depth += (entry[at] == "{") - (entry[at] == "}")
            at += 1
        found[match[1]] = entry[start : at - 1]
        at += entry[at : at + 1] == ","
    return found


def plain(field: str) -> str:
    """Undo the escaping."""
    commands = {"textbackslash": "\\", "textbraceleft": "{", "textbraceright": "}", "textasciitilde": "~"}
    commands["textasciicircum"] = "^"
    return re.sub(r"\{\\(\w+)\}|\\([&%$#_])", lambda match: commands[match[1]] if match[1] else match[2], field)


def test_a_paper_becomes_one_bibtex_entry():
    assert bibtex([COOK]) == (
        "@article{cook2019whole,\n"
        "  author = {Cook, Steven J. and Tang, Leo T.-H. and Bülow, Hannes E.},\n"
        "  title = {{Whole-animal connectomes of both Caenorhabditis elegans sexes}},\n"
        "  journal = {Nature},\n"
        "  year = {2019},\n"
        "  volume = {571},\n"
        "  number = {7763},\n"
        "  pages = {63--71},\n"
        "  doi = {10.1038/s41586-019-1352-7}\n"
        "}"
    )


def test_a_paper_becomes_one_reference_in_the_style_of_the_apa():
    assert text([COOK]) == (
        "Cook, S. J., Tang, L. T.-H., & Bülow, H. E. (2019). Whole-animal connectomes of both Caenorhabditis elegans "
        "sexes. Nature, 571(7763), 63–71. https://doi.org/10.1038/s41586-019-1352-7"
    )
    alone = Citation(("OpenWorm contributors",), "Tables.", 2020, url="https://example.org/a b")
    assert text([alone]) == "OpenWorm contributors (2020). Tables. https://example.org/a%20b"
    two = Citation(("Doe, Jane", "Roe, R."), "Notes", 2021, container="Archive")
    assert text([two]) == "Doe, J., & Roe, R. (2021). Notes. Archive."


def test_of_more_than_twenty_authors_the_first_nineteen_and_the_last_are_named():
    many = Citation(tuple(f"Name{at}, A." for at in range(1, 31)), "Big", 2020)
    names = text([many]).split(" (2020)")[0]
    assert "Name19, A., … Name30, A." in names
    assert "Name20" not in names
    assert bibtex([many]).count(" and ") == 29


def test_keys_depend_on_the_work_alone_unless_two_works_share_one():
    other = Citation(("Cook, A.",), "Whole other thing", 2019, doi="10.1000/b")
    assert key_of(COOK) == "cook2019whole"
    assert key_of(Citation(("Bülow, H.",), "The α of Things", 2001)) == "bulow2001things"
    assert keys_of([COOK, other]) == keys_of([other, COOK])[::-1]
    assert sorted(keys_of([COOK, other])) == ["cook2019wholea", "cook2019wholeb"]
    assert key_of(Citation((), "", 2000)) == "anonymous2000untitled"


def test_organisations_and_names_with_and_are_kept_whole():
    work = Citation(("Brain Development Cooperative Group", "Salt and Pepper, Ann"), "T", 2011)
    assert fields_of(bibtex([work]))["author"] == "{Brain Development Cooperative Group} and {Salt and Pepper}, Ann"


@given(citations)
def test_braces_always_balance_and_every_field_can_be_read_back(work: Citation):
    entry = bibtex([work])
    assert balanced(entry)
    fields = fields_of(entry)
    title = "".join(character for character in " ".join(work.title.split()) if character.isprintable())
    assert "".join(c for c in plain(fields["title"][1:-1]) if c.isprintable()) == title
    assert fields["year"] == str(work.year)
    assert fields.get("doi", "") == work.doi
    assert "\n" not in "".join(fields.values())


@given(st.text())
def test_escaped_text_has_no_bare_special_character(value: str):
    escaped = escape_bibtex(value)
    assert balanced(escaped)
    bare = re.sub(r"\{\\text\w+\}|\\[&%$#_]", "", escaped)
    assert not set(bare) & set("\\{}~^&%$#_")


@given(st.lists(citations, max_size=6))
def test_a_list_of_works_has_as_many_entries_with_different_keys(works: list[Citation]):
    listed = bibtex(works)
    keys = re.findall(r"^@\w+\{([a-z0-9]+),$", listed, flags=re.MULTILINE)
    assert len(keys) == len(works)
    assert len(set(keys)) == len(set(map(id, works))) or len(set(works)) < len(works)
    assert len(text(works).splitlines()) == len(works)


def test_a_version_is_cited_with_its_digest_and_licences():
    dataset = load_catalog()["celegans-activity"]
    entry, *rest = dataset.cite(version="1.2.0", digest="sha256:abcdef").split("\n\n")
    assert entry.startswith("@misc{celegans-activity-1.2.0,")
    note = plain(fields_of(entry)["note"])
    assert note == "Data set; version 1.2.0; digest sha256:abcdef; licences: CC-BY-4.0, GPL-3.0-only, MIT, none-stated"
    assert len(rest) == len(dataset.works)
    line = dataset.cite(style="text", version="1.2.0", digest="sha256:abcdef").splitlines()[0]
    assert line == (
        "celegans-activity: Whole-brain activity of C. elegans (version 1.2.0) [Data set]. digest sha256:abcdef; "
        "licences: CC-BY-4.0, GPL-3.0-only, MIT, none-stated."
    )


def test_a_dataset_without_works_can_still_be_cited():
    dataset = Dataset("mine", "mine", "", ("graph",), (), "none-stated")
    assert dataset.cite() == ""
    assert dataset.cite(version="1.0.0").startswith("@misc{mine-1.0.0,")


def test_an_unknown_style_is_refused():
    with pytest.raises(UsageError, match="bibtex, text"):
        load_catalog()["ecog-demo"].cite(style="ris")


def test_every_dataset_of_the_catalogue_can_be_cited_in_both_styles():
    for dataset in load_catalog().values():
        entries = dataset.cite().split("\n\n")
        assert all(balanced(entry) for entry in entries)
        assert len(entries) == len(dataset.works) == len(dataset.cite(style="text").splitlines())
        for work, entry in zip(dataset.works, entries, strict=True):
            assert plain(fields_of(entry)["title"][1:-1]) == work.title
