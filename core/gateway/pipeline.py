"""The pipeline: candidates are tried in order until one has answered in full, or the caller must be told why not.

What holds for every request: a candidate that rests is passed over, not asked; a caller's own mistake is never tried
elsewhere; once a word is out, only the same answer may go on; and what the caller is told in the end lists everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from omniroute_hooks import (
    Answer,
    BadRequest,
    ContextTooLong,
    GatewayError,
    ModelNotFound,
    RateLimited,
    Refused,
    Stop,
    Unavailable,
    Usage,
)
from omniroute_hooks.blocks import signals_of
from omniroute_hooks.events import Failed, Signal
from omniroute_hooks.jsonio import loads_upstream

from core.access.egress import Egress
from core.accounts.upkeep import Accounts
from core.resilience.guard import Resilience
from core.resilience.verdict import NotNow

from .call import call, failure_of, read_all, unreadable
from .deadlines import NO_DEADLINES, Deadlines
from .exchange import Exchange
from .live import Live
from .outgoing import prepare_rendered
from .recovery import Different, can_continue, continued, handed_over, spliced
from .run import Headers, Run, logged_in
from .speaking import Outcome, Spoken, StreamSpeaker
from .trace import Attempt

if TYPE_CHECKING:
    from .choose import Pick

CHARS_PER_TOKEN = 4
MAX_RECOVERIES = 2


@frozen
class Means:
    """What runs work with."""

    egress: Egress
    accounts: Accounts
    resilience: Resilience
    live: Live


Fits = Callable[["Pick"], str | None]


class Pipeline:
    """Answers one exchange from a list of candidates."""

    def __init__(self, means: Means, clock: Callable[[], float] = time.monotonic) -> None:
        self._means = means
        self._clock = clock

    async def answer(self, exchange: Exchange, picks: Iterable[Pick], fits: Fits) -> Pick:
        """Tries the candidates in order and gives the one that answered.

        ``fits`` says why a candidate cannot take this request, or None. Errors: the caller's own mistake; the only
        candidate's failure; `Unavailable` that tells of all. After an error that was raised nothing has been said.
        """
        waits = 0
        while True:
            queue = _Queue(picks, fits)
            run = await self._first(exchange, queue)
            if run is not None:
                return await self._deliver(exchange, run, queue)
            pause_s = self._means.resilience.wait_plan(queue.retry_ats, waits, self._clock())
            if pause_s is None or not queue.only_rest:
                raise final_error(queue.failures, exchange.trace.attempts)
            exchange.trace.notes.append(f"every candidate rests; waited {pause_s:.1f} s for the first")
            await asyncio.sleep(pause_s)
            waits += 1

    async def _first(self, exchange: Exchange, queue: _Queue) -> Run | None:
        """The first candidate that has begun to answer; None when all have been tried."""
        while (pick := self._next(exchange, queue)) is not None:
            run = self._run(exchange, pick, queue)
            config = pick.config
            try:
                if config.hedge_after_ms is None:
                    await run.start()
                else:
                    run = await self._race(exchange, run, queue, config.hedge_after_ms / 1000)
                if config.stream == "guarded" or exchange.guarded:
                    await _hold(run, exchange)
                return run
            except GatewayError as exc:
                await run.close()
                queue.failed(run.pick, exc, self._clock())
                if exc.blames == "caller" and not (isinstance(exc, Refused) and config.route_around_refusals):
                    raise
            except BaseException:
                await run.close()
                raise
        return None

    def _run(self, exchange: Exchange, pick: Pick, queue: _Queue) -> Run:
        trace = exchange.trace
        trace.provider, trace.model = pick.choice.provider.id, pick.choice.model
        trace.connection_id = pick.line.connection.id
        return Run(self._means, exchange, pick, deadlines=limits_of(pick))

    def _next(self, exchange: Exchange, queue: _Queue) -> Pick | None:
        """The next candidate that may be asked; the others are noted with their reasons."""
        now_s = self._clock()
        while (pick := queue.pop()) is not None:
            reason = queue.fits(pick)
            if reason is not None:
                queue.unfit(reason)
                exchange.trace.attempts.append(_skipped(pick, reason, "unfit"))
                continue
            verdict = self._means.resilience.verdict(
                pick.choice.provider.id,
                pick.choice.provider.auth.auth_type,
                pick.line.connection.id,
                pick.choice.model,
                now_s,
            )
            if verdict.ok:
                return pick
            left_s = None if verdict.retry_at_s is None else max(0.0, verdict.retry_at_s - now_s)
            queue.resting(verdict.retry_at_s, RateLimited(verdict.reason, retry_after_s=left_s))
            exchange.trace.attempts.append(_skipped(pick, verdict.reason, "resting", left_s))
        return None

    async def _race(self, exchange: Exchange, first: Run, queue: _Queue, delay_s: float) -> Run:
        """A second candidate joins when the first is slow; the loser is cancelled. Errors: the last one's failure."""
        tasks = {asyncio.ensure_future(first.start()): first}
        failure: GatewayError | None = None
        try:
            done, _ = await asyncio.wait(tasks, timeout=delay_s)
            if not done and (pick := self._next(exchange, queue)) is not None:
                second = self._run(exchange, pick, queue)
                tasks[asyncio.ensure_future(second.start())] = second
            while tasks:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    run = tasks.pop(task)
                    error = task.exception()
                    if error is None:
                        return run
                    await run.close()
                    if not isinstance(error, GatewayError):
                        raise error
                    if failure is not None:
                        queue.failed(run.pick, error, self._clock())
                    failure = failure or error
            assert failure is not None
            raise failure
        finally:
            for task, run in tasks.items():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                run.dropped("another candidate was faster")
                await run.close()

    async def _deliver(self, exchange: Exchange, run: Run, queue: _Queue) -> Pick:
        """Gives the answer to the caller, and goes on with another candidate where it breaks."""
        trace = exchange.trace
        try:
            outcome = await run.speaker.deliver(exchange)
            for _ in range(MAX_RECOVERIES):
                if outcome.error is None or outcome.spoken is None or outcome.spoken.final:
                    break
                run.failed(outcome.error)
                run.attempt.usage = outcome.usage
                await run.close()
                resumed = await self._resume(exchange, outcome.spoken, run, queue)
                if resumed is None:
                    break
                run, outcome = resumed
            if outcome.error is None:
                run.succeeded()
                if outcome.answer is not None:
                    exchange.seals.remember(trace.api_key_id, outcome.answer)
            else:
                if run.attempt.outcome != "failed" or not run.attempt.reason:
                    run.failed(outcome.error)
                trace.error = outcome.error
                if outcome.spoken is not None:
                    broken = Failed(outcome.error, Answer((), Stop("other")))
                    await exchange.write(outcome.spoken.encoder.encode([broken]))
            trace.provider, trace.model = run.pick.choice.provider.id, run.pick.choice.model
            trace.connection_id = run.pick.line.connection.id
            trace.usage = _usage(outcome, exchange)
            return run.pick
        finally:
            await run.close()

    async def _resume(
        self, exchange: Exchange, spoken: Spoken, broken: Run, queue: _Queue
    ) -> tuple[Run, Outcome] | None:
        """Another candidate, or the same once more, that goes on where the answer broke. None: nobody could."""
        queue.last_resort(broken.pick)
        while (pick := self._next(exchange, queue)) is not None:
            target = pick.target()
            hands_over = can_continue(spoken) and bool(target.option("continues", False))
            conversation = handed_over(exchange.incoming.conversation(), spoken) if hands_over else None
            run = Run(
                self._means,
                exchange,
                pick,
                conversation=conversation,
                decoded=True,
                deadlines=limits_of(pick),
            )
            written = exchange.written
            try:
                await run.start()
                assert isinstance(run.speaker, StreamSpeaker)
                batches = run.speaker.events()
                rest = continued(batches, spoken) if hands_over else spliced(batches, spoken)
                outcome = await run.speaker.go_on(exchange, spoken.encoder, rest)
            except Different:
                run.dropped("its answer is not the one that was begun")
                await run.close()
                if exchange.written != written:
                    return None
                continue
            except GatewayError:
                await run.close()
                continue
            except BaseException:
                await run.close()
                raise
            exchange.trace.notes.append(f"the answer broke; {pick.name} went on with it")
            if outcome.error is not None and exchange.written == written:
                run.failed(outcome.error)
                await run.close()
                continue
            return run, outcome
        return None

    async def count(self, exchange: Exchange, pick: Pick) -> int | None:
        """Input tokens by the provider's own count; None where its dialect has none. Errors: any `GatewayError`."""
        dialect = exchange.snapshot.registry.dialects.get(pick.choice.provider.dialect)
        counting = dialect.counting if dialect is not None else None
        if dialect is None or counting is None or counting.render_request is None or counting.parse_answer is None:
            return None
        target = pick.target()
        rendered = counting.render_request(exchange.incoming.conversation(), target)
        parse = counting.parse_answer

        async def ask(headers: Headers) -> int:
            response = await call(
                self._means.egress, prepare_rendered(rendered, target, dialect, headers, exchange.incoming)
            )
            try:
                if response.status_code != 200:
                    raise (await failure_of(response, dialect, target)).error
                return parse(loads_upstream(await read_all(response)))
            except ValueError:
                raise unreadable("no JSON") from None
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]

        return await logged_in(self._means, pick, ask)


