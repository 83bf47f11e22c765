"""One record, one immutable file: writing it, opening it, checking it."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from connectome import schema
from connectome.errors import DamagedError, UsageError

from .. import atomic
from .archive import ByteSource, LocalBytes, RecordStore, complete
from .canonical import file_sha256, json_digest, plain
from .digest import array_digests, combine
from .encode import RESERVED, Document, encode
from .grid import is_large, size_of
from .packing import Chunks, pack
from .readback import content_of

if TYPE_CHECKING:
    from .references import Place, SourceFile

__all__ = ["SUFFIX", "Receipt", "Recipe", "check_record_id", "open_record", "record_file", "write_record"]

SUFFIX = ".zarr.zip"
SHORT = 16
"""Characters of the file's SHA-256 that name it: 64 bits among the versions of one record."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}")


@dataclass(frozen=True)
class Recipe:
    """What the bytes of a record depend on. Equal recipes give equal content, so a record need not be made twice."""

    source: str
    """Id of the source or, for a user's own files, ``import:FORMAT``."""
    source_version: str
    inputs: tuple[Mapping[str, Any], ...]
    """Every raw file: ``{"path", "sha256", "bytes", "verified"}``, sorted by path."""
    params: Mapping[str, Any] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=schema.schema_versions)
    """Version of every kind's schema."""

    @property
    def digest(self) -> str:
        """SHA-256 of the recipe."""
        return json_digest(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        recipe: dict[str, Any] = plain(asdict(self))
        return recipe


@dataclass(frozen=True)
class Receipt:
    """What is known of a record that lies in the store; one entry of a version."""

    record: str
    file_sha256: str
    size_bytes: int
    content: str
    """Content digest (SHA-256, hex)."""
    recipe: Mapping[str, Any]
    facts: Mapping[str, Mapping[str, Any]]
    """Group path to facts."""
    warnings: tuple[Mapping[str, str], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The record's own plain attributes (title, subject, strain, ...), for the index and for splits."""

    @property
    def file(self) -> str:
        """Path of the file relative to the dataset's folder."""
        return f"records/{self.record}/{self.file_sha256[:SHORT]}{SUFFIX}"

    @property
    def recipe_digest(self) -> str:
        """SHA-256 of the recipe."""
        return json_digest(self.recipe)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Paths of the raw files that the record was made from."""
        return tuple(item["path"] for item in self.recipe["inputs"])

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        receipt: dict[str, Any] = plain(asdict(self))
        return receipt

    @classmethod
    def fields(cls) -> frozenset[str]:
        """Return the names in :meth:`as_dict`."""
        return frozenset(cls.__dataclass_fields__)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Receipt:
        """Make a receipt from :meth:`as_dict`."""
        return cls(**{**values, "warnings": tuple(values["warnings"])})


def check_record_id(record: str) -> None:
    """Raise :class:`~connectome.errors.UsageError` unless an id can be a folder's name everywhere."""
    if not _ID.fullmatch(record) or record.endswith("."):
        raise UsageError(
            "not a record or dataset id",
            subject=record,
            expected="a letter or digit, then letters, digits, '.', '_' or '-' (127 at most)",
            found=repr(record),
        )


def record_file(folder: Path, receipt: Receipt) -> Path:
    """Return where a record's file lies below a dataset's folder."""
    return folder / receipt.file


def write_record(
    tree: xr.DataTree,
    folder: Path,
    *,
    record: str,
    recipe: Recipe,
    staging: Path,
    by_reference: Mapping[str, SourceFile] | None = None,
    fetched: Callable[[], Sequence[Mapping[str, Any]]] | None = None,
) -> Receipt:
    """Validate a record and write it as one immutable file.

    The tree is encoded (a large one into a staging folder, some arrays at a time), packed, read back and compared with
    the tree by content digest; only then does the file get its name. On any error nothing is left behind.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    folder : Path
        The dataset's folder; the file becomes ``records/<record>/<digest>.zarr.zip`` below it.
    record : str
        Id of the record.
    recipe : Recipe
        What its bytes depend on; stored in the file as provenance.
    staging : Path
        A folder on the same file system for work in progress.
    by_reference : mapping, optional
        Files whose arrays are referred to instead of copied, where they can be, by the path that the reader was given;
        see :mod:`connectome.store.references`. The content digest is the same.
    fetched : callable, optional
        Says, once all values were read, which parts were read of files that were not fetched whole: for each ``path``,
        ``bytes_of_source``, ``bytes_fetched`` and ``ranges`` with checksums. Kept in the record outside its content;
        the receipt gets a warning, ``source-not-whole``, and the two sums as attributes.

    Returns
    -------
    Receipt

    Raises
    ------
    SchemaError
        When the tree is not a valid record.
    DamagedError
        When what was read back is not what was written.
    """
    check_record_id(record)
    schema.validate(tree, subject=record)
    work = staging / f"{record}.{uuid.uuid4().hex}"
    packed = work / f"record{SUFFIX}"
    large = is_large(size_of(tree))
    try:
        work.mkdir(parents=True)
        provenance = {"provenance": {"record": record, **recipe.as_dict()}}
        chunks = Chunks(work / "chunks" if large else None)
        documents, arrays = encode(tree, chunks.put, reserved=provenance, by_reference=by_reference)
        content = combine(tree, arrays)
        documents[""]["attributes"]["digests"] = arrays
        parts = [plain(item) for item in fetched()] if fetched is not None else []
        if parts:
            documents[""]["attributes"]["fetched"] = parts
        with ThreadPoolExecutor(1) as beside:
            # Counting and hashing do not wait for one another.
            facts = beside.submit(schema.measure, tree) if not parts else None
            written = _write(documents, chunks, packed, large=large)
            sha256 = beside.submit(_sha256, written)
            places = [Path(name) for name in by_reference or ()]
            if facts is None:
                # Of the copy: what came in parts is not asked for again.
                facts = beside.submit(lambda: schema.measure(open_record(written, places=places)))
            found = _content(written, places)
        if found != content:
            raise DamagedError(
                "the record reads back differently from what was written",
                subject=record,
                expected=f"content {content[:SHORT]}",
                hint="this is a defect of the store or the disk; nothing was kept",
            )
        receipt = Receipt(
            record=record,
            file_sha256=sha256.result(),
            size_bytes=packed.stat().st_size,
            content=content,
            recipe=recipe.as_dict(),
            facts=plain(facts.result()),
            warnings=(*plain(tree.attrs.get("warnings", [])), *map(_not_whole, parts)),
            attributes=_plain_attributes(tree) | _sums(parts),
        )
        packed.chmod(0o444)
        atomic.publish(packed, record_file(folder, receipt))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return receipt


class _InMemory:
    """A small file's bytes, read once for all checks."""

    def __init__(self, path: Path) -> None:
        self.name, self._data = str(path), path.read_bytes()

    def size(self) -> int:
        return len(self._data)

    def read(self, start: int, length: int) -> bytes:
        data = self._data[start : start + length]
        return complete(data, length, name=self.name, start=start, hint="nothing was kept")


def _write(documents: dict[str, Document], chunks: Chunks, target: Path, *, large: bool) -> ByteSource:
    """Write a record's file and return what is there to read."""
    if large:
        with target.open("w+b") as file:
            pack(documents, chunks, file)
        return LocalBytes(target)
    # A ZIP is written in hundreds of small steps.
    memory = io.BytesIO()
    pack(documents, chunks, memory)
    target.write_bytes(memory.getbuffer())
    return _InMemory(target)


def _sha256(source: ByteSource) -> str:
    if isinstance(source, _InMemory):
        return hashlib.sha256(source.read(0, source.size())).hexdigest()
    return file_sha256(Path(source.name))


def _content(source: ByteSource, places: Sequence[Path]) -> str:
    """Return the content digest of a file that was just written."""
    content = content_of(RecordStore(source, places=places))
    if content is None:
        tree = open_record(source, places=places)
        content = combine(tree, array_digests(tree))
    return content


def _not_whole(part: Mapping[str, Any]) -> dict[str, str]:
    message = (
        f"{part['bytes_fetched']} of {part['bytes_of_source']} bytes were read; each range has its SHA-256, "
        "the file was compared with no checksum of the whole"
    )
    return {"code": "source-not-whole", "place": str(part["path"]), "message": message}


def _sums(parts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    names = ("bytes_fetched", "bytes_of_source") if parts else ()
    return {name: sum(int(part[name]) for part in parts) for name in names}


def _plain_attributes(tree: xr.DataTree) -> dict[str, Any]:
    skipped = {"encoding-type", "encoding-version", "warnings", *RESERVED}
    return {
        name: value
        for name, value in plain(tree.attrs).items()
        if name not in skipped and isinstance(value, (str, int, float, bool))
    }


def open_record(
    source: str | Path | ByteSource, *, size_bytes: int | None = None, places: Sequence[Place] = ()
) -> xr.DataTree:
    """Open a record file lazily.

    Parameters
    ----------
    source : path or ByteSource
        The file.
    size_bytes : int, optional
        What its length must be.
    places : sequence of str or Path
        Where to look first for the files that referenced arrays lie in.

    Returns
    -------
    xarray.DataTree
        Values are read when asked for; nothing is masked, scaled or decoded.

    Raises
    ------
    DamagedError
        When the file is missing, short, or no record.
    """
    data = LocalBytes(source) if isinstance(source, (str, Path)) else source
    found = data.size()
    if size_bytes is not None and found != size_bytes:
        raise DamagedError(
            "the record's file does not have its length",
            subject=data.name,
            expected=f"{size_bytes} bytes",
            found=f"{found} bytes",
            hint="pull the version again, or ingest it anew",
        )
    store = RecordStore(data, places=places)
    if "zarr.json" not in store.entries:
        raise DamagedError("the file is not a record", subject=data.name, expected="a Zarr v3 group")
    tree: xr.DataTree = xr.open_datatree(
        store,  # type: ignore[arg-type]
        engine="zarr",
        consolidated=True,
        mask_and_scale=False,
        decode_times=False,
        decode_timedelta=False,
        chunks=None,
    )
    return tree
