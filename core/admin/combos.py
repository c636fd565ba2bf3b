"""/api/combos: named, ordered lists of models, and what holds for those that say nothing themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from attrs import evolve
from omniroute_hooks import BadRequest, FieldProblem, NotFound
from quart import Blueprint, Response

from core import bodies
from core.bodies import body
from core.gateway.naming.combos import (
    COMBO_DEFAULTS,
    DEFAULTS_KEY,
    EXPLICIT,
    MAX_STEPS,
    Combo,
    ComboSettings,
    combo_of,
    flaw,
    settings_of,
    step_of,
)
from core.gateway.naming.resolve import step_problem
from core.rules import Between, Few, Name, Open, Text, Wrong
from core.store.records import ComboRecord
from core.store.times import to_iso

from .guard import session
from .web import answer, body_of, changes_of, kernel, wrong

views = Blueprint("combos", __name__)

ComboName = Annotated[
    str, Text(high=100, pattern=r"[\w./-]+", says="must be letters, digits, '-', '_', '/' or '.', without spaces")
]
ModelName = Annotated[str, Text(high=300)]
Weight = Annotated[float, Between(0, 100)]
Config = Annotated[dict[str, Any], Open()]
Ids = Annotated[tuple[Name, ...], Few(10_000)]


@body
class Step:
    kind: Literal["model", "combo-ref"] | None = None
    model: ModelName | None = None
    combo_name: ModelName | None = None
    weight: Weight = 1.0
    connection_id: Name | None = None
    problem: Any = None  # what a list of combos shows; sent back with the rest, and left out


class Steps:
    """A rule of bodies: names, or objects that hold one. Gives them as they are stored."""

    def check(self, value: Sequence[Any]) -> tuple[dict[str, Any], ...]:
        if len(value) > MAX_STEPS:
            raise Wrong(f"must have at most {MAX_STEPS} entries")
        out: list[dict[str, Any]] = []
        problems: list[FieldProblem] = []
        for place, sent in enumerate(value):
            try:
                out.append(_step(sent))
            except BadRequest as exc:
                problems += [FieldProblem(f"[{place}].{p.path}".rstrip("."), p.problem) for p in exc.details]
        if problems:
            raise Wrong(problems)
        if len({(step.get("model") or step.get("comboName"), step["connectionId"]) for step in out}) < len(out):
            raise Wrong("names the same model twice; one place for each is enough")
        return tuple(out)


Models = Annotated[tuple[Any, ...], Steps()]


@body
class NewCombo:
    name: ComboName
    models: Models = ()
    strategy: Name | None = None
    config: Config | None = None
    is_active: bool = True


@body
class ComboChanges:
    name: ComboName
    models: Models
    strategy: Name | None
    config: Config
    is_active: bool


@body
class Order:
    combo_ids: Ids


@body
class Defaults:
    combo_defaults: Config


# combos -----------------------------------------------------------------------------------------------------


@views.get("/api/combos")
@session
async def listed() -> Response:
    """All combos, in the user's order."""
    return answer({"combos": [_shown(record) for record in await kernel().store.combos()]})


@views.post("/api/combos")
@session
async def create() -> Response:
    """Adds a combo behind the others. Its models may be names that work only later."""
    asked = await body_of(NewCombo)
    config = _settings(asked.config or {}, "config")
    strategy = _strategy(asked.strategy)
    await _check(Combo("", asked.name, _steps(asked.models)), asked.models)
    made = await kernel().store.create_combo(
        name=asked.name,
        models=asked.models,
        strategy=strategy,
        config={name: value for name, value in config.items() if value is not None},
        is_active=asked.is_active,
    )
    return answer(_shown(made), 201)


@views.get("/api/combos/<combo_id>")
@session
async def one(combo_id: str) -> Response:
    """One combo."""
    return answer(_shown(await _found(combo_id)))


@views.route("/api/combos/<combo_id>", methods=["PUT", "PATCH"])
@session
async def change(combo_id: str) -> Response:
    """Changes what is named; it counts from the next request on. In ``config`` null takes a setting back to the
    defaults, and unnamed ones stay."""
    record = await _found(combo_id)
    changes = await changes_of(ComboChanges)
    if "config" in changes:
        merged = {**record.config, **_settings(changes["config"], "config")}
        changes["config"] = {name: value for name, value in merged.items() if value is not None}
    if "strategy" in changes:
        changes["strategy"] = _strategy(changes["strategy"])
    if "name" in changes or "models" in changes:
        models = changes.get("models", record.models)
        name = changes.get("name", record.name)
        await _check(Combo(record.id, name, _steps(models)), models)
    return answer(_shown(await kernel().store.update_combo(combo_id, **changes)))


@views.delete("/api/combos/<combo_id>")
@session
async def delete(combo_id: str) -> Response:
    """Removes a combo. Combos that name it pass it over and say so."""
    if not await kernel().store.delete_combo(combo_id):
        raise NotFound("Combo not found.")
    return answer({"success": True})


@views.post("/api/combos/reorder")
@session
async def reorder() -> Response:
    """Puts the named combos first, in this order; unknown ids do nothing."""
    asked = await body_of(Order)
    return answer({"combos": [_shown(record) for record in await kernel().store.reorder_combos(asked.combo_ids)]})


# defaults ---------------------------------------------------------------------------------------------------


