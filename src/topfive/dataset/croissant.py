"""`dataset.json`: a Croissant 1.0 description (JSON-LD), as far as is known; what a source does not say is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from topfive.records import Manifest

CONTEXT: dict[str, Any] = {
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
_TYPES = {
    "string": "sc:Text",
    "large_string": "sc:Text",
    "bool": "sc:Boolean",
    **dict.fromkeys(("halffloat", "float", "double"), "sc:Float"),
    **dict.fromkeys([f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)], "sc:Integer"),
}
_PARQUET, _DATA = "application/x-parquet", "data/*.parquet"
_SAID = ("description", "license", "url", "creator", "datePublished", "citeAs", "version", "recipe")
"""What a set says of itself that is true of any part of it."""


def describe(name: str, description: str, manifest: Manifest, pictures: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of `dataset.json`; `pictures` are the FileObjects and FileSets that hold the images.

    A FileObject's `contentUrl` is the manifest's `container`, so that readers can see from `contentSize` whether an
    archive has changed since.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "version": "1.0.0",
        "distribution": [
            *pictures,
            _beside("manifest.parquet", "application/x-parquet"),
            _beside("classes.tsv", "text/tab-separated-values"),
        ],
        "recordSet": [_splits(manifest), _classes(), _images(manifest)],
    }


def with_manifest(about: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """A description whose splits and columns are those of `manifest`; all else stays as it was."""
    mine = [_splits(manifest), _classes(), _images(manifest)]
    return about | ({"recordSet": mine} if "recordSet" in about else {})


def describe_parquet(
    name: str, about: Mapping[str, Any], manifest: Manifest, schema: pa.Schema, files: Sequence[tuple[str, int, str]]
) -> dict[str, Any]:
    """The description of a release whose pictures are in Parquet `files` (name, bytes, SHA-256): `about` says the rest.

    Its fields are the columns of `schema` that are text, numbers or truth values; others are for readers of Parquet.
    Classes and splits are written out, so that a reader needs the Parquet files alone for pictures and labels.
    """
    said = {key: about[key] for key in _SAID if key in about}
    licences = manifest.source.column("licence").unique().to_pylist()
    if "license" not in said and len(licences) == 1 and licences[0]:
        said["license"] = licences[0]
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": file,
            "name": file,
            "contentUrl": file,
            "contentSize": f"{size} B",
            "encodingFormat": _PARQUET,
            "sha256": sha256,
        }
        for file, size, sha256 in files
    ]
    data = {"@type": "cr:FileSet", "@id": "data", "name": "data", "encodingFormat": _PARQUET, "includes": _DATA}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": "Pictures with the class that each shows",
        "version": "1.0.0",
        **said,
        "distribution": [*objects, data],
        "recordSet": [_splits(manifest), _classes_in_full(manifest), _pictures(schema)],
    }


def _classes_in_full(manifest: Manifest) -> dict[str, Any]:
    kinds = {"index": "sc:Integer", "wnid": "sc:Text", "name": "sc:Text"}
    fields = [
        {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind} for name, kind in kinds.items()
    ]
    rows = zip(manifest.classes.wnids, manifest.classes.names, strict=True)
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "key": {"@id": "classes/index"},
        "field": fields,
        "data": [
            {"classes/index": index, "classes/wnid": wnid, "classes/name": name}
            for index, (wnid, name) in enumerate(rows)
        ],
    }


def _pictures(schema: pa.Schema) -> dict[str, Any]:
    image = _field("images", "image", "sc:ImageObject", "data")
    image["source"]["transform"] = {"jsonPath": "bytes"}
    fields = [image, _field("images", "label", "sc:Integer", "data")]
    kinds = {
        entry.name: _TYPES[str(entry.type)]
        for entry in schema
        if str(entry.type) in _TYPES and entry.name not in ("image", "label")
    }
    fields += _fields("images", kinds, "data")
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "One record a picture; `label` is an index of `classes`, -1 where it is not known.",
        "key": {"@id": "images/image_id"},
        "field": fields,
    }


def archive(container: Path, size: int, sha256: str) -> list[dict[str, Any]]:
    """A tar archive that is read in place, and the pictures in it."""
    return [
        {
            "@type": "cr:FileObject",
            "@id": container.name,
            "name": container.name,
            "contentUrl": str(container),
            "contentSize": f"{size} B",
            "encodingFormat": "application/x-tar",
            "sha256": sha256,
        },
        {
            "@type": "cr:FileSet",
            "@id": f"{container.name}:pictures",
            "name": f"{container.name}:pictures",
            "containedIn": {"@id": container.name},
            "encodingFormat": "image/jpeg",
            "includes": "**/*",
        },
    ]


def folder(root: Path) -> list[dict[str, Any]]:
    """A folder of pictures that are read where they lie."""
    return [
        {
            "@type": "cr:FileSet",
            "@id": "pictures",
            "name": "pictures",
            "encodingFormat": "image/jpeg",
            "includes": f"{root}/**/*",
        }
    ]


def _beside(name: str, kind: str) -> dict[str, Any]:
    """A file of the dataset folder; a FileSet, since a FileObject must carry a hash and the manifest may be redone."""
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": kind, "includes": name}


def _field(record_set: str, name: str, kind: str, file: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "dataType": kind,
        "source": {"fileSet": {"@id": file}, "extract": {"column": name}},
    }


def _fields(record_set: str, kinds: Mapping[str, str], file: str) -> list[dict[str, Any]]:
    """Fields by the names of columns; an `@id` may hold no blanks, so that they are written `_` there."""
    fields = [_field(record_set, name, kind, file) for name, kind in kinds.items()]
    given = set(kinds)
    for entry in fields:
        name = entry["name"]
        if re.search(r"\s", name):
            free = re.sub(r"\s", "_", name)
            while free in given:
                free += "_"
            given.add(free)
            entry["@id"] = f"{record_set}/{free}"
    return fields


def _splits(manifest: Manifest) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [{"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"}],
        "data": [{"splits/name": name} for name in manifest.splits()],
    }


def _classes() -> dict[str, Any]:
    kinds = {"index": "sc:Integer", "wnid": "sc:Text", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "key": {"@id": "classes/index"},
        "field": [_field("classes", name, kind, "classes.tsv") for name, kind in kinds.items()],
    }


def _images(manifest: Manifest) -> dict[str, Any]:
    kinds = {entry.name: _TYPES.get(str(entry.type), "sc:Text") for entry in manifest.source.schema}
    fields = _fields("images", kinds, "manifest.parquet")
    for entry in fields:
        if entry["name"] == "split":
            entry["references"] = {"field": {"@id": "splits/name"}}
        if entry["name"] == "class_index":
            entry["references"] = {"field": {"@id": "classes/index"}}
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "key": {"@id": "images/image_id"},
        "field": fields,
    }
