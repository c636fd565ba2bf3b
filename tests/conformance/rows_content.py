"""Pictures, documents and sound, in the user's words and in what tools give back."""

from __future__ import annotations

import base64
import struct
import zlib

from attrs import evolve
from conformance.rich import Bit, Called, Given, Paper, Picture, Query, Said, Sound, Words, assistant, user
from conformance.rows import Meeting, Table, without
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES

content = Table("Content")
results = Table("Tool results")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_PIXELS = zlib.compress(b"\x00\xff\x00\x00")
_PNG = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 2, 0, 0, 0)) + _chunk(b"IDAT", _PIXELS)
PNG = Picture("image/png", base64.b64encode(_PNG + _chunk(b"IEND", b"")).decode())
LINKED = Picture(url="https://pictures.example/cat.png")
PDF = Paper("application/pdf", base64.b64encode(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n").decode(), title="plan.pdf")
NOTE = Paper("text/plain", text="The code word is “Zürich”.", title="note.txt")
WAV = Sound("audio/wav", base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 20).decode())


async def _told(meeting: Meeting, bit: Bit) -> str:
    """What becomes of ``bit`` between the user's words."""
    seen = await meeting.pose(Query(turns=(user(Words("Before."), bit, Words("After.")),)))
    if seen is None:
        return "refuse"
    [turn] = seen.turns
    assert turn.role == "user"
    if turn.bits == (Words("Before."), bit, Words("After.")):
        return "carry"
    return _reworded(turn, bit)


def _reworded(turn: Said, bit: Bit) -> str:
    [only] = turn.bits
    assert isinstance(only, Words)
    assert only.text.startswith("Before.")
    assert only.text.endswith("After.")
    if isinstance(bit, Paper) and bit.text:
        return "emulate" if bit.text in only.text else "drop"
    return "emulate" if isinstance(bit, Picture) and bit.url and bit.url in only.text else "drop"


@content.row("an image by value")
async def image(meeting: Meeting) -> str:
    return await _told(meeting, PNG)


@content.row("an image by URL")
async def linked_image(meeting: Meeting) -> str:
    return await _told(meeting, LINKED)


@content.row("several images in order")
async def images(meeting: Meeting) -> str:
    other = evolve(PNG, data=base64.b64encode(_PNG + _chunk(b"tEXt", b"Title\x00two") + _chunk(b"IEND", b"")).decode())
    turns = (user(Words("One:"), PNG, Words("Two:"), other), assistant(Words("I see.")), user(other, Words("Again?")))
    seen = await meeting.pose(Query(turns=turns))
    assert seen is not None
    assert seen.turns == turns
    return "carry"


@content.row("a PDF")
async def document(meeting: Meeting) -> str:
    query = Query(turns=(user(Words("Before."), PDF, Words("After.")),))
    seen = await meeting.pose(query)
    if seen is None:
        return "refuse"
    [turn] = seen.turns
    before, paper, after = turn.bits
    assert (before, after) == (Words("Before."), Words("After."))
    assert isinstance(paper, Paper)
    assert (paper.mime, paper.data) == (PDF.mime, PDF.data)
    named = GEMINI not in (meeting.caller.id, meeting.provider.id)  # that one's inline data have no name
    if meeting.provider.id in (OPENAI_CHAT, OPENAI_RESPONSES):
        assert paper.title  # a file without a name is refused
    assert not named or paper.title == PDF.title
    return "carry"


@content.row("a text document", callers=(ANTHROPIC,))
async def text_document(meeting: Meeting) -> str:
    seen = await meeting.pose(Query(turns=(user(Words("Before."), NOTE, Words("After.")),)))
    if seen is None:
        return "refuse"
    [turn] = seen.turns
    if turn.bits == (Words("Before."), NOTE, Words("After.")):
        return "carry"
    for bit in turn.bits:
        if isinstance(bit, Paper) and NOTE.text in (bit.text or base64.b64decode(bit.data).decode()):
            return "carry"
    return _reworded(turn, NOTE)


@content.row("sound", callers=(OPENAI_CHAT, GEMINI))
async def sound(meeting: Meeting) -> str:
    return await _told(meeting, WAV)


# What tools give back ----------------------------------------------------------------------------

_TOOL = (("look", {"type": "object", "properties": {"at": {"type": "string"}}}),)


def _query(*given: Given) -> Query:
    calls = tuple(Called(g.id, "look", {"at": g.id}) for g in given)
    return Query(turns=(user(Words("Look.")), assistant(*calls), user(*given)), tools=_TOOL)


def _given(turn: Said) -> list[Given]:
    return [bit for bit in turn.bits if isinstance(bit, Given)]


@results.row("several texts")
async def several_texts(meeting: Meeting) -> str:
    seen = await meeting.pose(_query(Given("call_1", (Words("One."), Words("Two.")), name="look")))
    assert seen is not None
    [result] = _given(seen.turns[2])
    words = "".join(bit.text for bit in result.parts if isinstance(bit, Words))
    assert words in ("One.Two.", "One.\nTwo.", "One.\n\nTwo.")
    return "carry"


@results.row("a failed tool", callers=(ANTHROPIC, GEMINI))
async def failed(meeting: Meeting) -> str:
    seen = await meeting.pose(_query(Given("call_1", (Words("No such city."),), error=True, name="look")))
    assert seen is not None
    [result] = _given(seen.turns[2])
    [words] = result.parts
    assert isinstance(words, Words)
    assert "No such city." in words.text
    if result.error:
        return "carry"
    return "emulate" if words.text.lower().startswith("error") else "drop"


@results.row("nothing given back")
async def nothing(meeting: Meeting) -> str:
    seen = await meeting.pose(_query(Given("call_1", (), name="look")))
    assert seen is not None
    [result] = _given(seen.turns[2])
    assert (result.parts, result.error) == ((), False)
    return "carry"


@results.row("an image given back", callers=without(OPENAI_CHAT))
async def image_given(meeting: Meeting) -> str:
    return await _media_given(meeting, PNG)


@results.row("a PDF given back", callers=without(OPENAI_CHAT))
async def document_given(meeting: Meeting) -> str:
    return await _media_given(meeting, PDF)


async def _media_given(meeting: Meeting, media: Picture | Paper) -> str:
    """Two results, so that what belongs to the first must not come between them."""
    seen = await meeting.pose(
        _query(
            Given("call_1", (Words("Here:"), media), name="look"),
            Given("call_2", (Words("Nothing."),), name="look"),
        )
    )
    if seen is None:
        return "refuse"
    turn = seen.turns[2]
    first, second = _given(turn)
    assert (first.id, second.id) == ("call_1", "call_2")
    assert isinstance(first.parts[0], Words)
    assert first.parts[0].text.startswith("Here:")
    assert second.parts == (Words("Nothing."),)

    def is_media(bit: Bit) -> bool:
        return isinstance(bit, type(media)) and bit.data == media.data

    if any(is_media(bit) for bit in first.parts):
        return "carry"
    order = [bit for bit in turn.bits if isinstance(bit, Given) or is_media(bit)]
    if len(order) == 3:
        assert is_media(order[2]), "media between results"
        return "emulate"
    return "drop"


ROWS = [*content.rows, *results.rows]
