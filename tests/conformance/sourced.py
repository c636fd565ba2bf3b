"""Answers with sources, and with what the provider itself looked up or ran: written as each provider says them, whole
and streamed, and read as each caller does. Both by hand, without a line of the translation under test."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from conformance.rows import Meeting
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Say
from omniroute_hooks.testing.wire import dumps, events, loads, sse

Json = Any
BEFORE, CITED = "Zürich is large. ", "Bern is not."
TEXT = BEFORE + CITED
URL, TITLE = "https://cities.example/bern", "Cities"
QUERY = "size of Bern"
CODE, OUTPUT = "print(6 * 7)", "42"
SEARCH, RUN = "search", "run"
FIRST, LAST = len(BEFORE), len(TEXT)


def says(meeting: Meeting, did: str | None = None, cited: bool = True) -> None:
    """The provider answers `TEXT`, of which `CITED` has a source. ``did``: what it has done before."""
    body = _ANSWERS[meeting.provider.id](meeting.provider.answer(Say(text=TEXT)), did, cited)
    if meeting.stream:
        meeting.plays(_STREAMS[meeting.provider.id](body))
    else:
        meeting.replies(200, body)


def _chat(body: Json, did: str | None, cited: bool) -> Json:
    assert did is None, "this dialect has no words for it"
    where = {"start_index": FIRST, "end_index": LAST, "url": URL, "title": TITLE}
    if cited:
        body["choices"][0]["message"]["annotations"] = [{"type": "url_citation", "url_citation": where}]
    return body


def _chat_stream(body: Json) -> list[bytes]:
    head = {name: body[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        return sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    message = body["choices"][0]["message"]
    out = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in (BEFORE, CITED))]
    if "annotations" in message:
        out.append(chunk({"annotations": message["annotations"]}))
    return [*out, chunk({}, "stop"), sse({**head, "choices": [], "usage": body["usage"]}), b"data: [DONE]\n\n"]


def _responses(body: Json, did: str | None, cited: bool) -> Json:
    where = {"type": "url_citation", "start_index": FIRST, "end_index": LAST, "url": URL, "title": TITLE}
    if cited:
        body["output"][0]["content"][0]["annotations"] = [where]
    done = {"status": "completed"}
    if did == SEARCH:
        action = {"type": "search", "query": QUERY}
        body["output"].insert(0, {"type": "web_search_call", "id": "ws_1", **done, "action": action})
    elif did == RUN:
        ran = {"code": CODE, "container_id": "cntr_1", "outputs": [{"type": "logs", "logs": OUTPUT}]}
        body["output"].insert(0, {"type": "code_interpreter_call", "id": "ci_1", **done, **ran})
    return body


def _responses_stream(body: Json) -> list[bytes]:
    out: list[bytes] = []

    def emit(kind: str, **fields: Json) -> None:
        out.append(sse({"type": kind, "sequence_number": len(out), **fields}, event=kind))

    begun = {**body, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    emit("response.created", response=begun)
    for index, item in enumerate(body["output"]):
        is_message = item["type"] == "message"
        empty = {**item, "status": "in_progress", **({"content": []} if is_message else {})}
        emit("response.output_item.added", output_index=index, item=empty)
        if is_message:
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            [part] = item["content"]
            emit("response.content_part.added", **place, part={**part, "text": "", "annotations": []})
            for piece in (BEFORE, CITED):
                emit("response.output_text.delta", **place, delta=piece, logprobs=[])
            for number, annotation in enumerate(part["annotations"]):
                numbered = {"annotation_index": number, "annotation": annotation}
                emit("response.output_text.annotation.added", **place, **numbered)
            emit("response.output_text.done", **place, text=TEXT, logprobs=[])
            emit("response.content_part.done", **place, part=part)
        emit("response.output_item.done", output_index=index, item=item)
    emit("response.completed", response=body)
    return out


def _messages(body: Json, did: str | None, cited: bool) -> Json:
    where = {
        "type": "web_search_result_location",
        "url": URL,
        "title": TITLE,
        "cited_text": "Bern: 133 000",
        "encrypted_index": "Eo8B",
    }
    blocks: list[Json] = [{"type": "text", "text": BEFORE}, {"type": "text", "text": CITED}]
    if cited:
        blocks[1]["citations"] = [where]
    call = {"type": "server_tool_use", "id": "srvtoolu_1"}
    if did == SEARCH:
        found = {"type": "web_search_result", "url": URL, "title": TITLE, "encrypted_content": "Eq8", "page_age": None}
        result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [found]}
        blocks[:0] = [{**call, "name": "web_search", "input": {"query": QUERY}}, result]
    elif did == RUN:
        ran = {"type": "code_execution_result", "stdout": OUTPUT, "stderr": "", "return_code": 0, "content": []}
        result = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": ran}
        blocks[:0] = [{**call, "name": "code_execution", "input": {"code": CODE}}, result]
    return {**body, "content": blocks}


def _messages_stream(body: Json) -> list[bytes]:
    def event(kind: str, **fields: Json) -> bytes:
        return sse({"type": kind, **fields}, event=kind)

    out = [event("message_start", message={**body, "content": [], "stop_reason": None})]
    for index, block in enumerate(body["content"]):
        text, call = block["type"] == "text", block["type"] == "server_tool_use"
        empty = {**block, **({"text": ""} if text else {"input": {}} if call else {})}
        empty.pop("citations", None)
        out.append(event("content_block_start", index=index, content_block=empty))
        deltas: list[Json] = []
        if text:
            deltas = [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
            deltas.append({"type": "text_delta", "text": block["text"]})
        elif call:
            deltas = [{"type": "input_json_delta", "partial_json": dumps(block["input"])}]
        out += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        out.append(event("content_block_stop", index=index))
    end = {"stop_reason": body["stop_reason"], "stop_sequence": None}
    return [*out, event("message_delta", delta=end, usage=body["usage"]), event("message_stop")]


def _contents(body: Json, did: str | None, cited: bool) -> Json:
    candidate = body["candidates"][0]
    offsets = {"startIndex": len(BEFORE.encode()), "endIndex": len(TEXT.encode()), "text": CITED}
    if cited:
        candidate["groundingMetadata"] = {
            "groundingChunks": [{"web": {"uri": URL, "title": TITLE}}],
            "groundingSupports": [{"segment": offsets, "groundingChunkIndices": [0]}],
        }
    if did == SEARCH:
        candidate["groundingMetadata"] = {"webSearchQueries": [QUERY], **candidate.get("groundingMetadata", {})}
    elif did == RUN:
        candidate["content"]["parts"][:0] = [
            {"executableCode": {"language": "PYTHON", "code": CODE}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": OUTPUT}},
        ]
    return body


def _contents_stream(body: Json) -> list[bytes]:
    [candidate] = body["candidates"]
    *before, _ = candidate["content"]["parts"]
    head = {name: body[name] for name in ("modelVersion", "responseId")}

    def piece(parts: list[Json], **more: Json) -> bytes:
        return sse({**head, "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, **more}]})

    last = {name: value for name, value in candidate.items() if name not in ("content", "index")}
    out = [piece([part]) for part in (*before, {"text": BEFORE})]
    end = {**head, "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": CITED}]}, **last}]}
    return [*out, sse({**end, "usageMetadata": body["usageMetadata"]})]


_ANSWERS = {OPENAI_CHAT: _chat, OPENAI_RESPONSES: _responses, ANTHROPIC: _messages, GEMINI: _contents}
_STREAMS = {
    OPENAI_CHAT: _chat_stream,
    OPENAI_RESPONSES: _responses_stream,
    ANTHROPIC: _messages_stream,
    GEMINI: _contents_stream,
}


@frozen
class Source:
    """``quoted`` are the words of the answer that it stands for."""

    url: str
    title: str
    quoted: str


def sources(meeting: Meeting, content: bytes) -> list[Source]:
    """The sources that the caller is told of."""
    return _READERS[meeting.caller.id](_frames(content) if meeting.stream else [loads(content)], meeting.stream)


def _frames(content: bytes) -> list[Json]:
    return [event.json for event in events(content) if event.data != "[DONE]"]


def _read_chat(frames: list[Json], stream: bool) -> list[Source]:
    said = [choice["delta" if stream else "message"] for frame in frames for choice in frame["choices"]]
    text = "".join(message.get("content") or "" for message in said)
    found = [note["url_citation"] for message in said for note in message.get("annotations", ())]
    return [Source(one["url"], one["title"], text[one["start_index"] : one["end_index"]]) for one in found]


def _read_responses(frames: list[Json], stream: bool) -> list[Source]:
    response = frames[-1]["response"] if stream else frames[0]
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    notes = [(note, part["text"]) for part in parts for note in part["annotations"]]
    if stream:
        added = [f["annotation"] for f in frames if f["type"] == "response.output_text.annotation.added"]
        assert added == [note for note, _ in notes]
    return [Source(note["url"], note["title"], text[note["start_index"] : note["end_index"]]) for note, text in notes]


def _read_messages(frames: list[Json], stream: bool) -> list[Source]:
    if not stream:
        blocks = frames[0]["content"]
    else:
        blocks = [{**f["content_block"], "citations": []} for f in frames if f["type"] == "content_block_start"]
        for frame in frames:
            delta = frame.get("delta", {})
            if delta.get("type") == "text_delta":
                blocks[frame["index"]]["text"] += delta["text"]
            elif delta.get("type") == "citations_delta":
                blocks[frame["index"]]["citations"].append(delta["citation"])
    cited = [(block, one) for block in blocks if block["type"] == "text" for one in block.get("citations") or ()]
    return [Source(one["url"], one["title"], block["text"]) for block, one in cited]


def _read_contents(frames: list[Json], stream: bool) -> list[Source]:
    out = []
    for frame in frames:
        for candidate in frame.get("candidates", ()):
            grounding = candidate.get("groundingMetadata", {})
            chunks = [chunk["web"] for chunk in grounding.get("groundingChunks", ())]
            for support in grounding.get("groundingSupports", ()):
                quoted = support["segment"]["text"]
                out += [Source(chunks[n]["uri"], chunks[n]["title"], quoted) for n in support["groundingChunkIndices"]]
    return out


_READERS = {
    OPENAI_CHAT: _read_chat,
    OPENAI_RESPONSES: _read_responses,
    ANTHROPIC: _read_messages,
    GEMINI: _read_contents,
}
