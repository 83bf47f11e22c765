"""The audit: every attribute, raw header and text column of a record, looked at by name and by form.

What is asked of names is in ``rules``, of texts in ``patterns``, of headers in ``headers``. Pixels are not looked at:
whether a face is in an image stands in the record's attribute ``faces``, or is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.store.canonical import plain
from connectome.volumes.nifti_bytes import source_format

from .edf_headers import header_findings
from .findings import FACES, Finding
from .headers import fields_of, trailer_fields
from .patterns import is_blank, kind_of_text
from .rules import PUBLIC, folded, kind_of_name

if TYPE_CHECKING:
    import xarray as xr

    from connectome.store import Version

__all__ = ["Audit", "audit_record", "audit_version", "concerns_people", "faces_of"]

PEOPLE = "homo sapiens"
OWN = frozenset(
    {"encoding-type", "encoding-version", "digests", "fetched", "provenance", "faces", "statistics", "stripped"}
)
"""Attributes of the store, and what is told apart from the rest."""
SETTLED = frozenset({"units", "long_name", "flag_values", "flag_meanings", "flag_labels", "source_column", "available"})
"""Attributes of columns that this package gives."""
HEADER_TEXTS = ("descrip", "aux_file", "intent_name", "db_name")
HEADS = frozenset({"t1w", "t2w", "flair", "pdw", "unit1", "t2starw"})
"""Suffixes of images that show a face unless it was removed."""
LONG_TEXT_WORDS = 5
"""A cell of so many words is free text, whatever its column is called."""
MOST_YEARS = 89
"""Ages above tell who somebody is (BIDS 1.10, "Participants file"; 45 CFR 164.514(b)(2)(i)(C))."""
YEARS = frozenset({"", "1", "a", "year", "years", "yr"})
MOST_ROWS = 100_000
"""Longer tables hold trials or measurements; only the names of their columns are looked at."""


@dataclass(frozen=True)
class Audit:
    """What was found in the records of a version."""

    spec: str
    findings: tuple[Finding, ...]
    faces: Mapping[str, str]
    """Record with images of heads to ``removed``, ``present`` or ``unknown``."""
    people: tuple[str, ...]
    """Records about people, or about nobody knows what species."""

    @property
    def sure(self) -> tuple[Finding, ...]:
        """Findings in records of people that are identifying by name or form."""
        return tuple(item for item in self.findings if item.sure and item.record in self.people)

    def as_dict(self, *, show: bool = False) -> dict[str, Any]:
        """Return the audit as the command line prints it with ``--json``."""
        return {
            "version": self.spec,
            "findings": [item.as_dict(show=show) for item in self.findings],
            "faces": dict(self.faces),
            "people": list(self.people),
            "identifying": len(self.sure),
        }


def audit_version(version: Version, *, records: Iterable[str] | None = None, people_only: bool = False) -> Audit:
    """Look at the records of a version; no image is read.

    Parameters
    ----------
    version : Version
        What to look at.
    records : iterable of str, optional
        Which; default all.
    people_only : bool
        Leave out records of animals (:func:`concerns_people`).

    Returns
    -------
    Audit
    """
    findings: list[Finding] = []
    faces: dict[str, str] = {}
    people = []
    for record in version.manifest.records if records is None else records:
        concerned = concerns_people(version.manifest.records[record].attributes, version.manifest.about)
        if people_only and not concerned:
            continue
        tree = version.open(record)
        findings += audit_record(tree, record=record)
        state = faces_of(tree)
        if state is not None and concerned:
            faces[record] = state
        if concerned:
            people.append(record)
    return Audit(version.spec, tuple(findings), faces, tuple(people))


def concerns_people(attributes: Mapping[Any, Any], about: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a record may be about a person: its species is Homo sapiens, or nobody says what it is.

    Parameters
    ----------
    attributes : mapping
        Of the record.
    about : mapping, optional
        What the version says of itself, for records that say nothing.
    """
    stated = attributes.get("species") or (about or {}).get("species") or []
    species = [stated] if isinstance(stated, str) else [str(item) for item in stated]
    return not species or any(item.casefold() in {PEOPLE, "human"} for item in species)


def faces_of(tree: xr.DataTree) -> str | None:
    """Return whether faces were removed, as the source says; None for a record without an image of a head."""
    if not any(path.rpartition("/")[2].rpartition("_")[2] in HEADS for path, _ in schema.groups(tree)):
        return None
    stated = str(tree.attrs.get("faces", "unknown"))
    return stated if stated in FACES else "unknown"


