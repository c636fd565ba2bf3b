"""Where an answer's text comes from: ``groundingMetadata`` and ``citationMetadata``, in both directions.

Offsets of this dialect count bytes of UTF-8; citations count characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks import GEMINI, Citation, Part, Text

Json = dict[str, Any]


def citations(candidate: Mapping[str, Any], text: str) -> list[Citation]:
    """The citations on ``text``, the candidate's last text part."""
    out: list[Citation] = []
    grounding = candidate.get("groundingMetadata")
    if isinstance(grounding, Mapping):
        out += _grounded(grounding, text)
    cited = candidate.get("citationMetadata")
    sources = (cited.get("citationSources") or cited.get("citations")) if isinstance(cited, Mapping) else None
    data = text.encode("utf-8", "replace")
    for source in _dicts(sources):
        if isinstance(source.get("uri"), str):
            start, end = _chars(data, source.get("startIndex")), _chars(data, source.get("endIndex"))
            title = source.get("title")
            title = title if isinstance(title, str) else None
            out.append(Citation(source["uri"], title, start=start, end=end, ext={GEMINI: source}))
    return out


def _grounded(grounding: Mapping[str, Any], text: str) -> list[Citation]:
    chunks = grounding.get("groundingChunks")
    chunks = chunks if isinstance(chunks, list) else []
    data = text.encode("utf-8", "replace")
    out: list[Citation] = []
    for support in _dicts(grounding.get("groundingSupports")):
        segment = support.get("segment")
        segment = segment if isinstance(segment, Mapping) else {}
        start, end = _chars(data, segment.get("startIndex", 0)), _chars(data, segment.get("endIndex"))
        quote = segment.get("text")
        if isinstance(quote, str) and quote and (start is None or end is None or text[start:end] != quote):
            # Counted from some other beginning, such as that of a stream's last piece.
            found = text.find(quote)
            start, end = (found, found + len(quote)) if found >= 0 else (None, None)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if not isinstance(index, int) or not 0 <= index < len(chunks) or not isinstance(chunks[index], Mapping):
                continue
            source = chunks[index].get("web") or chunks[index].get("retrievedContext") or chunks[index].get("maps")
            if isinstance(source, Mapping) and isinstance(source.get("uri"), str):
                title = source.get("title")
                out.append(
                    Citation(
                        source["uri"],
                        title if isinstance(title, str) else None,
                        start=start,
                        end=end,
                        ext={GEMINI: {"chunk": chunks[index]}},
                    )
                )
    return out


def grounding_of(parts: Sequence[Part]) -> Json | None:
    """``groundingMetadata`` for the citations in an answer's parts; None where there are none."""
    chunks: list[Json] = []
    supports: list[Json] = []
    for position, part in enumerate(parts):
        if isinstance(part, Text):
            for citation in part.citations:
                _support(citation, part.text, position, chunks, supports)
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else None


def _support(citation: Citation, text: str, position: int, chunks: list[Json], supports: list[Json]) -> None:
    if citation.url is None:
        return
    web = {"uri": citation.url, "title": citation.title or citation.url}
    kept = (citation.ext.get(GEMINI) or {}).get("chunk")
    chunk = kept if isinstance(kept, dict) else {"web": web}
    if chunk not in chunks:
        chunks.append(chunk)
    segment: Json = {"partIndex": position} if position else {}
    # A citation without offsets is about all of its text.
    start, end = (citation.start or 0, citation.end) if citation.end is not None else (0, len(text))
    segment["startIndex"] = len(text[:start].encode("utf-8", "replace"))
    segment["endIndex"] = len(text[:end].encode("utf-8", "replace"))
    segment["text"] = text[start:end]
    supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})


def _chars(data: bytes, offset: Any) -> int | None:
    """A byte offset as a character offset; None where it is no offset into this text."""
    if not isinstance(offset, int) or isinstance(offset, bool) or not 0 <= offset <= len(data):
        return None
    return len(data[:offset].decode("utf-8", "ignore"))


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
