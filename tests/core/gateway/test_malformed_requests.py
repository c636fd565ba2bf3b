"""Ten thousand malformed requests: never a 5xx, never a hang, never a traceback."""

from __future__ import annotations

import asyncio
import json
import random
from urllib.parse import urlsplit

import pytest
from running import Running

REQUESTS = 10_000
WORKERS = 8
POSTS = (
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/responses",
    "/chat/completions",
    "/v1beta/models/echo/echo:generateContent",
    "/v1beta/models/echo/echo:streamGenerateContent",
    "/v1beta/models/echo/echo:countTokens",
    "/v1/models/echo/echo:generateContent",
    "/v1/providers/echo/chat/completions",
    "/v1/providers/nobody/messages",
    "/v1/audio/transcriptions",
    "/api/auth/login",
    "/api/setup",
)
GETS = (
    "/v1/models",
    "/v1/models/echo/echo",
    "/v1beta/models",
    "/models",
    "/api/auth/status",
    "/setup",
    "/",
    "/v1/providers/echo/models",
    "/v1/none",
)
SEEDS: tuple[dict[str, object], ...] = (
    {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}], "stream": True, "tools": [], "n": 1},
    {
        "model": "echo/echo",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "y", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "z"}]},
        ],
        "tools": [{"name": "y", "input_schema": {"type": "object"}}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    },
    {
        "model": "echo/echo",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]}],
        "tools": [{"type": "function", "name": "f", "parameters": {}}],
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "text"}},
        "previous_response_id": "resp_1",
    },
    {
        "contents": [{"role": "user", "parts": [{"text": "t"}, {"functionCall": {"name": "f", "args": {}}}]}],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]}],
        "generationConfig": {"stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": 1}},
        "systemInstruction": {"parts": [{"text": "s"}]},
    },
    {"password": "wrong", "token": "x"},
)
ODD_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1e308, 2**70, "", "x" * 3000, [], {}, [[]], [None], {"": None}, "\ud83d", "\x00",
    [1, "a", {}],
    {"type": "nonsense"}, {"type": None}, ["text"], {"role": 7},
)  # fmt: skip


def mutate(rng: random.Random, value: object, depth: int = 0) -> object:
    """A copy with something somewhere wrong."""
    if rng.random() < 0.12 or depth > 8:
        return rng.choice(ODD_VALUES)
    if isinstance(value, dict):
        out = {k: mutate(rng, v, depth + 1) for k, v in value.items() if rng.random() > 0.04}
        if rng.random() < 0.1:
            out[rng.choice(("type", "role", "content", "stream", "unknown", ""))] = rng.choice(ODD_VALUES)
        return out
    if isinstance(value, list):
        return [mutate(rng, item, depth + 1) for item in value for _ in range(rng.choice((1, 1, 1, 2)))]
    return value


def body_of(rng: random.Random) -> bytes:
    kind = rng.random()
    text = json.dumps(mutate(rng, rng.choice(SEEDS))).encode()
    if kind < 0.60:
        return text
    if kind < 0.72:
        return text[: rng.randrange(len(text))]  # bad JSON
    if kind < 0.80:
        cut = rng.randrange(len(text))
        return text[:cut] + bytes([rng.choice((0xFF, 0xC3, 0x80, 0x00))]) + text[cut:]  # bad UTF-8
    if kind < 0.86:
        depth = rng.choice((50, 900, 5000, 100_000))
        return b'{"model":"echo/echo","messages":' + b"[" * depth + b"]" * depth + b"}"
    if kind < 0.89:
        depth = rng.choice((100, 400, 900))
        nested = b'{"type":"object","properties":{"a":' * depth + b"{}" + b"}}" * depth
        return (
            b'{"model":"echo/echo","max_tokens":1,"messages":[{"role":"user","content":"x"}],'
            b'"tools":[{"name":"f","input_schema":' + nested + b"}]}"
        )
    if kind < 0.92:
        return b'{"model":"echo/echo","messages":[{"role":"user","content":"' + b"a" * 200_000 + b'"}]}'
    return rng.choice((b"", b"null", b"[]", b'"x"', b"0", b"\xef\xbb\xbf{}", b"{}", b"--x", b"NaN"))


def request_of(rng: random.Random) -> bytes:
    """One raw HTTP/1.1 request."""
    method, path = ("GET", rng.choice(GETS)) if rng.random() < 0.08 else ("POST", rng.choice(POSTS))
    if rng.random() < 0.05:
        method = rng.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"))
    if rng.random() < 0.05:
        path += rng.choice(("/", "?key=%ff", "?alt=sse&alt=json", "?" + "a=1&" * 200, "%00", "//", "/../x", "?%zz"))
    body = b"" if method in ("GET", "HEAD") else body_of(rng)
    kind = rng.choice(
        ("application/json",) * 8 + ("text/plain", "multipart/form-data", "multipart/form-data; boundary=x")
    )
    headers = [("host", "localhost"), ("content-type", kind), ("content-length", str(len(body)))]
    if rng.random() < 0.2:
        headers.append(
            rng.choice(
                (
                    ("authorization", "Bearer \xff\xfe"),
                    ("authorization", "Bearer " + "k" * 4000),
                    ("x-api-key", ""),
                    ("anthropic-version", "2023-06-01"),
                    ("x-goog-api-key", "nonsense"),
                    ("accept", "\x7f"),
                    ("origin", "http://[bad"),
                    ("host", "http://[::"),
                    ("cookie", "auth_token=\xff; =;;"),
                    ("x-forwarded-for", "nonsense"),
                    ("content-encoding", "gzip"),
                    ("expect", "100-continue"),
                    ("x-long", "y" * 9000),
                )
            )
        )
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    return head.encode("latin-1") + body


async def exchange(host: str, port: int, raw: bytes) -> tuple[int, bytes]:
    """Status and all bytes of the answer; the connection is closed after it."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**22)
    try:
        writer.write(raw.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        async with asyncio.timeout(20):
            answer = await reader.read()
    finally:
        writer.close()
    while answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    status = int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0
    return status, answer


@pytest.mark.parametrize("seed", [20261122])
async def test_malformed_requests_get_a_clean_refusal(gateway: Running, seed: int) -> None:
    rng = random.Random(seed)
    requests = [request_of(rng) for _ in range(REQUESTS)]
    host, port = urlsplit(gateway.url).hostname or "", urlsplit(gateway.url).port or 0
    waiting = iter(requests)
    wrong: list[str] = []
    statuses: dict[int, int] = {}

    async def work() -> None:
        for raw in waiting:
            try:
                status, answer = await exchange(host, port, raw)
            except TimeoutError:
                wrong.append(f"no answer to {raw[:300]!r}")
                continue
            statuses[status] = statuses.get(status, 0) + 1
            if status >= 500 or status == 0 or b"Traceback" in answer or b'File "' in answer:
                wrong.append(f"{status} to {raw[:300]!r}: {answer[:300]!r}")

    await asyncio.gather(*(work() for _ in range(WORKERS)))

    assert not wrong, f"{len(wrong)} of {REQUESTS}: " + "\n".join(wrong[:5])
    assert sum(statuses.values()) == REQUESTS
    assert statuses.get(200, 0) > 0  # some were harmless after all: the gateway was really there
    assert statuses.get(400, 0) > REQUESTS / 4
