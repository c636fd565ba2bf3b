"""A provider's whole answer: the same signals as a stream of it, so both ways give the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omniroute_hooks import Answer, Stop, UpstreamError
from omniroute_hooks.answers import whole_answer
from omniroute_hooks.conversation import StopReason
from omniroute_hooks.events import Begin, Signal, Stopped, Terminal, UsageSeen

from .errors import stream_error
from .item_signals import PARTS_PER_ITEM, item_signals, objects, text_of
from .usage import read_usage

Json = Mapping[str, Any]
_INCOMPLETE: dict[str, StopReason] = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "filtered",
    "max_messages": "pause",
}


def parse_answer(body: Any) -> Answer:
    """The answer. Errors: the `GatewayError` that a 200 holds, or that it is no answer at all."""
    if not isinstance(body, dict):
        raise UpstreamError("The provider's answer is not a JSON object.")
    if isinstance(body.get("response"), dict) and "output" not in body:
        body = body["response"]  # some backends answer with the last event of the stream
    if body.get("error") or body.get("status") in ("failed", "cancelled"):
        raise failure_of(body)
    if not isinstance(body.get("output"), list):
        raise stream_error(body) if _tells_a_failure(body) else UpstreamError("The provider's answer has no output.")
    signals: list[Signal] = [begin_of(body)]
    output_signals(body, signals)
    return whole_answer([*signals, *ending(body), Terminal()])


def _tells_a_failure(body: Json) -> bool:
    return any(isinstance(body.get(name), str | list) for name in ("message", "detail"))


def failure_of(response: Json) -> Any:
    """The error of an answer that failed."""
    if response.get("error"):
        return stream_error(response)
    return UpstreamError(f"The provider's answer is {response.get('status')}.")


def begin_of(response: Json) -> Begin:
    """Id, model and time of an answer."""
    created = response.get("created_at")
    created_s = int(created) if isinstance(created, int | float) and 0 <= created < 1e12 else None
    return Begin(text_of(response.get("id")) or None, text_of(response.get("model")) or None, created_s)


def output_signals(response: Json, out: list[Signal]) -> None:
    """Appends what all of its items say."""
    for number, item in enumerate(objects(response.get("output"))):
        item_signals(item, number * PARTS_PER_ITEM, set(), set(), set(), out)


def ending(response: Json) -> list[Signal]:
    """Usage, and why the model stopped."""
    out: list[Signal] = []
    usage = read_usage(response.get("usage"))
    if usage is not None:
        out.append(UsageSeen(usage))
    out.append(Stopped(stop_of(response)))
    return out


def stop_of(response: Json) -> Stop:
    """The stop reason; the machine finds out by itself whether tools are called."""
    status = response.get("status")
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if status == "incomplete" or (status is None and isinstance(reason, str)):
        word = reason if isinstance(reason, str) else "incomplete"
        return Stop(_INCOMPLETE.get(word, "other"), word)
    if status in ("queued", "in_progress"):
        return Stop("pause", status)  # an answer in the background, for those who asked for one
    return Stop("end" if status == "completed" else "other", status if isinstance(status, str) else None)
