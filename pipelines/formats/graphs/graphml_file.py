"""GraphML as it is written: a stream of elements turned into keys, nodes and edges, without entities.

Specification: GraphML Primer (graphml.graphdrawing.org/primer); attributes as in its extension "GraphML-Attributes".
Entities and references to other files are refused: expanding them can fill the memory or read what is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from connectome.errors import TruncatedError

from ..files.pointers import refuse_pointer
from ..files.xml_stream import XmlStream

__all__ = ["GraphmlFile", "Key", "parse_graphml"]

NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
TYPES = ("boolean", "int", "long", "float", "double", "string")
_SEPARATOR = " "
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Key:
    """A declared attribute."""

    id: str
    name: str
    of: str
    """``node``, ``edge``, ``graph`` or ``all``."""
    type: str
    """One of ``TYPES``; ``""`` for what other programs define themselves."""
    default: str | None = None


@dataclass
class GraphmlFile:
    """What a file says, in its order."""

    directed: bool = False
    keys: dict[str, Key] = field(default_factory=dict)
    node: list[str] = field(default_factory=list)
    node_line: list[int] = field(default_factory=list)
    node_data: dict[str, dict[int, str]] = field(default_factory=dict)
    """Key id to row of a node to text."""
    source: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    edge_id: list[str] = field(default_factory=list)
    edge_line: list[int] = field(default_factory=list)
    edge_directed: list[bool] = field(default_factory=list)
    edge_data: dict[str, dict[int, str]] = field(default_factory=dict)
    graph_data: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    """Keys whose values are no text of a known type."""


def parse_graphml(path: Path) -> GraphmlFile:
    """Parse a file in blocks.

    Raises
    ------
    FormatError
        When it is no GraphML of one flat graph; the place is the line.
    TruncatedError
        When the XML ends too early, or the file is empty.
    UnsafeError
        When it declares entities or refers to other files.
    """
    refuse_pointer(path)
    if path.stat().st_size == 0:
        raise TruncatedError("the file is empty", subject=str(path), expected="GraphML", found="0 bytes")
    reader = _Reader(path)
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            reader.feed(block)
    return reader.finish()


class _Reader(XmlStream):
    """Keys, nodes and edges by the events of the XML."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), separator=_SEPARATOR)
        self.file = GraphmlFile()
        self.stack: list[str] = []
        self.text: list[str] | None = None
        self.data_key = ""
        self.key: dict[str, str] = {}
        self.n_graphs = 0
        self.skipped = 0

    def finish(self) -> GraphmlFile:
        self.close()
        if not self.n_graphs:
            raise self.error("no graph in the file", expected="<graph>", found="none")
        return self.file

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, name = name.rpartition(_SEPARATOR)
        if self.skipped or (self.stack and namespace not in {"", NAMESPACE}) or self.text is not None:
            # Inside <data>, other programs nest elements of their own.
            if self.text is not None and self.data_key:
                self.file.foreign.add(self.data_key)
            self.skipped += 1
            return
        if not self.stack and (name != "graphml" or namespace not in {"", NAMESPACE}):
            raise self.error(
                "the root of the XML is another",
                expected=f"graphml of {NAMESPACE}",
                found=f"{name[:80]} of {namespace[:80] or 'no namespace'}",
            )
        handler = getattr(self, f"start_{name}", None)
        if handler is None:
            if name not in {"graphml", "desc"}:
                raise self.error(
                    "an element that is not read", expected="nodes and edges of one flat graph", found=f"<{name[:80]}>"
                )
        else:
            handler(attributes)
        self.stack.append(name)

    def end(self, name: str) -> None:
        if self.skipped:
            self.skipped -= 1
            return
        name = self.stack.pop()
        if name == "key":
            self.end_key()
        elif name in {"data", "default"}:
            text = "".join(self.text or [])
            self.text = None
            if name == "default":
                self.key["default"] = text
            else:
                self.end_data(text)

    def characters(self, text: str) -> None:
        if self.text is not None and not self.skipped:
            self.text.append(text)

    def start_key(self, attributes: dict[str, str]) -> None:
        self.key = dict(attributes)

    def start_default(self, _: dict[str, str]) -> None:
        self.text = []

    def end_key(self) -> None:
        about = self.key
        known, of, type_of = about.get("id", ""), about.get("for", "all"), about.get("attr.type", "")
        if not known or known in self.file.keys:
            raise self.error("a key without an id of its own", expected="one key per id", found=repr(known))
        if type_of and type_of not in TYPES:
            raise self.error("a key of an unknown type", expected=", ".join(TYPES), found=type_of[:80])
        self.file.keys[known] = Key(known, about.get("attr.name") or known, of, type_of, about.get("default"))

    def start_graph(self, attributes: dict[str, str]) -> None:
        self.n_graphs += 1
        if self.n_graphs > 1:
            raise self.error("more than one graph", expected="one flat graph", found="another <graph>")
        default = attributes.get("edgedefault", "")
        if default not in {"directed", "undirected"}:
            raise self.error("not a direction", expected="edgedefault directed or undirected", found=repr(default[:80]))
        self.file.directed = default == "directed"

    def start_node(self, attributes: dict[str, str]) -> None:
        if self.stack[-1] != "graph" or "id" not in attributes:
            raise self.error("a node without an id, or outside the graph", expected="<node id=...>")
        self.file.node.append(attributes["id"])
        self.file.node_line.append(self.line)

    def start_edge(self, attributes: dict[str, str]) -> None:
        if self.stack[-1] != "graph" or not {"source", "target"} <= set(attributes):
            raise self.error("an edge without two ends, or outside the graph", expected="<edge source=... target=...>")
        if {"sourceport", "targetport"} & set(attributes):
            raise self.error("an edge between ports", expected="edges between nodes", found="a port")
        directed = attributes.get("directed", "true" if self.file.directed else "false")
        if directed not in {"true", "false", "1", "0"}:
            raise self.error("not a direction", expected="true or false", found=repr(directed[:80]))
        self.file.source.append(attributes["source"])
        self.file.target.append(attributes["target"])
        self.file.edge_id.append(attributes.get("id", ""))
        self.file.edge_directed.append(directed in {"true", "1"})
        self.file.edge_line.append(self.line)

    def start_data(self, attributes: dict[str, str]) -> None:
        known = attributes.get("key", "")
        if known not in self.file.keys:
            raise self.error("data of a key that is not declared", expected="a <key> before it", found=repr(known[:80]))
        self.data_key = known
        self.text = []

    def end_data(self, text: str) -> None:
        owner, key = self.stack[-1], self.data_key
        self.data_key = ""
        if owner in {"graph", "graphml"}:
            self.file.graph_data[key] = text
            return
        table, rows = (
            (self.file.node_data, len(self.file.node))
            if owner == "node"
            else (self.file.edge_data, len(self.file.source))
        )
        values = table.setdefault(key, {})
        if rows - 1 in values:
            raise self.error(f"a {owner} has two values of one key", expected="one", found=key)
        values[rows - 1] = text