class _Queue:
    """The candidates still to be tried, and what became of the others."""

    def __init__(self, picks: Iterable[Pick], fits: Fits) -> None:
        self._left = iter(picks)  # found one by one: who is never tried takes no turn
        self._resorts: list[Pick] = []
        self.fits = fits
        self.failures: list[GatewayError] = []
        self.retry_ats: list[float | None] = []
        self.only_rest = True
        self._too_small = 0  # a context of this size was not enough

    def pop(self) -> Pick | None:
        """The next one. After an overflow only models with a larger context are left, or of unknown size."""
        while (pick := next(self._left, None) or (self._resorts.pop(0) if self._resorts else None)) is not None:
            context = pick.choice.spec.context if pick.choice.spec is not None else None
            if context is None or context > self._too_small:
                return pick
        return None

    def last_resort(self, pick: Pick) -> None:
        """To be tried once more, after all others."""
        self._resorts.append(pick)

    def unfit(self, reason: str) -> None:
        """It cannot take this request."""
        self.failures.append(ModelNotFound(reason))
        self.only_rest = False

    def resting(self, retry_at_s: float | None, error: GatewayError) -> None:
        """It may not be asked now."""
        self.failures.append(error)
        self.retry_ats.append(retry_at_s)

    def failed(self, pick: Pick, error: GatewayError, now_s: float) -> None:
        """It was asked, and failed; or had no room."""
        self.failures.append(error)
        if isinstance(error, NotNow | RateLimited):
            self.retry_ats.append(None if error.retry_after_s is None else now_s + error.retry_after_s)
        else:
            self.only_rest = False
        if isinstance(error, ContextTooLong) and pick.choice.spec is not None and pick.choice.spec.context:
            self._too_small = max(self._too_small, pick.choice.spec.context)


