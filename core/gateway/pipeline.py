"""The pipeline: candidates are tried in order until one has answered in full, or the caller must be told why not."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx
from omniroute_hooks import (
    BadRequest,
    Dialect,
    GatewayError,
    LoginExpired,
    ModelNotFound,
    RateLimited,
    Target,
    Unavailable,
    Usage,
)
from omniroute_hooks.jsonio import loads_upstream

from core.access.egress import Egress
from core.accounts.upkeep import Accounts
from core.resilience.cooldown import Cooldowns

from .call import call, classify, failure_of, read_all, unreadable
from .choose import Pick
from .exchange import Exchange
from .outgoing import prepare, prepare_rendered
from .relay import Outcome, relay_json, relay_local, relay_stream
from .trace import Attempt

CHARS_PER_TOKEN = 4
Headers = tuple[tuple[str, str], ...]
T = TypeVar("T")


class Pipeline:
    """Answers one exchange from a list of candidates."""

    def __init__(
        self,
        egress: Egress,
        accounts: Accounts,
        cooldowns: Cooldowns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._egress = egress
        self._accounts = accounts
        self._cooldowns = cooldowns
        self._clock = clock

    async def answer(self, exchange: Exchange, picks: list[Pick]) -> Pick:
        """Tries the candidates in order and gives the one that answered.

        Errors: the caller's own mistake; the only candidate's failure; `Unavailable` that tells of all.
        """
        trace = exchange.trace
        failures: list[GatewayError] = []
        for pick in picks:
            resting = self._cooldowns.resting(pick.line.connection.id, pick.choice.model, self._clock())
            if resting is not None:
                left_s = resting.until_s - self._clock()
                failures.append(RateLimited(f"Rests for {left_s:.0f} s more: {resting.reason}", retry_after_s=left_s))
                trace.attempts.append(_attempt(pick, "skipped", failures[-1]))
                continue
            began = time.perf_counter()
            try:
                outcome = await self._try(exchange, pick)
            except GatewayError as exc:
                failures.append(exc)
                self._judge(pick, exc)
                trace.attempts.append(_attempt(pick, "failed", exc, began))
                if exchange.said or exc.blames == "caller":
                    raise
                continue
            trace.usage = _usage(outcome, exchange)
            if outcome.error is not None:  # it broke after it had begun: the caller has been told in the stream
                self._judge(pick, outcome.error)
                trace.error = outcome.error
                trace.attempts.append(_attempt(pick, "failed", outcome.error, began))
                return pick
            self._cooldowns.succeeded(pick.line.connection.id, pick.choice.model)
            trace.attempts.append(_attempt(pick, "answered", None, began))
            return pick
        raise final_error(failures, trace.attempts)

    async def _try(self, exchange: Exchange, pick: Pick) -> Outcome:
        """One candidate. A refused login is renewed once and tried again."""
        _note_pick(exchange, pick)
        target = pick.target()
        if pick.choice.provider.generate is not None:
            signals = pick.choice.provider.generate(exchange.incoming.conversation(), target)
            return await relay_local(signals, exchange, target, exchange.incoming.stream)
        dialect = exchange.snapshot.registry.dialects.get(pick.choice.provider.dialect)
        if dialect is None:
            raise ModelNotFound(f"{pick.name} is not a model to talk with.")
        return await self._logged_in(
            exchange, pick, target, lambda headers: self._ask(exchange, target, dialect, headers, pick)
        )

    async def count(self, exchange: Exchange, pick: Pick) -> int | None:
        """Input tokens by the provider's own count; None where its dialect has none. Errors: any `GatewayError`."""
        dialect = exchange.snapshot.registry.dialects.get(pick.choice.provider.dialect)
        counting = dialect.counting if dialect is not None else None
        if dialect is None or counting is None or counting.render_request is None or counting.parse_answer is None:
            return None
        _note_pick(exchange, pick)
        target = pick.target()
        rendered = counting.render_request(exchange.incoming.conversation(), target)
        parse = counting.parse_answer

        async def ask(headers: Headers) -> int:
            outgoing = prepare_rendered(rendered, target, dialect, headers, exchange.incoming)
            response = await call(self._egress, outgoing)
            try:
                if response.status_code != 200:
                    raise (await failure_of(response, dialect, target)).error
                return parse(loads_upstream(await read_all(response)))
            except ValueError:
                raise unreadable("no JSON") from None
            finally:
                await response.stream.aclose()  # type: ignore[union-attr]

        return await self._logged_in(exchange, pick, target, ask)

    async def _logged_in(
        self, exchange: Exchange, pick: Pick, target: Target, ask: Callable[[Headers], Awaitable[T]]
    ) -> T:
        """Asks with the credential; a login that is refused is renewed once, and asked with again."""
        if not pick.line.renewable:
            return await ask(pick.line.headers)
        connection = await self._accounts.usable(pick.line.connection)
        for last in (False, True):
            headers = (*pick.line.headers, *target.provider.auth.headers(connection.credential).items())
            try:
                return await ask(headers)
            except LoginExpired:
                if last or exchange.said:
                    raise
                connection = await self._accounts.renewed(connection)
        raise AssertionError("the loop returns or raises")

    async def _ask(
        self,
        exchange: Exchange,
        target: Target,
        dialect: Dialect,
        headers: tuple[tuple[str, str], ...],
        pick: Pick,
    ) -> Outcome:
        incoming = exchange.incoming
        provider = pick.choice.provider
        stream = incoming.stream or provider.stream_only
        outgoing = prepare(incoming, target, dialect, headers, stream)
        exchange.trace.losses = outgoing.losses
        exchange.trace.passthrough = outgoing.same
        response = await call(self._egress, outgoing)
        try:
            self._note_headers(pick, response)
            if response.status_code != 200:
                raise (await failure_of(response, dialect, target)).error
            if incoming.stream:
                return await relay_stream(response, exchange, dialect, target, outgoing.same, outgoing.drop)
            return await relay_json(response, exchange, dialect, target, outgoing.same)
        finally:
            await response.stream.aclose()  # type: ignore[union-attr]

    def _note_headers(self, pick: Pick, response: httpx.Response) -> None:
        self._accounts.quotas.note_headers(pick.line.connection, response.headers)

    def _judge(self, pick: Pick, error: GatewayError) -> None:
        """Who rests after this failure."""
        if not isinstance(error, RateLimited):
            return
        key = pick.line.connection.id
        if classify(error, pick.target()).scope == "model":
            key = f"{key}/{pick.choice.model}"
        self._cooldowns.rest(key, self._clock(), error.retry_after_s, error.message[:200])


