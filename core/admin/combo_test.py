"""POST /api/combos/test: each member of a combo asked for a word, with real requests that its providers bill."""

from __future__ import annotations

import time
from typing import Any

from quart import Blueprint, Response

from core.bodies import body
from core.gateway.asking.trial import Trial, try_members
from core.gateway.naming.combos import EXPLICIT
from core.gateway.naming.resolve import Group, Note, combo_plan
from core.ledger.prices import cost_usd
from core.rules import Name
from core.store.times import to_iso

from .guard import session
from .web import answer, body_of, kernel

views = Blueprint("combo_test", __name__)
WARNING = "These were real requests. Providers bill them like any others."
TEXT_CHARS = 200


@body
class Wanted:
    combo_name: Name
    force: bool = False


@views.post("/api/combos/test")
@session
async def test() -> Response:
    """Asks each member once, those of nested combos too. Members that rest are only reported, unless ``force``.

    ``resolvedBy`` is the first in the combo's own order that answered. Errors: 404 for a combo that is not there, is
    switched off, or has nobody who can be called.
    """
    asked = await body_of(Wanted)
    plan = combo_plan(kernel().snapshot, asked.combo_name.removeprefix(EXPLICIT))
    trials = await try_members(kernel(), plan, asked.force)
    first = next((trial for trial in trials if _status(trial) == "ok"), None)
    costs = [cost for trial in trials if (cost := _cost(trial)) is not None]
    shown = sorted((*map(_shown, trials), *map(_left_out, plan.notes)), key=lambda result: _place(result["stepId"]))
    statuses = [result["status"] for result in shown]
    return answer(
        {
            "comboName": plan.combo,
            "strategy": plan.root.strategy if isinstance(plan.root, Group) else None,
            "resolvedBy": None if first is None else first.pick.name,
            "resolvedByExecutionKey": None if first is None else _key(first),
            "resolvedByTarget": None if first is None else _target(first),
            "results": shown,
            "summary": {
                "total": len(shown),
                "ok": statuses.count("ok"),
                "failed": statuses.count("error"),
                "resting": statuses.count("resting"),
            },
            "costUsd": sum(costs) if costs else None,
            "warning": WARNING,
            "testedAt": to_iso(time.time()),
        }
    )


def _status(trial: Trial) -> str:
    if trial.resting:
        return "resting"
    return "ok" if trial.attempt.outcome == "answered" else "error"


def _shown(trial: Trial) -> dict[str, Any]:
    attempt, used, status = trial.attempt, trial.used, _status(trial)
    return {
        "stepId": trial.pick.path,
        "executionKey": _key(trial),
        "label": f"{trial.pick.name} ({trial.pick.line.connection.name})",
        **_target(trial),
        "ok": status == "ok",
        "status": status,
        "statusCode": attempt.status,
        "error": None if status == "ok" else attempt.reason,
        "errorCode": None if status == "ok" else attempt.code,
        "blames": None if status == "ok" else attempt.blames,
        "latencyMs": round(attempt.ms),
        "retryAt": to_iso(attempt.retry_at_s),
        "responseText": trial.text[:TEXT_CHARS] if status == "ok" else None,
        "inputTokens": None if used is None else used.input_total,
        "outputTokens": None if used is None else used.output_total,
        "costUsd": _cost(trial),
    }


def _left_out(note: Note) -> dict[str, Any]:
    """A step by which nobody can be called."""
    none = ("executionKey", "provider", "connectionId", "statusCode", "retryAt", "responseText")
    counts = ("inputTokens", "outputTokens", "costUsd")
    return {
        **dict.fromkeys((*none, *counts)),
        "stepId": note.path,
        "label": note.name,
        "model": note.name,
        "ok": False,
        "status": "error",
        "error": note.reason,
        "errorCode": "model_not_found",
        "blames": "model",
        "latencyMs": 0,
    }


def _target(trial: Trial) -> dict[str, Any]:
    pick = trial.pick
    return {"model": pick.name, "provider": pick.choice.provider.id, "connectionId": pick.line.connection.id}


def _key(trial: Trial) -> str:
    return f"{trial.pick.path}@{trial.pick.line.connection.id}"


def _cost(trial: Trial) -> float | None:
    return cost_usd(trial.used, trial.pick.choice.spec)


def _place(path: str) -> tuple[tuple[int, str], ...]:
    """The combo's own order: names and places take turns in a path."""
    return tuple((int(part), "") if number % 2 else (0, part) for number, part in enumerate(path.split(" › ")))
