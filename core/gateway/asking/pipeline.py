"""The pipeline: candidates are tried in order until one has answered in full, or the caller must be told why not.

What holds for every request: a candidate that rests is passed over, not asked; a caller's own mistake is never tried
elsewhere; once a word is out, only the same answer may go on; and what the caller is told in the end lists everything.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from omniroute_hooks import (
    Answer,
    GatewayError,
    RateLimited,
    Refused,
    Stop,
    Usage,
)
from omniroute_hooks.answers import signals_of
from omniroute_hooks.events import Failed, Signal
from omniroute_hooks.jsonio import loads_upstream

from core.access.egress import Egress
from core.accounts.upkeep import Accounts
from core.resilience.guard import Resilience
from core.resilience.verdict import span

from ..answering.recovery import Different, continued, handover, heard_by_then, spliced
from ..answering.speaking import Outcome, Spoken, StreamSpeaker
from ..choosing.live import Live
from ..intake.exchange import Exchange
from ..intake.wire import CallerGone
from ..telling.estimate import completed, input_tokens
from ..telling.trace import Attempt
from .call import call, failure_of, read_all, unreadable
from .outgoing import prepare_rendered
from .queue import Fits, Queue, final_error
from .run import Headers, Run, attempt_at, logged_in

if TYPE_CHECKING:
    from ..choosing.picks import Pick

MAX_RECOVERIES = 2


@frozen
class Means:
    """What runs work with."""

    egress: Egress
    accounts: Accounts
    resilience: Resilience
    live: Live


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
            queue = Queue(picks, fits)
            run = await self._first(exchange, queue)
            if run is not None:
                return await self._deliver(exchange, run, queue)
            pause_s = self._means.resilience.wait_plan(queue.retry_ats, waits, self._clock())
            if pause_s is None or not queue.only_rest:
                raise final_error(queue.failures, exchange.trace.attempts)
            exchange.trace.note(f"Everybody who is left rests; the first was waited for, {span(pause_s)}.")
            await asyncio.sleep(pause_s)
            waits += 1

    async def _first(self, exchange: Exchange, queue: Queue) -> Run | None:
        """The first candidate that has begun to answer; None when all have been tried."""
        while (pick := self._next(exchange, queue)) is not None:
            run = self._run(exchange, pick)
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
            except BaseException as exc:
                run.dropped(_why(exc))
                await run.close()
                raise
        return None

    def _run(self, exchange: Exchange, pick: Pick) -> Run:
        _name(exchange, pick)
        return Run(self._means, exchange, pick, deadlines=pick.deadlines)

    def _next(self, exchange: Exchange, queue: Queue) -> Pick | None:
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

    async def _race(self, exchange: Exchange, first: Run, queue: Queue, delay_s: float) -> Run:
        """A second candidate joins when the first is slow; the loser is cancelled. Errors: the last one's failure."""
        tasks = {asyncio.ensure_future(first.start()): first}
        failure: GatewayError | None = None
        gone = "the caller left"
        try:
            done, _ = await asyncio.wait(tasks, timeout=delay_s)
            if not done and (pick := self._next(exchange, queue)) is not None:
                exchange.trace.note(f"Nothing had come after {delay_s * 1000:.0f} ms, so a second one was asked too.")
                second = self._run(exchange, pick)
                tasks[asyncio.ensure_future(second.start())] = second
            while tasks:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    run = tasks.pop(task)
                    error = task.exception()
                    if error is None:
                        gone = "another candidate was faster"
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
                run.dropped(gone)
                await run.close()

    async def _deliver(self, exchange: Exchange, run: Run, queue: Queue) -> Pick:
        """Gives the answer to the caller, and goes on with another candidate where it breaks."""
        trace = exchange.trace
        _name(exchange, run.pick)  # a race may have asked somebody else since
        try:
            outcome = await run.speaker.deliver(exchange)
            for _ in range(MAX_RECOVERIES):
                if outcome.error is None or outcome.spoken is None or outcome.spoken.final:
                    break
                run.failed(outcome.error)
                await run.close()
                resumed = await self._resume(exchange, outcome.spoken, run, queue)
                if resumed is None:
                    break
                run, outcome = resumed
            if outcome.error is None:
                run.attempt.usage = outcome.usage or _estimated(run, exchange)
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
            _name(exchange, run.pick)
            return run.pick
        except BaseException as exc:
            run.dropped(_why(exc))
            raise
        finally:
            await run.close()

    async def _resume(
        self, exchange: Exchange, spoken: Spoken, broken: Run, queue: Queue
    ) -> tuple[Run, Outcome] | None:
        """Another candidate, or the same once more, that goes on where the answer broke. None: nobody could."""
        queue.last_resort(broken.pick)
        while (pick := self._next(exchange, queue)) is not None:
            place = len(exchange.trace.attempts)
            over = handover(exchange.incoming.conversation(), spoken, pick.target())
            run = Run(
                self._means,
                exchange,
                pick,
                conversation=None if over is None else over.conversation,
                decoded=True,
                deadlines=pick.deadlines,
            )
            written = exchange.written
            try:
                await run.start()
                assert isinstance(run.speaker, StreamSpeaker)
                batches = run.speaker.events()
                if over is None or over.repeats:
                    outcome = await run.speaker.go_on(exchange, spoken.encoder, spliced(batches, spoken))
                else:
                    outcome = await run.speaker.go_on(exchange, spoken.encoder, continued(batches, over))
                    if outcome.spoken is not None:
                        outcome = evolve(outcome, spoken=heard_by_then(over, outcome.spoken))
            except Different:
                run.dropped("its answer is not the one that was begun")
                await run.close()
                if exchange.written != written:
                    return None
                continue
            except GatewayError:
                await run.close()
                continue
            except BaseException as exc:
                run.dropped(_why(exc))
                await run.close()
                raise
            if outcome.error is not None and exchange.written == written:
                run.failed(outcome.error)
                await run.close()
                continue
            exchange.trace.note(f"The answer had broken off in the middle; {pick.name} went on with it.", place)
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
                await response.stream.aclose()

        return await logged_in(self._means, pick, ask)


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

    await run.speaker.aclose()
    run.speaker = StreamSpeaker(pieces(), run.target, exchange.trace.id)
    await run.speaker.start()


def _skipped(pick: Pick, reason: str, code: str, left_s: float | None = None) -> Attempt:
    retry_at_s = None if left_s is None else time.time() + left_s
    attempt = attempt_at(pick)
    attempt.outcome, attempt.reason, attempt.code, attempt.retry_at_s = "skipped", reason, code, retry_at_s
    return attempt


def _estimated(run: Run, exchange: Exchange) -> Usage:
    """What a whole answer used of which the provider counted nothing."""
    incoming = exchange.incoming
    usage, chars = run.speaker.heard()
    return completed(usage, input_tokens(incoming.raw, incoming.body), chars, whole=True)


def _name(exchange: Exchange, pick: Pick) -> None:
    """Who is named as the one that answers."""
    trace, choice = exchange.trace, pick.choice
    trace.provider, trace.model, trace.connection_id = choice.provider.id, choice.model, pick.line.connection.id


def _why(exc: BaseException) -> str:
    """Why nobody waits for an attempt any more."""
    left = isinstance(exc, CallerGone | asyncio.CancelledError)
    return "the caller left" if left else "something went wrong in the gateway"