def _note_pick(exchange: Exchange, pick: Pick) -> None:
    trace = exchange.trace
    trace.provider, trace.model = pick.choice.provider.id, pick.choice.model
    trace.connection_id = pick.line.connection.id


def _attempt(pick: Pick, outcome: str, error: GatewayError | None, began: float | None = None) -> Attempt:
    ms = 0.0 if began is None else (time.perf_counter() - began) * 1000
    if error is None:
        return Attempt(pick.name, pick.line.connection.id, "answered", status=200, ms=ms)
    return Attempt(
        pick.name,
        pick.line.connection.id,
        "skipped" if outcome == "skipped" else "failed",
        error.message,
        error.blames,
        error.code,
        error.upstream_status,
        ms,
        None if error.retry_after_s is None else time.time() + error.retry_after_s,
    )


def final_error(failures: list[GatewayError], attempts: list[Attempt]) -> GatewayError:
    """What the caller is told in the end: the one failure as it is, several as a list."""
    if not failures:
        return ModelNotFound("No connection that this API key may use serves the model.")
    if len(failures) == 1:
        return failures[0]
    if all(isinstance(error, BadRequest) for error in failures):
        return failures[-1]
    hints = [error.retry_after_s for error in failures if error.retry_after_s is not None]
    lines = tuple(attempt.words() for attempt in attempts)
    message = "No candidate could answer. " + " | ".join(lines)
    return Unavailable(message, retry_after_s=min(hints) if len(hints) == len(failures) else None, attempts=lines)


def _usage(outcome: Outcome, exchange: Exchange) -> Usage | None:
    """The provider's counts; an estimate, marked as one, where it gave none."""
    if outcome.usage is not None or outcome.error is not None:
        return outcome.usage
    if not outcome.output_chars:
        return None
    return Usage(
        input_fresh=len(exchange.incoming.raw) // CHARS_PER_TOKEN,
        output_visible=outcome.output_chars // CHARS_PER_TOKEN,
        estimated=True,
    )
