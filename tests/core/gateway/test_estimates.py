"""Estimates: never of what was counted, and never of a picture by its bytes."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from omniroute_hooks import BrokenStream, GatewayError, RateLimited, UpstreamTimeout, Usage

from core.gateway.telling.estimate import FILE_CHARS, added, completed, input_tokens, was_read


def estimate(body: object) -> int:
    return input_tokens(json.dumps(body).encode(), body)


def test_words_count_by_their_length_and_files_once() -> None:
    words = {"messages": [{"role": "user", "content": "some words " * 20_000}]}
    picture = base64.b64encode(bytes(range(256)) * 4096).decode()
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
    pictured = {"messages": [{"role": "user", "content": [url, {"type": "text", "text": "What is it?"}]}]}

    assert estimate(words) == pytest.approx(220_000 / 4, rel=0.01)
    assert estimate(pictured) == pytest.approx(FILE_CHARS / 4, rel=0.1)
    assert estimate({"messages": [{"role": "user", "content": "short"}]}) == 13


@pytest.mark.parametrize(
    ("counted", "whole", "expected"),
    [
        pytest.param(Usage(input_fresh=9, output_visible=2), True, Usage(9, output_visible=2), id="counted-whole"),
        pytest.param(None, True, Usage(50, output_visible=25, estimated=True), id="uncounted"),
        pytest.param(None, False, Usage(50, output_visible=25, estimated=True), id="uncounted-broken"),
        pytest.param(
            Usage(9, output_visible=1), False, Usage(9, output_visible=25, estimated=True), id="counted-before-its-end"
        ),
        pytest.param(Usage(9, output_visible=30), False, Usage(9, output_visible=30), id="counted-more"),
        pytest.param(
            Usage(9, output_visible=1, reasoning=5),
            False,
            Usage(9, output_visible=20, reasoning=5, estimated=True),
            id="reasoning-is-output",
        ),
        pytest.param(
            Usage(output_visible=30), False, Usage(50, output_visible=30, estimated=True), id="input-not-yet-counted"
        ),
    ],
)
def test_what_the_provider_counted_goes_before_estimates(counted: Usage | None, whole: bool, expected: Usage) -> None:
    assert completed(counted, 50, 100, whole=whole) == expected


def timeout_after(cause: Exception | None) -> GatewayError:
    error = UpstreamTimeout("late")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "begun", "read"),
    [
        pytest.param(RateLimited("no", upstream_status=429), False, False, id="refused"),
        pytest.param(UpstreamTimeout("no", upstream_status=504), False, False, id="refused-as-a-timeout"),
        pytest.param(BrokenStream("cut"), True, True, id="broke-after-its-headers"),
        pytest.param(BrokenStream("reset"), False, False, id="hung-up-at-once"),
        pytest.param(timeout_after(httpx.ConnectTimeout("")), False, False, id="never-connected"),
        pytest.param(timeout_after(httpx.ReadTimeout("")), False, True, id="fell-silent"),
        pytest.param(timeout_after(None), False, True, id="took-too-long"),
    ],
)
def test_only_who_worked_on_a_request_is_paid_for_it(error: GatewayError, begun: bool, read: bool) -> None:
    assert was_read(error, begun) is read


def test_attempts_add_up() -> None:
    assert added([]) is None
    one = Usage(1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert added([one]) is one
    assert added([one, Usage(10, estimated=True)]) == Usage(11, 2, 3, 4, 5, 6, 7, 8, 9, estimated=True)