async def _hold(run: Run, exchange: Exchange) -> None:
    """Guarded: nothing is said before the answer is whole. Errors: what broke it; another one may be asked then."""
    if not exchange.incoming.stream:
        return
    try:
        answer = await run.speaker.collected()
    except GatewayError as exc:
        run.failed(exc)
        raise

    async def pieces() -> AsyncIterator[Sequence[Signal]]:
        yield signals_of(answer)

    run.speaker = StreamSpeaker(pieces(), run.target, exchange.trace.id)
    await run.speaker.start()


def limits_of(pick: Pick) -> Deadlines:
    """The deadlines in force for a candidate."""
    config = pick.config
    ms = (config.connect_ms, config.first_token_ms, config.idle_ms, config.total_ms)
    if ms == (None, None, None, None):
        return NO_DEADLINES
    return Deadlines(*(None if value is None else value / 1000 for value in ms))


def _skipped(pick: Pick, reason: str, code: str, left_s: float | None = None) -> Attempt:
    retry_at_s = None if left_s is None else time.time() + left_s
    return Attempt(
        pick.name, pick.line.connection.id, "skipped", reason, code=code, retry_at_s=retry_at_s, path=pick.path
    )


def final_error(failures: Sequence[GatewayError], attempts: Sequence[Attempt]) -> GatewayError:
    """What the caller is told in the end: the one failure as it is, several as a list."""
    if not failures:
        return ModelNotFound("No connection that this API key may use serves the model.")
    if len(failures) == 1:
        return failures[0]
    if all(isinstance(error, BadRequest) for error in failures):
        return failures[-1]
    hints = [error.retry_after_s for error in failures if error.retry_after_s is not None]
    lines = tuple(attempt.words() for attempt in attempts)
    soonest = min(hints) if hints and len(hints) == len(failures) else None
    return Unavailable("No candidate could answer. " + " | ".join(lines), retry_after_s=soonest, attempts=lines)


def _usage(outcome: Outcome, exchange: Exchange) -> Usage | None:
    """The provider's counts; an estimate, marked as one, where it gave none."""
    if outcome.usage is not None or outcome.error is not None or not outcome.output_chars:
        return outcome.usage
    return Usage(
        input_fresh=len(exchange.incoming.raw) // CHARS_PER_TOKEN,
        output_visible=outcome.output_chars // CHARS_PER_TOKEN,
        estimated=True,
    )
