"""A conversation's turns as input items for one provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omniroute_hooks import (
    Audio,
    CacheMark,
    Conversation,
    Document,
    FieldProblem,
    Image,
    Loss,
    Opaque,
    Part,
    Refusal,
    Target,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
    Unsupported,
    Video,
)
from omniroute_hooks.answers import stand_in
from omniroute_hooks.sealing import opens_for

from ..blobs import data_url, text_of
from ..names import fit
from .citations import write_annotation
from .parts_in import without_empty
from .vocabulary import ID, LONGEST_ID, is_minted, own

Json = dict[str, Any]
_VENDOR_FILES = ("openai-chat", ID)  # dialects whose file ids mean the same files
_AUDIO = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3", "wav": "wav", "mp3": "mp3"}
_ENDINGS = {"application/pdf": "pdf", "text/plain": "txt", "text/markdown": "md", "text/csv": "csv"}


class ItemWriter:
    """Writes turns as ``items``. ``names`` maps the tool names that must change."""

    def __init__(self, c: Conversation, target: Target, names: Mapping[str, str], losses: list[Loss]) -> None:
        self.items: list[Json] = []
        self._native = c.dialect == ID
        self._dialect = c.dialect
        self._target = target
        self._names = names
        self._losses = losses
        self._role = target.option("system_role")
        self._marks = self._native or bool(target.option("cache_breakpoints"))
        self._sees = target.spec is None or "image" in target.spec.input
        self._kinds = {p.id: p.kind for turn in c.turns for p in turn.parts if isinstance(p, ToolCall)}

    def write(self, turns: Sequence[Turn]) -> None:
        """All turns, in order."""
        for turn in turns:
            if turn.name is not None:
                self._lose("name", "drop")
            if turn.role == "assistant":
                self._model(turn)
            else:
                self._given(turn)

    def _lose(self, field: str, policy: Any, note: str = "") -> None:
        loss = Loss(field, policy, note)
        if loss not in self._losses:
            self._losses.append(loss)

    # turns of the user and the system ----------------------------------------

    def _given(self, turn: Turn) -> None:
        fields = own(turn.ext)
        role = "user"
        if turn.role == "system":
            role = self._role or fields.get("role") or "developer"
        rest = _clean({name: value for name, value in fields.items() if name != "role"})
        content: list[Json] = []
        wrote = len(self.items)
        for part in turn.parts:
            if isinstance(part, ToolResult):
                self._message(role, content, rest)
                content = []
                self.items.append(self._result(part))
            elif isinstance(part, Opaque) and part.dialect == ID and not part.kind.startswith("input_"):
                self._message(role, content, rest)
                content = []
                self._opaque(part)
            else:
                content += self._content(part, f"{turn.role} content")
        if content or (wrote == len(self.items) and any(isinstance(p, Text) for p in turn.parts)):
            self._message(role, content or [{"type": "input_text", "text": ""}], rest)

    def _message(self, role: str, content: list[Json], rest: Json) -> None:
        if content:
            plain = len(content) == 1 and content[0].keys() == {"type", "text"}
            self.items.append(
                {"type": "message", "role": role, "content": content[0]["text"] if plain else content, **rest}
            )

    def _content(self, part: Part, where: str) -> list[Json]:
        """What a user may say: text and media."""
        if isinstance(part, Text | Refusal):
            if not part.text and not self._native:
                return []
            out: Json = {"type": "input_text", "text": part.text}
            if isinstance(part, Text):
                out.update(self._mark(part.cache))
                out.update({k: v for k, v in own(part.ext).items() if k not in ("message", "logprobs")})
            return [out]
        if isinstance(part, Image):
            return [self._image(part, where)]
        if isinstance(part, Document):
            return [self._document(part, where)]
        if isinstance(part, Audio):
            form = _AUDIO.get(part.source.mime or "")
            if form is None or part.source.data is None:
                raise Unsupported.of([FieldProblem(where, "audio must be wav or mp3 data for this model")])
            return [{"type": "input_audio", "input_audio": {"data": part.source.data, "format": form}}]
        if isinstance(part, Video):
            raise Unsupported.of([FieldProblem(where, "this model takes no video")])
        if isinstance(part, Opaque):
            if part.dialect == ID:
                return [dict(part.raw)]
            text = stand_in(part)
            return [] if text is None else [{"type": "input_text", "text": text.text}]
        return []

    def _image(self, part: Image, where: str) -> Json:
        if not self._sees:
            raise Unsupported.of([FieldProblem(where, "this model takes no images")])
        out: Json = {"type": "input_image"}
        url = data_url(part.source)
        if url is not None:
            out["image_url"] = url
        elif self._dialect in _VENDOR_FILES:
            out["file_id"] = part.source.file_id
        else:
            raise Unsupported.of([FieldProblem(where, "the file id of an image means nothing to this provider")])
        if part.detail is not None:
            out["detail"] = part.detail
        elif not self._native:
            out["detail"] = "auto"  # required in the vendor's types
        return {**out, **self._mark(part.cache), **self._rest(part.ext)}

    def _document(self, part: Document, where: str) -> Json:
        source = part.source
        if part.context:
            self._lose("context", "drop", "a document's context")
        if source.text is not None and not self._native:
            text = text_of(source) or ""
            return {"type": "input_text", "text": f"{part.title}\n{text}" if part.title else text}
        out: Json = {"type": "input_file"}
        if source.url is not None:
            out["file_url"] = source.url
        elif source.file_id is not None:
            if self._dialect not in _VENDOR_FILES:
                raise Unsupported.of([FieldProblem(where, "the file id of a document means nothing to this provider")])
            out["file_id"] = source.file_id
        else:
            out["file_data"] = data_url(source)
        if part.title is not None:
            out["filename"] = part.title
        elif "file_data" in out and not self._native:
            out["filename"] = f"document.{_ENDINGS.get(source.mime or '', 'bin')}"
        return {**out, **self._mark(part.cache), **self._rest(part.ext)}

    def _mark(self, cache: CacheMark | None) -> Json:
        if cache is None:
            return {}
        if not self._marks:
            self._lose("cache_control", "drop", "prompt caching is implicit here")
            return {}
        mark: Json = {"mode": "explicit"}
        if self._native and cache.ttl is not None:
            mark["ttl"] = cache.ttl
        return {"prompt_cache_breakpoint": mark}

    def _rest(self, ext: Any) -> Json:
        return {name: value for name, value in own(ext).items() if name != "item"}

    # results of tools ---------------------------------------------------------

    def _result(self, part: ToolResult) -> Json:
        fields = own(part.ext)
        raw = fields.get("item")
        if isinstance(raw, Mapping):
            return _clean(raw)
        kind = self._kinds.get(part.call_id, part.kind)
        item: Json = {
            "type": "custom_tool_call_output" if kind == "custom" else "function_call_output",
            "call_id": call_id_of(part.call_id),
        }
        return {**item, "output": self._output(part), **_clean(fields)}

    def _output(self, part: ToolResult) -> str | list[Json]:
        content = [entry for inner in part.parts for entry in self._content(inner, "tool result")]
        if part.is_error:
            self._lose("is_error", "emulate", "said in words")
            if not content or content[0]["type"] != "input_text":
                content.insert(0, {"type": "input_text", "text": "Error"})
            elif not content[0]["text"].lower().startswith("error"):
                content[0]["text"] = "Error: " + content[0]["text"]
        if not content:
            return ""
        plain = len(content) == 1 and content[0].keys() == {"type", "text"}
        return str(content[0]["text"]) if plain else content

    # turns of the model --------------------------------------------------------

    def _model(self, turn: Turn) -> None:
        self._open: list[Json] | None = None  # the content of the message being written
        first = len(self.items)
        for part in turn.parts:
            if isinstance(part, Text | Refusal):
                self._words(part)
                continue
            if isinstance(part, Image):
                self._picture(part)
                continue
            item = self._item(part)
            if item is not None:
                self._open = None
                self.items.append(item)
        if not self._native:
            # Reasoning must be followed by what it led to.
            while len(self.items) > first and self.items[-1]["type"] == "reasoning":
                self.items.pop()

    def _words(self, part: Text | Refusal) -> None:
        fields = own(part.ext) if isinstance(part, Text) else {}
        message = fields.get("message")
        if not part.text and not self._native:
            return
        if self._open is None or message is not None:
            self._open = []
            rest = _clean(message) if isinstance(message, Mapping) else {}
            self.items.append({"type": "message", "role": "assistant", "content": self._open, **rest})
        if isinstance(part, Refusal):
            self._open.append({"type": "refusal", "refusal": part.text})
            return
        out: Json = {"type": "output_text", "text": part.text}
        out["annotations"] = [write_annotation(c, part.text) for c in part.citations]
        out.update({name: value for name, value in fields.items() if name != "message"})
        self._open.append(out)

    def _picture(self, part: Image) -> None:
        self._open = None
        raw = own(part.ext).get("item")
        if isinstance(raw, Mapping):
            self.items.append(_clean({**raw, "result": part.source.data}))
            return
        self._lose("content", "emulate", "an image of the model is shown as the user's")
        self.items.append({"type": "message", "role": "user", "content": [self._image(part, "assistant content")]})

    def _item(self, part: Part) -> Json | None:
        if isinstance(part, Thinking):
            return self._thinking(part)
        if isinstance(part, ToolCall):
            return self._call(part)
        if isinstance(part, Opaque):
            if part.dialect == ID:
                return _clean(part.raw) if isinstance(part.raw, Mapping) else None
            text = stand_in(part)
            if text is not None:
                self._words(text)
            return None
        self._lose("content", "drop", "the model's own media cannot be replayed")
        return None

    def _thinking(self, part: Thinking) -> Json | None:
        raw = own(part.ext).get("item")
        if part.seal is None:
            if isinstance(raw, Mapping) and not is_minted(raw.get("id")):
                return _clean(raw)
        elif opens_for(part.seal, ID, self._target.provider.id, self._target.model):
            if isinstance(raw, Mapping):
                return _clean(raw)
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            return {"type": "reasoning", "summary": summary, "encrypted_content": part.seal.value}
        self._lose("thinking", "drop", "made by another model")
        return None

    def _call(self, part: ToolCall) -> Json:
        fields = own(part.ext)
        raw = fields.get("item")
        if isinstance(raw, Mapping):
            return _clean(raw)
        name = self._names.get(part.name, part.name)
        call: Json = {"call_id": call_id_of(part.id), "name": name}
        if part.kind == "custom":
            item = {"type": "custom_tool_call", **call, "input": part.arguments}
        else:
            item = {"type": "function_call", **call, "arguments": part.arguments or ("" if self._native else "{}")}
        if part.namespace is not None:
            item["namespace"] = part.namespace
        return {**item, **_clean(fields)}

    def _opaque(self, part: Opaque) -> None:
        if isinstance(part.raw, Mapping):
            self.items.append(_clean(part.raw))


def call_id_of(call_id: str) -> str:
    """The call's id, shortened where the vendor would refuse it; calls and results come out alike."""
    return call_id if 0 < len(call_id) <= LONGEST_ID else fit(call_id, "a-zA-Z0-9_-", LONGEST_ID)


def _clean(fields: Mapping[str, Any]) -> Json:
    """An item as its caller sent it, without nulls and without an id that no provider gave."""
    out = without_empty(fields)
    if is_minted(out.get("id")):
        del out["id"]
    return out
