"""Remembering: the same question again, answered from a cache that a plugin brings. Off unless the user names one.

Only whole answers at temperature 0 are remembered, and only byte for byte: the key is made of the caller's API key,
the address, the whole body and whoever could answer. A caller who wants a fresh answer says so with
``X-OmniRoute-No-Cache: true``. A cache that fails or dawdles costs nothing but itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence

from omniroute_hooks import Cache

from ..choosing.picks import Pick
from ..intake.exchange import Exchange

log = logging.getLogger("omniroute.gateway")
SETTING = "cache"
BYPASS = "x-omniroute-no-cache"
TTL_S = 3600.0
PATIENCE_S = 0.25  # a cache that is slower than this helps nobody
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_WRITES = 100  # under way at once; more are left out


class Memory:
    """The installed caches, and what is being written to them."""

    def __init__(self, caches: Mapping[str, Cache]) -> None:
        self._caches = caches
        self._writes: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._caches)

    def recall(self, exchange: Exchange, picks: Sequence[Pick]) -> Recall | None:
        """How this request may be remembered; None where it may not. Errors: `BadRequest`."""
        cache = self._caches.get(str(exchange.snapshot.settings.get(SETTING)))
        incoming = exchange.incoming
        if cache is None or incoming.stream:
            return None
        if incoming.asked.headers.get(BYPASS, "").strip().lower() in ("true", "1"):
            return None
        conversation = incoming.conversation()
        if conversation.sampling.temperature != 0 or conversation.previous_answer_id is not None:
            return None
        return Recall(self, cache, exchange, _key(exchange, picks))

    def write(self, cache: Cache, key: str, answer: bytes) -> None:
        """Stores an answer, behind the request."""
        if len(answer) > MAX_ANSWER_BYTES or len(self._writes) >= MAX_WRITES:
            return
        task = asyncio.create_task(_put(cache, key, answer))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def aclose(self) -> None:
        """Lets writes that are under way finish, for a moment."""
        if self._writes:
            _, late = await asyncio.wait(self._writes, timeout=2.0)
            for task in late:
                task.cancel()


class Recall:
    """One request's way to the cache. The answer says in ``X-OmniRoute-Cache`` whether it came from there."""

    def __init__(self, memory: Memory, cache: Cache, exchange: Exchange, key: str) -> None:
        self._memory = memory
        self._cache = cache
        self._exchange = exchange
        self._key = key

    async def answered(self) -> bool:
        """Answers from the cache, where it can."""
        found = await _get(self._cache, self._key)
        self._exchange.extra_headers.append((b"x-omniroute-cache", b"MISS" if found is None else b"HIT"))
        if found is None:
            return False
        await self._exchange.send_json(found)
        return True

    def keep(self) -> None:
        """Remembers the answer that the caller has just got."""
        if self._exchange.answer is not None and self._exchange.trace.error is None:
            self._memory.write(self._cache, self._key, self._exchange.answer)


def _key(exchange: Exchange, picks: Sequence[Pick]) -> str:
    """A digest over all that an answer may depend on. Each part is preceded by its length, so that none runs over."""
    incoming, trace = exchange.incoming, exchange.trace
    headers = incoming.asked.headers
    parts = [
        trace.api_key_id or "",
        trace.endpoint,
        incoming.dialect.id,
        incoming.asked.path_model or "",
        *(f"{name}: {headers.get(name, '')}" for name in sorted(incoming.dialect.forwards)),
        *sorted({pick.name for pick in picks}),
    ]
    digest = hashlib.sha256()
    for part in (*(part.encode("utf-8", "surrogatepass") for part in parts), incoming.raw):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


async def _get(cache: Cache, key: str) -> bytes | None:
    try:
        return await asyncio.wait_for(cache.get(key), PATIENCE_S)
    except TimeoutError:
        log.warning("The cache %s takes too long to answer.", cache.id)
    except Exception:
        log.exception("The cache %s could not be read.", cache.id)
    return None


async def _put(cache: Cache, key: str, answer: bytes) -> None:
    try:
        await cache.put(key, answer, TTL_S)
    except Exception:
        log.exception("The cache %s could not be written.", cache.id)