@views.get("/api/settings/combo-defaults")
@session
async def defaults() -> Response:
    """What holds for combos that say nothing themselves."""
    return answer({"comboDefaults": kernel().snapshot.combo_defaults.as_json()})


@views.route("/api/settings/combo-defaults", methods=["PATCH", "PUT"])
@session
async def change_defaults() -> Response:
    """Changes what is named; null takes a setting back to the gateway's own default."""
    changes = _settings((await body_of(Defaults)).combo_defaults, "comboDefaults", strategy=True)
    store = kernel().store
    stored = await store.get_value(COMBO_DEFAULTS, DEFAULTS_KEY, {})
    merged = {name: value for name, value in {**stored, **changes}.items() if value is not None}
    await store.set_value(COMBO_DEFAULTS, DEFAULTS_KEY, merged)
    await kernel().reload()
    return answer({"comboDefaults": kernel().snapshot.combo_defaults.as_json()})


# what was sent ----------------------------------------------------------------------------------------------


def _step(sent: Any) -> dict[str, Any]:
    """A step as it is stored. Errors: `BadRequest`."""
    if isinstance(sent, str):
        sent = {"model": sent}
    if not isinstance(sent, dict):
        raise wrong("", "must be a model's name or an object")
    step = bodies.structured(Step, sent)
    name = step.combo_name if step.kind == "combo-ref" else step.model or step.combo_name
    if name is None or (step.model is not None and step.combo_name is not None):
        raise wrong("model" if step.kind != "combo-ref" else "comboName", "is required, and one of the two")
    shared = {"weight": step.weight, "connectionId": step.connection_id}
    if step.combo_name is None:
        return {"kind": "model", "model": name, **shared}
    if step.connection_id is not None:
        raise wrong("connectionId", "goes with a model, not with a combo")
    return {"kind": "combo-ref", "comboName": name.removeprefix(EXPLICIT), **shared}


def _steps(models: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(step for step in map(step_of, models) if step is not None)


def _settings(sent: dict[str, Any], field: str, strategy: bool = False) -> dict[str, Any]:
    """Settings by their names on the wire; None takes one back. Errors: `BadRequest` with every wrong one."""
    if not sent:
        return {}
    try:
        found = bodies.changes(ComboSettings, sent)
    except BadRequest as exc:
        raise BadRequest.of([FieldProblem(f"{field}.{p.path}", p.problem) for p in exc.details]) from exc
    named = {alias: found[name] for alias, name in bodies.names_on_the_wire(ComboSettings).items() if name in found}
    if "strategy" in named:
        if not strategy:
            raise wrong(f"{field}.strategy", "belongs beside the config, as 'strategy'")
        named["strategy"] = _strategy(named["strategy"], f"{field}.strategy") or None
    return named


def _strategy(wanted: str | None, field: str = "strategy") -> str:
    """The strategy as it is stored; "" for the defaults' one. Errors: `BadRequest` where it is not installed."""
    if wanted is None:
        return ""
    known = [s.id for s in kernel().registry.strategies.values() if "members" in s.levels]
    if wanted not in known:
        raise wrong(field, f"is not an installed strategy (installed: {', '.join(sorted(known)) or 'none'})")
    return wanted


async def _check(combo: Combo, models: Sequence[dict[str, Any]]) -> None:
    """Refuses a combo that leads back to itself or is too large, and steps over connections that are not there."""
    if combo.name.startswith(EXPLICIT):
        raise wrong("name", f"may not begin with {EXPLICIT!r}, which is how callers mark a combo")
    store = kernel().store
    others = {
        record.name: evolve(combo_of(record), is_active=True)
        for record in await store.combos()
        if record.id != combo.id
    }
    problem = flaw(combo, {**others, combo.name: combo}, kernel().snapshot.names.exactly)
    if problem is not None:
        raise wrong("models", problem)
    wanted = {step.get("connectionId") for step in models if isinstance(step, dict)} - {None}
    if wanted and (unknown := wanted - {record.id for record in await store.connections()}):
        raise wrong("models", f"these connections do not exist: {', '.join(sorted(map(str, unknown))[:5])}")


async def _found(combo_id: str) -> ComboRecord:
    record = await kernel().store.combo(combo_id)
    if record is None:
        raise NotFound("Combo not found.")
    return record


def _shown(record: ComboRecord) -> dict[str, Any]:
    """A combo. ``effective`` is what holds once the defaults are under it; ``problem`` says why a step is passed
    over."""
    snapshot = kernel().snapshot
    models = []
    for stored in record.models:
        step = step_of(stored)
        if step is not None:
            shown = dict(stored) if isinstance(stored, dict) else {"kind": "model", "model": stored}
            shown |= {"weight": step.weight, "connectionId": step.connection_id}
            models.append({**shown, "problem": step_problem(snapshot, step)})
    own = settings_of({**record.config, "strategy": record.strategy or None})
    return {
        "id": record.id,
        "name": record.name,
        "models": models,
        "strategy": record.strategy or None,
        "config": dict(record.config),
        "effective": snapshot.combo_defaults.under(own).as_json(),
        "isActive": record.is_active,
        "sortOrder": record.sort_order,
        "createdAt": to_iso(record.created_at),
        "updatedAt": to_iso(record.updated_at),
    }