def audit_record(tree: xr.DataTree, *, record: str = "") -> tuple[Finding, ...]:
    """List the fields of a record that may say who somebody is.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    record : str
        Its id, for the findings.

    Returns
    -------
    tuple of Finding
        Sorted by place.
    """
    own = {folded(str(tree.attrs[name])) for name in ("subject", "patient") if tree.attrs.get(name)}
    pseudonyms = own | {item.removeprefix("sub") for item in own} | {folded(record)}
    found = list(_attributes(record, "", tree.attrs, ("attribute",), "@", pseudonyms))
    inputs = tree.attrs.get("provenance", {}).get("inputs", ())
    for number, item in enumerate(inputs):
        form = kind_of_text(str(item["path"]))
        if form is not None and form[1]:
            place = f"@provenance.inputs.{number}"
            found.append(Finding(record, place, form[0], str(item["path"]), True, where=("provenance", number)))
    for path, data in schema.groups(tree):
        group = path.strip("/")
        texts = set()
        if schema.kind_of(data) == "volume":
            headers = list(_headers(record, group, data))
            texts = {item.where[1] for item in headers if item.where[0] == "header"}
            found += headers
        attrs = {name: value for name, value in data.attrs.items() if name not in texts}
        found += _attributes(record, group, attrs, ("attribute",), f"{group}@", pseudonyms)
        for name, variable in data.variables.items():
            attrs = {key: value for key, value in variable.attrs.items() if key not in SETTLED}
            place = f"{group}/{name}@"
            found += _attributes(record, group, attrs, ("variable", str(name)), place, pseudonyms)
        found += header_findings(record, group, data)
        if schema.kind_of(data) == "table":
            found += _columns(record, group, data, pseudonyms)
    # Warnings name groups and arrays of the record, which look like files.
    places = {f"{path}/{name}".rstrip("/") for path, data in schema.groups(tree) for name in ("", *data.variables)}
    named = (item for item in found if item.kind != "path" or item.value not in places)
    return tuple(sorted(named, key=lambda item: (item.place, item.kind)))


def _attributes(
    record: str, group: str, attrs: Mapping[Any, Any], where: tuple[str | int, ...], head: str, pseudonyms: set[str]
) -> Iterator[Finding]:
    for name, value in attrs.items():
        if str(name) in OWN or folded(str(name)) in PUBLIC:
            continue
        yield from _value(record, group, str(name), plain(value), (*where, str(name)), f"{head}{name}", pseudonyms)


def _value(
    record: str, group: str, name: str, value: Any, where: tuple[str | int, ...], place: str, pseudonyms: set[str]
) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if folded(str(key)) not in PUBLIC:
                yield from _value(record, group, str(key), inner, (*where, str(key)), f"{place}.{key}", pseudonyms)
        return
    if isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            if isinstance(inner, (str, Mapping, list, tuple)):
                yield from _value(record, group, name, inner, (*where, number), f"{place}.{number}", pseudonyms)
        return
    judged = _judged(name, value, pseudonyms)
    if judged is not None:
        yield Finding(record, place, judged[0], str(value), judged[1], group, where)


def _judged(name: str, value: Any, pseudonyms: set[str]) -> tuple[str, bool] | None:
    """Return kind and certainty of a single value under a name."""
    if is_blank(value) or folded(str(value)) in pseudonyms:
        return None
    if isinstance(value, (int, float)) and _is_age(name):
        return ("age", True) if value > MOST_YEARS else None
    form = kind_of_text(value) if isinstance(value, str) else None
    kind = kind_of_name(name)
    if kind is not None and kind != "text":
        return kind, True
    if form is not None:
        return form
    return ("text", False) if kind == "text" and isinstance(value, str) else None


def _is_age(name: str) -> bool:
    return name.lower().partition("_")[0] == "age"


def _headers(record: str, group: str, data: xr.Dataset) -> Iterator[Finding]:
    source = source_format(data)
    if "header" in data:
        for field in fields_of(data["header"].values.tobytes(), source):
            where = ("header", field.name, field.start)
            yield Finding(record, f"{group}/header.{field.name}", field.kind, field.text, field.sure, group, where)
    if "trailer" in data:
        for field in trailer_fields(data["trailer"].values.tobytes(), source):
            yield Finding(
                record, f"{group}/trailer.{field.name}", field.kind, field.text, field.sure, group, ("trailer",)
            )


def _columns(record: str, group: str, data: xr.Dataset, pseudonyms: set[str]) -> Iterator[Finding]:
    for name, variable in data.variables.items():
        if variable.dims[:1] != ("row",) or variable.ndim != 1:
            continue
        names = [str(name), str(variable.attrs.get("source_column", ""))]
        kinds = [kind for kind in map(kind_of_name, names) if kind is not None]
        is_category = schema.is_category(variable)
        is_text = not is_category and variable.dtype.kind in "OTU"
        is_age = not is_category and variable.dtype.kind in "iuf" and _is_age(str(name))
        if not (kinds or is_text or is_age) or (variable.size > MOST_ROWS and not kinds):
            continue
        # Ids of stimuli and moments within a recording are numbers of seconds; no date is a float.
        values = [item for item in schema.decode(variable).tolist() if not is_blank(item) and item == item]
        place, where = f"{group}/{name}", ("column", str(name))
        if is_age:
            old = [item for item in values if item > MOST_YEARS]
            if old and variable.attrs.get("units", "") in YEARS:
                yield Finding(record, place, "age", str(max(old)), True, group, where)
            continue
        values = [item for item in values if folded(str(item)) not in pseudonyms]
        if not values:
            continue
        kind, sure = _column_kind(kinds, values, is_text=is_text)
        if kind:
            yield Finding(record, place, kind, _shown(values), sure, group, where)


def _column_kind(kinds: list[str], values: list[Any], *, is_text: bool) -> tuple[str, bool]:
    certain = [kind for kind in kinds if kind != "text"]
    if certain and (is_text or certain[0] != "date"):
        return certain[0], True
    forms = [form for value in values if isinstance(value, str) and (form := kind_of_text(value)) is not None]
    if forms:
        return max(forms, key=lambda form: form[1])
    if is_text and (kinds or max(len(str(value).split()) for value in values) >= LONG_TEXT_WORDS):
        return "text", False
    return "", False


def _shown(values: list[Any]) -> str:
    different = list(dict.fromkeys(str(value) for value in values))
    return different[0] if len(different) == 1 else f"{different[0]} and {len(different) - 1} more"
