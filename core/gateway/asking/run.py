"""One run: a candidate asked once, from its turn in the queue to the last byte of its answer.

A passing fault is tried once more at the same candidate before anybody else is asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import httpx
from omniroute_hooks import (
    Conversation,
    Dialect,
    GatewayError,
    LoginExpired,
    ModelNotFound,
    Target,
    UpstreamError,
    UpstreamTimeout,
    Usage,
)

from core.access.egress import Answered
from core.resilience.passage import Passage, Slot
from core.resilience.verdict import NotNow

from ..answering.passing import speaker_of
from ..answering.speaking import CollectingSpeaker, Speaker, StreamSpeaker, one_by_one
from ..answering.stops import Cut, Stops
from ..intake.exchange import Exchange
from ..naming.deadlines import NO_DEADLINES, Deadlines
from ..telling.estimate import completed, input_tokens, was_read
from ..telling.trace import Attempt
from .call import call, classify, failure_of
from .limited import Limited
from .outgoing import prepare, refuse_bound

if TYPE_CHECKING:
    from ..choosing.picks import Pick
    from .pipeline import Means

Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")


class Run:
    """``conversation`` replaces the caller's, to go on with a partial answer; ``decoded`` wants events, never bytes.

    Use it as: `start`, then ``speaker``, then `finished`, and `close` in any case.
    """

    def __init__(
        self,
        means: Means,
        exchange: Exchange,
        pick: Pick,
        *,
        conversation: Conversation | None = None,
        decoded: bool = False,
        deadlines: Deadlines = NO_DEADLINES,
    ) -> None:
        self._means = means
        self._exchange = exchange
        self.pick = pick
        self.target: Target = pick.target()
        self._incoming = exchange.incoming if conversation is None else exchange.incoming.going_on(conversation)
        self._decoded = decoded or conversation is not None
        self._deadlines = deadlines
        self._ends_at_s: float | None = None  # by the loop's clock
        self._slot: Slot | None = None
        self._passage: Passage | None = None
        self._began = time.perf_counter()
        self._first_ms = 0.0
        self._ended = False
        self._responses: list[Answered] = []
        self.speaker: Speaker
        self.attempt = attempt_at(pick)
        exchange.trace.attempts.append(self.attempt)

    async def start(self) -> None:
        """Gets as far as the first word of the answer. Errors: any `GatewayError`; nothing has been sent."""
        line = self.pick.line
        slot = self._means.resilience.slot(
            self.pick.choice.provider.id,
            self.pick.choice.provider.auth.auth_type,
            line.connection.id,
            self.pick.choice.model,
            self._exchange.trace.id,
        )
        try:
            self._passage = passage = await slot.__aenter__()
            self._slot = slot
            self._means.live.began(self.pick)
            tries = 0
            while True:
                try:
                    await self._first_word()
                    break
                except GatewayError as exc:
                    if not is_passing(exc) or tries >= self._retries() or passage.probe:
                        raise
                    self._note(exc)
                    await self._forget()
                    await asyncio.sleep(self.pick.config.retry_delay_ms / 1000)
                    if not passage.again():  # others may have found out meanwhile that it has to rest
                        raise
                tries += 1
                self._began = time.perf_counter()
                self.attempt = attempt_at(self.pick)
                self._exchange.trace.attempts.append(self.attempt)
            passage.answering()
            self._first_ms = self._ms()
        except NotNow as exc:
            self._note(exc, skipped=True)
            raise
        except GatewayError as exc:
            self.failed(exc)
            raise
        except httpx.HTTPError as exc:  # a plugin's own call that it did not name
            error = UpstreamError("The provider cannot be reached.")
            self.failed(error)
            raise error from exc

    def _retries(self) -> int:
        """How often a passing fault is tried once more here."""
        if self.pick.combo is not None:
            return self.pick.config.max_retries
        wanted = self._exchange.snapshot.settings.get("requestRetry", 1)
        return wanted if isinstance(wanted, int) else 1

    async def _first_word(self) -> None:
        limits = self._deadlines
        # An answer that is no stream comes as a whole: how soon its first word must come says nothing of it.
        first_s = limits.first_token_s if self._asks_stream else None
        limit = min((s for s in (first_s, limits.total_s) if s is not None), default=None)
        if limit is None:
            self.speaker = await self._open()
            await self.speaker.start()
            return
        if limits.total_s is not None:  # silence before the first word is a part of the whole
            self._ends_at_s = asyncio.get_running_loop().time() + limits.total_s
        try:
            async with asyncio.timeout(limit):
                self.speaker = await self._open()
                await self.speaker.start()
        except TimeoutError:
            raise UpstreamTimeout(f"The provider said nothing for {limit:g} s.") from None

    @property
    def _asks_stream(self) -> bool:
        return self._exchange.incoming.stream or self.target.provider.stream_only

    async def _open(self) -> Speaker:
        provider = self.pick.choice.provider
        stream = self._exchange.incoming.stream
        answer_id = self._exchange.trace.id
        if provider.generate is not None:
            conversation = self._incoming.conversation()
            refuse_bound(conversation)
            self.attempt.asked = self.attempt.begun = True
            signals = provider.generate(conversation, self.target)
            speaker = StreamSpeaker(one_by_one(signals), self.target, answer_id)
            return speaker if stream else CollectingSpeaker(speaker)
        dialect = self._exchange.snapshot.registry.dialects.get(provider.dialect)
        if dialect is None:
            raise ModelNotFound(f"{self.pick.name} is not a model to talk with.")

        async def ask(headers: Headers) -> Speaker:
            return await self._ask(dialect, headers, stream, answer_id)

        return await logged_in(self._means, self.pick, ask)

    async def _ask(self, dialect: Dialect, headers: Headers, wants_stream: bool, answer_id: str) -> Speaker:
        means, target = self._means, self.target
        asks_stream = self._asks_stream
        outgoing = prepare(self._incoming, target, dialect, headers, asks_stream)
        stops = Stops(outgoing.cut_at) if outgoing.cut_at else None
        self._exchange.trace.losses = outgoing.losses
        self._exchange.trace.passthrough = outgoing.same
        self.attempt.asked = True
        response = await call(means.egress, outgoing, self._deadlines.connect_s)
        self._responses.append(response)
        self._limit(response)
        means.accounts.quotas.note_headers(self.pick.line.connection, response.headers)
        if response.status_code != 200:
            raise (await failure_of(response, dialect, target)).error
        self.attempt.begun = True
        same = outgoing.same and not self._decoded and stops is None
        drop = outgoing.drop if same else None
        cut = None if stops is None else Cut(stops, input_tokens(self._incoming.raw, self._incoming.body))
        runs = self._exchange.dialect.takes_runs and not self._decoded
        return speaker_of(response, dialect, target, same, drop, wants_stream, asks_stream, answer_id, cut, runs)

    def _limit(self, response: Answered) -> None:
        limits = self._deadlines
        if limits.idle_s is not None or limits.total_s is not None:
            response.stream = Limited(response.stream, limits.idle_s, self._ends_at_s)

    def failed(self, error: GatewayError) -> None:
        """It did not answer, or broke. Whoever is to blame rests."""
        self._note(error)
        if self._passage is not None:
            scope = "model" if classify(error, self.target).scope == "model" else "connection"
            until = self._passage.failed(error, scope)  # type: ignore[arg-type]
            if until is not None:
                self._rests(until, error)
        if self._slot is not None:
            self._told_live(None if error.blames == "caller" else False)

    def _rests(self, until_s: float, error: GatewayError) -> None:
        """Says when it may be asked again. A refused login is not mended by waiting, so the caller is not told to."""
        resilience = self._means.resilience
        self.attempt.retry_at_s = resilience.wall_time(until_s)
        if error.retry_after_s is None and not isinstance(error, LoginExpired):
            error.retry_after_s = max(0.0, until_s - resilience.clock())

    def succeeded(self) -> None:
        """The answer is whole."""
        self.attempt.outcome = "answered"
        self.attempt.status = 200
        self.attempt.ms = self._ms()
        if self._passage is not None:
            self._passage.succeeded()
        self._told_live(True, self._first_ms)

    def dropped(self, reason: str) -> None:
        """Nobody waits for it any more, unless it has failed before: another one won, or its answer could not be
        used, or the caller left. Nobody is blamed."""
        attempt = self.attempt
        if attempt.outcome != "failed" or attempt.reason:
            return
        attempt.outcome = "dropped" if attempt.asked else "skipped"
        attempt.reason = reason
        attempt.ms = self._ms()
        attempt.usage = self._used(None)
        self._told_live(None)

    def _used(self, error: GatewayError | None) -> Usage | None:
        """What it used until it failed or was dropped: nothing where the provider has refused it."""
        if not self.attempt.asked:
            return None
        speaker: Speaker | None = getattr(self, "speaker", None)
        usage, chars = (None, 0) if speaker is None else speaker.heard()
        if usage is None and not chars and error is not None and not was_read(error, self.attempt.begun):
            return None
        return completed(usage, input_tokens(self._incoming.raw, self._incoming.body), chars, whole=False)

    def _note(self, error: GatewayError, skipped: bool = False) -> None:
        attempt = self.attempt
        attempt.outcome = "skipped" if skipped else "failed"
        attempt.reason = error.message
        attempt.blames = error.blames
        attempt.code = error.code
        attempt.status = error.upstream_status
        attempt.ms = self._ms()
        attempt.retry_at_s = None if error.retry_after_s is None else time.time() + error.retry_after_s
        attempt.usage = None if skipped else self._used(error)

    def _ms(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    async def _let_go(self) -> None:
        speaker: Speaker | None = getattr(self, "speaker", None)
        if speaker is not None:  # or the event loop has to find out by itself that nobody reads on
            await speaker.aclose()
        for response in self._responses:
            await response.stream.aclose()
        self._responses.clear()

    async def _forget(self) -> None:
        """Lets go of a try, and of what was heard of it."""
        await self._let_go()
        if hasattr(self, "speaker"):
            del self.speaker

    async def close(self) -> None:
        """Lets go of the connection and of the candidate's slot. Harmless when done twice."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._told_live(None)
            await slot.__aexit__(None, None, None)
        await self._let_go()

    def _told_live(self, ok: bool | None, ms: float | None = None) -> None:
        """Tells once how it went."""
        if not self._ended:
            self._ended = True
            self._means.live.finished(self.pick, ok, ms)


