"""The router: from a request's model name to the candidates that will be tried, for requests and for dry runs alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from omniroute_hooks import Audio, Conversation, Document, Image, Tool, ToolResult
from omniroute_hooks.conversation import Part

from core.access.callers import check_model
from core.resilience.guard import Resilience

from ..intake.exchange import Exchange
from ..naming.resolve import Plan, resolve
from .affinity import Affinity, Kept
from .choose import Chooser
from .fits import Needs, fits
from .live import Live
from .picks import Pick, Picks

BYTES_PER_TOKEN_AT_MOST = 8  # a request has at least this many bytes for each token: never too high a guess


@frozen
class Route:
    """A plan, and its candidates in order."""

    plan: Plan
    picks: Picks


class Router:
    """Keeps what choosing needs to remember; one per process."""

    def __init__(self, resilience: Resilience, live: Live) -> None:
        self._resilience = resilience
        self.live = live
        self.chooser = Chooser(live=live)
        self.affinity = Affinity()

    def route(self, exchange: Exchange, dry: bool = False) -> Route:
        """The candidates for this exchange, by its model's name. ``dry`` takes nobody's turn.

        Errors: `ModelNotFound`, `LoginExpired`, `Forbidden`.
        """
        key, snapshot = exchange.key, exchange.snapshot
        check_model(key, exchange.incoming.model)
        plan = resolve(snapshot, exchange.incoming.model)
        exchange.trace.resolved_by = plan.by
        kept: Kept | None = self.affinity.kept(exchange.session)
        picks = self.chooser.picks(
            snapshot,
            plan,
            key.allowed_connections if key is not None else (),
            models=key.allowed_models if key is not None else (),
            kept=kept,
            rests=self.rests,
            dry=dry,
        )
        return Route(plan, picks)

    def rests(self, pick: Pick) -> float:
        """Seconds until a candidate may be asked; 0 for now."""
        now_s = self._resilience.clock()
        provider = pick.choice.provider
        verdict = self._resilience.verdict(
            provider.id, provider.auth.auth_type, pick.line.connection.id, pick.choice.model, now_s
        )
        if verdict.ok:
            return 0.0
        return float("inf") if verdict.retry_at_s is None else max(0.001, verdict.retry_at_s - now_s)


def fitting(exchange: Exchange) -> Callable[[Pick], str | None]:
    """Tells why a candidate cannot take this request. What the request needs is found out when the first candidate
    with known limits is asked about, since that takes parsing it."""
    needs: Needs | None = None

    def check(pick: Pick) -> str | None:
        nonlocal needs
        if pick.choice.spec is None or not _has_limits(pick):
            return None
        if needs is None:
            needs = needs_of(exchange.incoming.conversation(), len(exchange.incoming.raw))
        return fits(pick, needs)

    return check


def _has_limits(pick: Pick) -> bool:
    """Whether anything is known of the model that could rule it out. Of a lone candidate nothing can: its provider
    says best itself what it does not take."""
    return bool(pick.combo)


def needs_of(conversation: Conversation, size: int) -> Needs:
    """What a request needs; ``size`` is its body's, in bytes."""
    parts = [part for turn in conversation.turns for part in _flat(turn.parts)]
    return Needs(
        tools=any(isinstance(tool, Tool) for tool in conversation.tools),
        image=any(isinstance(part, Image) for part in parts),
        pdf=any(isinstance(part, Document) and part.source.mime == "application/pdf" for part in parts),
        audio=any(isinstance(part, Audio) for part in parts),
        input_tokens=size // BYTES_PER_TOKEN_AT_MOST,
    )


def _flat(parts: Sequence[Part]) -> list[Part]:
    out: list[Part] = []
    for part in parts:
        out.append(part)
        if isinstance(part, ToolResult):
            out.extend(part.parts)
    return out
