"""Estimates: the tokens of a request, and of an answer that broke, where no provider counted them.

Four characters to a token, as is usual for English. A picture or a file counts the same whatever its size: its
bytes say nothing of its tokens.
"""

from __future__ import annotations

from typing import Any

import httpx
from attrs import evolve
from omniroute_hooks import BrokenStream, GatewayError, UpstreamTimeout, Usage

CHARS_PER_TOKEN = 4
SMALL_BODY = 32 * 1024  # as it is, most likely without a file in it
FILE_CHARS = 4000  # what a picture of common size costs, at four characters to a token
LONGEST_WORD = 2000  # a longer string without a blank is a file's bytes


def input_tokens(raw: bytes, body: Any) -> int:
    """About how many tokens a request has: ``body`` is what ``raw`` says."""
    if len(raw) <= SMALL_BODY:
        return len(raw) // CHARS_PER_TOKEN
    return _chars(body) // CHARS_PER_TOKEN


def _chars(body: Any) -> int:
    count = 0
    left = [body]
    while left:
        value = left.pop()
        if isinstance(value, str):
            count += len(value) if not _is_file(value) else FILE_CHARS
        elif isinstance(value, dict):
            count += sum(map(len, value))
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return count


def _is_file(text: str) -> bool:
    return len(text) > LONGEST_WORD and " " not in text[:LONGEST_WORD]


def completed(usage: Usage | None, input_estimate: int, output_chars: int, *, whole: bool) -> Usage:
    """The provider's own counts, with an estimate of what they leave out, marked as one.

    ``whole``: the answer came to its end, so that what the provider counted is all there was. A broken one was
    counted, if at all, before its end; what was heard of it is then the better number where it is higher.
    """
    if usage is not None and whole:
        return usage
    output = output_chars // CHARS_PER_TOKEN
    if usage is None:
        return Usage(input_fresh=input_estimate, output_visible=output, estimated=True)
    if not usage.input_total:
        usage = evolve(usage, input_fresh=input_estimate, estimated=True)
    if usage.output_total < output:
        usage = evolve(usage, output_visible=output - usage.reasoning, estimated=True)
    return usage


def was_read(error: GatewayError, begun: bool) -> bool:
    """Whether a provider has most likely worked on a request of which nothing came: it broke off, or took too long.
    One that refused it has not. ``begun``: it had accepted the request."""
    if error.upstream_status is not None:
        return False
    if isinstance(error, UpstreamTimeout):
        return begun or not isinstance(error.__cause__, httpx.ConnectTimeout)
    return begun and isinstance(error, BrokenStream)


def added(usages: list[Usage]) -> Usage | None:
    """What several attempts used together; None without any."""
    if len(usages) < 2:
        return usages[0] if usages else None
    return Usage(
        input_fresh=sum(u.input_fresh for u in usages),
        cache_read=sum(u.cache_read for u in usages),
        cache_write_5m=sum(u.cache_write_5m for u in usages),
        cache_write_1h=sum(u.cache_write_1h for u in usages),
        cache_write_other=sum(u.cache_write_other for u in usages),
        output_visible=sum(u.output_visible for u in usages),
        reasoning=sum(u.reasoning for u in usages),
        audio_input=sum(u.audio_input for u in usages),
        audio_output=sum(u.audio_output for u in usages),
        estimated=any(u.estimated for u in usages),
    )
