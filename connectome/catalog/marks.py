"""YAML read safely into plain values that remember their line.

Only text, whole numbers, booleans, null, lists and mappings come out; nothing is constructed. Repeated keys, merge
keys, tags, very deep nesting and aliases that would grow without bound are problems with a line, like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

__all__ = ["Mark", "YamlProblem", "parse"]

MAX_DEPTH = 20
MAX_VALUES = 50_000
"""Values after aliases are followed: far beyond any catalogue, far below what would fill the memory."""

_TAG = "tag:yaml.org,2002:"
_KINDS = {str: "text", bool: "yes/no", int: "a whole number", float: "a number", list: "a list", dict: "a mapping"}
_SCALARS = {f"{_TAG}{name}" for name in ("str", "int", "bool", "null", "float", "timestamp")}


@dataclass(frozen=True)
class YamlProblem:
    """What is wrong on a line of the file."""

    line: int
    expected: str
    found: str

    def __str__(self) -> str:
        return f"line {self.line}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Mark:
    """A value and its line (counted from 1)."""

    value: str | int | bool | float | list[Mark] | dict[str, Mark] | None
    line: int
    keys: dict[str, int] = field(default_factory=dict)
    """For mappings: the line of every key."""

    @property
    def kind(self) -> str:
        """What the value is, in words."""
        if self.value is None:
            return "nothing"
        return _KINDS[type(self.value)]


class _Loader(yaml.SafeLoader):
    """The safe loader, refusing to go deeper than any catalogue does."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nesting deeper than {MAX_DEPTH}", mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]
        self._depth -= 1
        return node


def parse(text: str) -> tuple[Mark | None, list[YamlProblem]]:
    """Read one YAML document.

    Parameters
    ----------
    text : str
        The document.

    Returns
    -------
    tuple of Mark or None, list of YamlProblem
        The root and every problem found; without a root the text is not YAML, or is empty.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = "; ".join(part for part in (error.context, error.problem) if part)
        return None, [YamlProblem(mark.line + 1 if mark else 1, "YAML", said)]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, [YamlProblem(line, "printable text", f"character {error.character!r}")]
    if node is None:
        return None, [YamlProblem(1, "a mapping", "an empty file")]
    reading = _Reading()
    return reading.value(node, ()), reading.problems


class _Reading:
    """Turns nodes into marks, counting as it goes."""

    def __init__(self) -> None:
        self.problems: list[YamlProblem] = []
        self._n_values = 0

    def value(self, node: yaml.Node, above: tuple[int, ...]) -> Mark:
        line = node.start_mark.line + 1
        self._n_values += 1
        if id(node) in above:
            self.problems.append(YamlProblem(line, "values that end", "an alias inside its own anchor"))
            return Mark(None, line)
        if self._n_values > MAX_VALUES:
            if self._n_values == MAX_VALUES + 1:
                self.problems.append(YamlProblem(line, f"at most {MAX_VALUES} values", "aliases that stand for more"))
            return Mark(None, line)
        inside = (*above, id(node))
        if isinstance(node, yaml.ScalarNode):
            return Mark(self._scalar(node, line), line)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return Mark([self.value(item, inside) for item in node.value], line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, line, inside)
        self.problems.append(YamlProblem(line, "plain YAML without tags", f"the tag {node.tag}"))
        return Mark(None, line)

    def _scalar(self, node: yaml.ScalarNode, line: int) -> str | int | bool | float | None:
        if node.tag not in _SCALARS:
            self.problems.append(YamlProblem(line, "plain YAML without tags", f"the tag {node.tag}"))
            return None
        kind = node.tag.removeprefix(_TAG)
        text = str(node.value)
        if kind == "null":
            return None
        if kind == "bool":
            return text.casefold() in {"yes", "true", "on"}
        # Only plain decimal numbers count as numbers: 010 and 1:30 mean something else in YAML 1.1 than to a reader.
        if kind == "int" and text.lstrip("-").isdecimal() and len(text) < 16 and not text.startswith("0"):
            return int(text)
        if kind == "float":
            return float(text) if text.replace(".", "", 1).lstrip("-").isdecimal() else text
        return text

    def _mapping(self, node: yaml.MappingNode, line: int, inside: tuple[int, ...]) -> Mark:
        values: dict[str, Mark] = {}
        keys: dict[str, int] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == f"{_TAG}merge":
                self.problems.append(YamlProblem(at, "a plain key", "a merge key or a collection as a key"))
                continue
            key = str(key_node.value)
            if key in values:
                self.problems.append(YamlProblem(at, f"the key {key!r} once", f"it again (first in line {keys[key]})"))
                continue
            values[key] = self.value(value_node, inside)
            keys[key] = at
        return Mark(values, line, keys)
