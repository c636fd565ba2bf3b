"""Answers that are not what was asked for, and yet must be told as what they are."""

from __future__ import annotations

from typing import Any

from conformance.gist import Gist, gist
from conformance.rows import Meeting, Table
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES
from omniroute_hooks.testing import Heard, Say
from omniroute_hooks.testing.wire import dumps, loads, sse

Json = Any
odd = Table("Odd answers")
NO = "I cannot help with “that”."
DECLINED = {
    OPENAI_CHAT: ("content_filter",),
    OPENAI_RESPONSES: ("content_filter",),
    ANTHROPIC: ("refusal",),
    GEMINI: ("SAFETY", "PROHIBITED_CONTENT"),
}
SAY = Say(text=NO)


async def _gist(meeting: Meeting) -> Gist:
    response = await meeting.send(meeting.body_of(meeting.ask()))
    assert response.status_code == 200, response.text
    return gist(meeting.caller.id, response.content, meeting.stream)


@odd.row("declined in words of its own", providers=(OPENAI_CHAT, OPENAI_RESPONSES))
async def refusal(meeting: Meeting) -> str:
    if meeting.provider.id == OPENAI_CHAT:
        _chat_refusal(meeting)
    else:
        _responses_refusal(meeting)
    found = await _gist(meeting)
    assert NO in (found.text, found.refusal)
    if found.refusal or found.stop in DECLINED[meeting.caller.id]:
        return "carry"
    return "emulate"


def _chat_refusal(meeting: Meeting) -> None:
    if not meeting.stream:
        body = meeting.provider.answer(SAY)
        body["choices"][0]["message"] |= {"content": None, "refusal": NO}
        meeting.replies(200, body)
        return
    meeting.plays(
        chunk.replace(b'"delta":{"content":', b'"delta":{"refusal":') for chunk in meeting.provider.chunks(SAY)
    )


def _responses_refusal(meeting: Meeting) -> None:
    if not meeting.stream:
        body = meeting.provider.answer(SAY)
        body["output"][0]["content"] = [{"type": "refusal", "refusal": NO}]
        meeting.replies(200, body)
        return
    renamed = (
        (b"response.output_text.", b"response.refusal."),
        (b'{"type":"output_text","text":', b'{"type":"refusal","refusal":'),
        (b',"annotations":[],"logprobs":[]}', b"}"),
        (b',"logprobs":[]', b""),
        (b'","text":"' + NO.encode(), b'","refusal":"' + NO.encode()),
        (f'"content_index":0,"text":"{NO}"'.encode(), f'"content_index":0,"refusal":"{NO}"'.encode()),
    )
    chunks = []
    for chunk in meeting.provider.chunks(SAY):
        for old, new in renamed:
            chunk = chunk.replace(old, new)
        chunks.append(chunk)
    meeting.plays(chunks)


@odd.row("declined in mid answer", providers=(ANTHROPIC,))
async def stopped_by_refusal(meeting: Meeting) -> str:
    if meeting.stream:
        meeting.plays(c.replace(b'"end_turn"', b'"refusal"') for c in meeting.provider.chunks(SAY))
    else:
        meeting.replies(200, {**meeting.provider.answer(SAY), "stop_reason": "refusal"})
    found = await _gist(meeting)
    assert NO in (found.text, found.refusal)
    assert found.stop in DECLINED[meeting.caller.id]
    return "carry"


@odd.row("the prompt is blocked", providers=(GEMINI,))
async def blocked(meeting: Meeting) -> str:
    body = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        "modelVersion": "scripted-1",
        "responseId": "r-1",
    }
    if meeting.stream:
        meeting.plays([sse(body, end="\r\n")])
    else:
        meeting.replies(200, body)
    found = await _gist(meeting)
    assert found.stop in DECLINED[meeting.caller.id]
    assert found.tokens == (9, 0)
    return "carry"


@odd.row("which stop sequence hit", providers=(ANTHROPIC,))
async def matched(meeting: Meeting) -> str:
    if meeting.stream:
        old, new = b'"end_turn","stop_sequence":null', b'"stop_sequence","stop_sequence":"END"'
        meeting.plays(chunk.replace(old, new) for chunk in meeting.provider.chunks(SAY))
    else:
        answer = {**meeting.provider.answer(SAY), "stop_reason": "stop_sequence", "stop_sequence": "END"}
        meeting.replies(200, answer)
    found = await _gist(meeting)
    assert found.text == NO
    if found.matched == "END":
        return "carry"
    assert found.stop in ("stop", "completed", "STOP")
    return "drop"


@odd.row("a stop reason nobody knows")
async def unknown_reason(meeting: Meeting) -> str:
    """It is an end, and never a failure."""
    words = {OPENAI_CHAT: '"stop"', ANTHROPIC: '"end_turn"', GEMINI: '"STOP"', OPENAI_RESPONSES: '"max_output_tokens"'}
    say = Say(text=NO, stop="length") if meeting.provider.id == OPENAI_RESPONSES else SAY
    old, new = words[meeting.provider.id].encode(), b'"brand_new_reason"'
    if meeting.stream:
        meeting.plays(chunk.replace(old, new) for chunk in meeting.provider.chunks(say))
    else:
        meeting.replies(200, body=dumps(meeting.provider.answer(say)).encode().replace(old, new), headers=JSON)
    found = await _gist(meeting)
    assert found.text == NO
    return "carry"


JSON = {"Content-Type": "application/json"}


@odd.row("a stream although none was asked for", ways=(False,))
async def unasked_stream(meeting: Meeting) -> str:
    meeting.plays(meeting.provider.chunks(SAY))
    assert await meeting.talk(meeting.ask()) == Heard(text=NO)
    return "carry"


@odd.row("no stream although one was asked for", ways=(True,))
async def unasked_whole(meeting: Meeting) -> str:
    meeting.replies(200, meeting.provider.answer(SAY))
    assert await meeting.talk(meeting.ask()) == Heard(text=NO)
    return "carry"


@odd.row("no usage")
async def no_usage(meeting: Meeting) -> str:
    """The answer is none the worse for it."""
    names = {GEMINI: "usageMetadata"}
    name = names.get(meeting.provider.id, "usage")

    def bare(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items() if key != name}
        return [bare(inner) for inner in value] if isinstance(value, list) else value

    if meeting.stream:
        chunks = []
        for chunk in meeting.provider.chunks(SAY):
            head, found, data = chunk.partition(b"data: ")
            told = data.strip()
            if told[:1] == b"{":
                body = bare(loads(told))
                if body.get("choices") == []:
                    continue
                chunk = head + found + dumps(body).encode() + b"\n\n"
            chunks.append(chunk)
        meeting.plays(chunks)
    else:
        meeting.replies(200, bare(meeting.provider.answer(SAY)))
    found = await _gist(meeting)
    assert found.text == NO
    assert found.stop
    return "carry"


ROWS = odd.rows
