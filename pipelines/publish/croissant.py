"""Croissant 1.0 metadata: every file with its SHA-256, every table with its fields and where they come from.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html (version 1.0, 2024).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectome.catalog import LICENCES, from_about

if TYPE_CHECKING:
    from connectome.rows import Column
    from connectome.store import Version

    from .values import PublishedFile, PublishedTable

__all__ = ["croissant"]

PARQUET = "application/x-parquet"
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification recommends."""
_TYPES = {
    "bool": "sc:Boolean",
    "text": "sc:Text",
    "bytes": "sc:Text",
    "float16": "cr:Float16",
    "float32": "cr:Float32",
    "float64": "cr:Float64",
    **{f"{sign}int{bits}": f"cr:{sign.upper()}Int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def croissant(
    version: Version,
    written: Sequence[PublishedTable],
    files: Iterable[PublishedFile],
    *,
    licences: Mapping[str, Sequence[str]],
    place: str | None = None,
) -> dict[str, Any]:
    """Return ``croissant.json`` as JSON values.

    Parameters
    ----------
    version : Version
        What is published.
    written : sequence of PublishedTable
        Its tables.
    files : iterable of PublishedFile
        All other files of the folder: records and the version file.
    licences : mapping
        Licence id to the records under it.
    place : str, optional
        Where it will lie (``hf://datasets/ORG/NAME``).

    Returns
    -------
    dict
    """
    described = from_about(version.dataset, version.manifest.about)
    authors = list(dict.fromkeys(author for work in described.works for author in work.authors))
    url = described.homepage or _web(place)
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": version.dataset,
        "description": described.description or described.title,
        "version": version.version,
        "license": [licence.url if (licence := LICENCES.get(name)) and licence.url else name for name in licences],
        "citeAs": version.cite("bibtex"),
        "datePublished": version.manifest.created[:10],
        "keywords": sorted({*described.keywords, *described.kinds, *described.species}),
        **({"creator": [_creator(author) for author in authors]} if authors else {}),
        **({"url": url} if url else {}),
        "distribution": [
            *(_file_object(file, PARQUET) for item in written for file in item.files),
            *(_file_set(item) for item in written if len(item.files) > 1),
            *(_file_object(file, _format(file.path)) for file in files),
        ],
        "recordSet": [_record_set(item) for item in written],
    }
    return document


def _web(place: str | None) -> str | None:
    if place is None or not place.startswith("hf://"):
        return place if place and place.startswith("http") else None
    return f"https://huggingface.co/datasets/{place.removeprefix('hf://').removeprefix('datasets/')}"


def _creator(author: str) -> dict[str, str]:
    family, comma, given = author.partition(", ")
    kind = "sc:Person" if comma else "sc:Organization"
    return {"@type": kind, "name": f"{given} {family}" if comma else author}


def _format(path: str) -> str:
    return "application/json" if path.endswith(".json") else "application/zip"


def _file_object(file: PublishedFile, encoding: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": encoding,
        "sha256": file.sha256,
    }


def _file_set(item: PublishedTable) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"files/{item.table.name}",
        "name": f"files of {item.table.name}",
        "encodingFormat": PARQUET,
        "includes": f"data/{item.table.name}/*.parquet",
    }


def _record_set(item: PublishedTable) -> dict[str, Any]:
    # A field reads one file, or a set of them.
    source = (
        {"fileObject": {"@id": item.files[0].path}}
        if len(item.files) == 1
        else {"fileSet": {"@id": f"files/{item.table.name}"}}
    )
    about = f"/{item.table.group} ({item.table.kind})" if item.table.group else "about the version"
    return {
        "@type": "cr:RecordSet",
        "@id": item.table.name,
        "name": item.table.name,
        "description": f"{about}; splits: {', '.join(item.splits)}",
        "field": [_field(item.table.name, column, source) for column in item.table.columns],
    }


def _field(table: str, column: Column, source: Mapping[str, Any]) -> dict[str, Any]:
    units = f" [{column.units}]" if column.units else ""
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": f"{column.long_name}{units}",
        "dataType": _TYPES[column.dtype],
        **({"repeated": True} if column.shape else {}),
        "source": {**source, "extract": {"column": column.name}},
    }
