"""Items of tools that the provider runs: kept whole for this dialect, told in plain words to the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omniroute_hooks import Blob, Image, Opaque, Part

from .vocabulary import ID, slot

Json = Mapping[str, Any]


def hosted_part(kind: str, item: Json) -> Part:
    """The part for a hosted item. A generated image is an image; anything else stays as it came."""
    if kind == "image_generation_call" and isinstance(item.get("result"), str) and item["result"]:
        form = item.get("output_format")
        mime = f"image/{form}" if isinstance(form, str) and form else "image/png"
        rest = {name: value for name, value in item.items() if name != "result"}
        return Image(Blob(mime=mime, data=item["result"]), ext=slot({"item": rest}))
    describe = _WORDS.get(kind)
    return Opaque(ID, kind, dict(item), describe(item) if describe else "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _search(item: Json) -> str:
    action = item.get("action")
    if not isinstance(action, dict):
        return ""
    sources = action.get("sources")
    urls = [_text(s.get("url")) for s in sources if isinstance(s, dict)] if isinstance(sources, list) else []
    what = _text(action.get("query")) or _text(action.get("url"))
    lines = [f"[Searched the web: {what}]" if what else "", *urls]
    return "\n".join(line for line in lines if line)


def _code(item: Json) -> str:
    outputs = item.get("outputs")
    logs = [_text(o.get("logs")) for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []
    code = _text(item.get("code"))
    lines = [f"[Ran code]\n{code}" if code else "", *logs]
    return "\n".join(line for line in lines if line)


def _files(item: Json) -> str:
    results = item.get("results")
    found = [
        f"{_text(r.get('filename'))}: {_text(r.get('text'))}"
        for r in (results if isinstance(results, list) else ())
        if isinstance(r, dict)
    ]
    return "\n".join(["[Searched files]", *found]) if found else ""


def _mcp(item: Json) -> str:
    output = _text(item.get("output")) or _text(item.get("error"))
    return f"[Called {_text(item.get('name'))}]\n{output}" if output else ""


_WORDS: Mapping[str, Callable[[Json], str]] = {
    "web_search_call": _search,
    "code_interpreter_call": _code,
    "file_search_call": _files,
    "mcp_call": _mcp,
}
