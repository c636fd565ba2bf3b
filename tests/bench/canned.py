"""What the scripted upstream answers, and what a complete answer must contain when it arrives at the other end.

Every piece of text carries `MARK` once. Counting marks tells a complete answer from a truncated one in any dialect,
so the load generator needs no JSON parser to be strict.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

MARK = b"lorem"
EVENTS = 200  # chat.completion.chunk events in one stream, `[DONE]` not counted
PACE_HZ = 100  # events a second of a paced stream
DONE = b"data: [DONE]\n\n"

_ID = "chatcmpl-bench0123456789abcdef0123"
_CREATED = 1_760_000_000
_USAGE = {"prompt_tokens": 21, "completion_tokens": 12, "total_tokens": 33}


def completion() -> bytes:
    """One small `chat.completion` body with usage, about 350 bytes, holding `MARK` once."""
    return orjson.dumps(
        {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": "test",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "A short lorem answer, as a model would give it."},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
            "system_fingerprint": "fp_bench",
        }
    )


def stream(events: int) -> list[bytes]:
    """The SSE events of one stream, each ending in a blank line: `events` chunks, then `[DONE]`.

    First the role, then `marks(events)` pieces of text, then the finish reason, then usage.
    """
    return [
        _chunk({"role": "assistant", "content": ""}),
        *(_chunk({"content": f" lorem{i:04d}"}) for i in range(marks(events))),
        _chunk({}, finish="stop"),
        _event({"choices": [], "usage": _USAGE}),
        DONE,
    ]


def marks(events: int) -> int:
    """How many times `MARK` occurs in a complete stream of `events` chunks."""
    return events - 3


def model_list(ids: Iterable[str]) -> bytes:
    """The answer to `GET /v1/models`."""
    return orjson.dumps(
        {
            "object": "list",
            "data": [{"id": i, "object": "model", "created": _CREATED, "owned_by": "bench"} for i in ids],
        }
    )


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def _event(rest: dict[str, object]) -> bytes:
    head = {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": "test"}
    return b"data: " + orjson.dumps({**head, **rest}) + b"\n\n"
