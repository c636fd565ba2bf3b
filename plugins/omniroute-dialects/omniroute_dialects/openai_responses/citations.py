"""Annotations of output text and the gateway's citations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Citation

from .vocabulary import own, slot


def read_annotation(raw: Any) -> Citation | None:
    """One annotation; None where it is no object."""
    if not isinstance(raw, Mapping):
        return None
    text = {k: v for k, v in raw.items() if isinstance(v, str)}
    return Citation(
        url=text.get("url"),
        title=text.get("title") or text.get("filename"),
        start=_index(raw.get("start_index")),
        end=_index(raw.get("end_index")),
        ext=slot(dict(raw)),
    )


def write_annotation(citation: Citation, text: str) -> dict[str, Any]:
    """The annotation of a citation on ``text``; without offsets it covers all of it."""
    raw = own(citation.ext)
    if raw:
        return dict(raw)
    end = citation.end if citation.end is not None else len(text)
    if citation.url is None:
        name = citation.title or ""
        return {"type": "file_citation", "file_id": name, "filename": name, "index": end}
    return {
        "type": "url_citation",
        "start_index": citation.start or 0,
        "end_index": end,
        "url": citation.url,
        "title": citation.title or citation.url,
    }


def _index(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
