"""Trials: whether a candidate answers, found out by asking it for a word. A real request, on the road of all others
but for the caches, and billed like any other.

A candidate that rests is left alone, unless the user insists; then an answer ends its rest, and a failure adds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import evolve, frozen
from omniroute_hooks import Answer, Asked, Conversation, GatewayError, ModelNotFound, Text, Turn, UpstreamTimeout, Usage

from core.resilience.guard import Resilience

from ..choosing.picks import Pick
from ..intake.exchange import Exchange
from ..intake.wire import Wire
from ..naming.resolve import Choice, Group, Plan
from ..naming.snapshot import Snapshot
from ..telling.estimate import added, completed
from ..telling.settle import Settlement
from ..telling.trace import Attempt, Trace, request_id
from .outgoing import Incoming
from .pipeline import Means
from .run import Run, attempt_at

if TYPE_CHECKING:
    from core.kernel import Kernel

WORDS = "Reply with the word OK."
MOST_TOKENS = 16  # some providers take no smaller number
PATIENCE_S = 60.0
AT_ONCE = 4
ENDPOINT = "/api/combos/test"


@frozen
class Trial:
    """How it went with one candidate. ``attempt`` is the last one at it; ``used`` is of all of them. ``text`` is what
    it answered."""

    pick: Pick
    attempt: Attempt
    used: Usage | None = None
    text: str = ""

    @property
    def resting(self) -> bool:
        """Whether it was left alone."""
        return self.attempt.outcome == "skipped"


async def try_members(kernel: Kernel, plan: Plan, force: bool = False) -> tuple[Trial, ...]:
    """Asks each member of a combo once, a few at a time. In the user's order, nobody twice.

    A member with several accounts is asked through the first of them that does not rest. ``force``: those who rest
    are asked as well.
    """
    snapshot = kernel.snapshot
    means = Means(kernel.egress, kernel.accounts, kernel.resilience, kernel.live)
    settlement = Settlement(kernel.usage_log, kernel.observers)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(pick: Pick) -> Trial:
        async with gate:
            resting = _rest(kernel.resilience, pick)
            if resting is None:
                return await _asked(means, snapshot, settlement, pick)
            if not force:
                return resting
            trial = await _asked(evolve(means, resilience=_unhindered(kernel)), snapshot, settlement, pick)
            if trial.attempt.outcome == "answered":
                kernel.resilience.reset(pick.choice.provider.id, [pick.line.connection.id])
            return trial

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(pick)) for pick in _members(kernel.resilience, plan)]
    finally:
        await settlement.aclose()
    return tuple(task.result() for task in tasks)


def _members(resilience: Resilience, plan: Plan) -> Iterator[Pick]:
    seen: set[tuple[str, str, str]] = set()

    def within(group: Group) -> Iterator[Pick]:
        for member in group.members:
            node = member.node
            if isinstance(node, Choice):
                yield _first(resilience, Pick(node, node.lines[0], group.combo, member.path, group.config))
            else:
                yield from within(node)

    root = plan.root
    for pick in within(root) if isinstance(root, Group) else (Pick(root, root.lines[0]),):
        key = (pick.choice.provider.id, pick.choice.model, pick.line.connection.id)
        if key not in seen:
            seen.add(key)
            yield pick


def _first(resilience: Resilience, pick: Pick) -> Pick:
    """Through the first account that does not rest; through the first of all where every one does."""
    picks = (evolve(pick, line=line) for line in pick.choice.lines)
    return next((each for each in picks if _rest(resilience, each) is None), pick)


def _rest(resilience: Resilience, pick: Pick) -> Trial | None:
    provider, now_s = pick.choice.provider, resilience.clock()
    connection_id = pick.line.connection.id
    verdict = resilience.verdict(provider.id, provider.auth.auth_type, connection_id, pick.choice.model, now_s)
    if verdict.ok:
        return None
    attempt = attempt_at(pick)
    attempt.outcome, attempt.reason, attempt.code = "skipped", verdict.reason, "resting"
    if verdict.retry_at_s is not None:
        attempt.retry_at_s = resilience.wall_time(verdict.retry_at_s)
    return Trial(pick, attempt)


def _unhindered(kernel: Kernel) -> Resilience:
    """A guard that knows of no rest: what it learns is forgotten, so that a failure makes no rest longer."""
    return Resilience(kernel.resilience.policy)


async def _asked(means: Means, snapshot: Snapshot, settlement: Settlement, pick: Pick) -> Trial:
    trace = Trace(request_id(), endpoint=ENDPOINT, requested_model=pick.name)
    trace.provider, trace.model = pick.choice.provider.id, pick.choice.model
    trace.connection_id = pick.line.connection.id
    text = ""
    try:
        text = await _answer(means, _exchange(snapshot, pick, trace), pick)
        trace.status = 200
    except GatewayError as exc:
        trace.error, trace.status = exc, exc.status
        if not trace.attempts:
            trace.attempts.append(attempt_at(pick))
            trace.attempts[-1].reason, trace.attempts[-1].code = exc.message, exc.code
    finally:
        settlement.settle(trace)
    used = added([attempt.usage for attempt in trace.attempts if attempt.usage is not None])
    return Trial(pick, trace.attempts[-1], used, text)


def _exchange(snapshot: Snapshot, pick: Pick, trace: Trace) -> Exchange:
    """A request as if a caller of the provider's own dialect had sent it. Errors: `ModelNotFound`."""
    dialects = snapshot.registry.dialects
    dialect = dialects.get(pick.choice.provider.dialect) or next(iter(dialects.values()), None)
    endpoint = next((e for e in dialect.endpoints if e.operation == "generate"), None) if dialect is not None else None
    if dialect is None or endpoint is None:
        raise ModelNotFound(f"{pick.name} is not a model to talk with.")
    trace.dialect = dialect.id
    asked = Asked(endpoint)
    exchange = Exchange(snapshot, dialect, asked, Wire(_nowhere), trace, None)
    conversation = Conversation(
        model=pick.name, turns=(Turn("user", (Text(WORDS),)),), dialect=dialect.id, max_tokens=MOST_TOKENS
    )
    incoming = Incoming(dialect, asked, WORDS.encode(), {}, pick.name, False)
    exchange.incoming = incoming.going_on(conversation)
    return exchange


async def _answer(means: Means, exchange: Exchange, pick: Pick) -> str:
    run = Run(means, exchange, pick, deadlines=pick.deadlines)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await run.start()
            try:
                answer = await run.speaker.collected()
            except GatewayError as exc:
                run.failed(exc)
                raise
    except TimeoutError:
        late = f"It has not answered within {PATIENCE_S:g} s."
        run.dropped(late)
        raise UpstreamTimeout(late) from None
    else:
        text = _text(answer)
        run.attempt.usage = completed(answer.usage, len(WORDS) // 4, len(text), whole=True)
        run.succeeded()
        return text
    finally:
        await run.close()


def _text(answer: Answer) -> str:
    return "".join(part.text for part in answer.parts if isinstance(part, Text))


async def _nowhere(message: object) -> None:
    """Nobody is told anything."""
