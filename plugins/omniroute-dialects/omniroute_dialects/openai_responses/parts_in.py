"""Content parts of a caller's items, as conversation parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Audio, Blob, CacheMark, Document, Image, Opaque, Part, Refusal, Text
from omniroute_hooks.conversation import Ext

from ..blobs import blob_of_base64, blob_of_url
from ..fields import Fields
from .citations import read_annotation
from .vocabulary import ID, slot

_MIMES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "xml": "application/xml",
}


def parse_content(item: Fields, name: str) -> tuple[Part, ...]:
    """The parts of ``item[name]``: a string, or a list of typed parts. Absent and null mean no parts."""
    value = item.raw(name)
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    return tuple(part for fields in item.objects(name) if (part := _part(fields)) is not None)


def _part(f: Fields) -> Part | None:
    kind = f.text("type", required=True)
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        return _text(f)
    if kind == "refusal":
        words = f.text("refusal", required=True)
        return None if words is None else Refusal(words)
    if kind in ("input_image", "image_url", "computer_screenshot"):
        return _image(f)
    if kind in ("input_file", "file"):
        return _file(f.object("file") if isinstance(f.body.get("file"), dict) else f)
    if kind == "input_audio":
        return _audio(f)
    return None if kind is None else Opaque(ID, kind, dict(f.body))


def _text(f: Fields) -> Text | None:
    text = f.text("text", required=True)
    citations = tuple(c for raw in f.array("annotations") or () if (c := read_annotation(raw)) is not None)
    cache = _cache(f)
    logprobs = f.raw("logprobs")
    ext: dict[str, Any] = f.rest(("type",))
    if logprobs:
        ext["logprobs"] = logprobs
    return None if text is None else Text(text, citations, cache, ext=slot(ext))


def _image(f: Fields) -> Image | None:
    nested = f.object("image_url") if isinstance(f.body.get("image_url"), dict) else None  # as in chat
    url = nested.text("url", required=True) if nested else f.text("image_url")
    file_id = f.text("file_id")
    detail = (nested or f).text("detail") or f.text("detail")
    cache = _cache(f)
    if url is not None:
        return Image(blob_of_url(url), detail, cache, _unknown(f))
    if file_id is not None:
        return Image(Blob(file_id=file_id), detail, cache, _unknown(f))
    if nested is None:
        f.wrong("", "needs image_url or file_id")
    return None


def _file(f: Fields | None) -> Document | None:
    if f is None:
        return None
    name, data = f.text("filename"), f.text("file_data")
    url, file_id = f.text("file_url"), f.text("file_id")
    cache = _cache(f)
    if data is not None:
        source = blob_of_url(data) if data.startswith("data:") else blob_of_base64(data, _mime_of(name))
    elif url is not None:
        source = Blob(mime=_mime_of(name), url=url)
    elif file_id is not None:
        source = Blob(file_id=file_id)
    else:
        f.wrong("", "needs file_data, file_url or file_id")
        return None
    return Document(source, title=name, cache=cache, ext=_unknown(f))


def _audio(f: Fields) -> Audio | None:
    inner = f.object("input_audio", required=True)
    if inner is None:
        return None
    data, form = inner.text("data", required=True), inner.text("format", required=True)
    return None if data is None or form is None else Audio(Blob(mime=f"audio/{form}", data=data))


def _cache(f: Fields) -> CacheMark | None:
    mark = f.object("prompt_cache_breakpoint")
    return None if mark is None else CacheMark(mark.text("ttl"))


def _unknown(f: Fields) -> Ext:
    return slot(f.rest(("type",)))


def _mime_of(name: str | None) -> str | None:
    return _MIMES.get(name.rpartition(".")[2].lower()) if name else None


def without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something: null is refused in places where absence is not (``status``)."""
    return {name: value for name, value in fields.items() if value is not None}