def attempt_at(pick: Pick) -> Attempt:
    """A candidate's part of the trace, before anything is known of it."""
    choice, connection = pick.choice, pick.line.connection
    return Attempt(
        pick.name,
        connection.id,
        "failed",
        path=pick.path,
        connection=connection.name,
        provider=choice.provider.id,
        model=choice.model,
        spec=choice.spec,
    )


async def logged_in(means: Means, pick: Pick, ask: Callable[[Headers], Awaitable[T]]) -> T:
    """Asks with the credential; a login that is refused is renewed once, and asked with again."""
    line = pick.line
    if not line.renewable:
        return await ask(line.headers)
    connection = await means.accounts.usable(line.connection)
    for last in (False, True):
        headers = (*line.headers, *pick.choice.provider.auth.headers(connection.credential).items())
        try:
            return await ask(headers)
        except LoginExpired:
            if last:
                raise
            connection = await means.accounts.renewed(connection)
    raise AssertionError("the loop returns or raises")


def is_passing(error: GatewayError) -> bool:
    """Whether the same candidate may do better a moment later: a fault of the provider's without a word of when."""
    return (
        isinstance(error, UpstreamError)
        and error.blames == "provider"
        and error.retry_after_s is None
        and not isinstance(error, UpstreamTimeout)
    )
