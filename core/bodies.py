"""Bodies: a user's JSON object as a frozen class, or one error that names every wrong field.

The one strict converter, for the control plane and for settings: nothing is turned into something else, so ``"false"``
is no boolean and ``"3"`` no number. Fields are snake_case here and camelCase on the wire. Limits stand beside the
type they limit, see `core.rules`. Nothing in here knows about HTTP.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

import attrs
from cattrs import Converter
from omniroute_hooks import BadRequest, FieldProblem
from omniroute_hooks.jsonio import json_type

from core.rules import Rule, Wrong

T = TypeVar("T")
Json = Any
MAX_PROBLEMS = 20  # of one kind: enough to work with, and no answer grows with the mistake


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def body(cls: type[T]) -> type[T]:
    """A class whose fields are those of a body. Fields without a default are required."""
    return attrs.frozen(cls, kw_only=True, field_transformer=_in_camel_case)


def structured(cls: type[T], sent: Mapping[str, Json]) -> T:
    """The body as its class. Errors: `BadRequest` with every wrong, missing and unknown field."""
    return cls(**_checked(cls, sent, partial=False))


def changes(cls: type[Any], sent: Mapping[str, Json]) -> dict[str, Any]:
    """Only what was sent, by the field names of ``cls``: for changing a part of something.

    Errors: `BadRequest` with every wrong and unknown field, or when nothing was sent.
    """
    by_alias = _checked(cls, sent, partial=True)
    if not by_alias:
        raise BadRequest("No valid fields to update.")
    return {field.name: by_alias[field.alias] for field in _fields(cls) if field.alias in by_alias}


def names_on_the_wire(cls: type[Any]) -> dict[str, str]:
    """The fields of a body: camelCase name -> name in ``cls``."""
    return {field.alias: field.name for field in _fields(cls)}


def to_camel(name: str) -> str:
    """``base_url`` -> ``baseUrl``."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _in_camel_case(cls: type[Any], fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    return [field.evolve(alias=to_camel(field.name)) for field in fields]


@attrs.frozen
class _Field:
    name: str
    alias: str
    kind: Any
    required: bool


def _fields(cls: type[Any]) -> tuple[_Field, ...]:
    return tuple(
        _Field(f.name, str(f.alias), f.type, f.default is attrs.NOTHING) for f in attrs.fields(attrs.resolve_types(cls))
    )


def _checked(cls: type[Any], sent: Mapping[str, Json], partial: bool) -> dict[str, Any]:
    values, problems = _collected(cls, sent, partial)
    if problems:
        raise BadRequest.of(problems)
    return values


def _collected(cls: type[Any], sent: Mapping[str, Json], partial: bool) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Values by alias, and what is wrong."""
    fields = {field.alias: field for field in _fields(cls)}
    unknown = [name for name in sent if name not in fields]
    problems = [FieldProblem(name[:100], _unknown(name, list(fields))) for name in unknown[:MAX_PROBLEMS]]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in sent:
            if field.required and not partial:
                problems.append(FieldProblem(name, "is required"))
            continue
        try:
            values[name] = _converter.structure(sent[name], field.kind)
        except Wrong as exc:
            problems.extend(FieldProblem(_join(name, p.path), p.problem) for p in exc.problems)
    return values, problems


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name[:100], known, n=1)
    return f"is not a field here; did you mean {near[0]}?" if near else "is not a field here"


def _join(path: str, rest: str) -> str:
    return path + rest if not rest or rest.startswith("[") else f"{path}.{rest}"


# the converter --------------------------------------------------------------------------------------------


def _exactly(kind: type, words: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not kind:  # a bool is an int to isinstance
            raise Wrong(f"must be {words}, not {json_type(value)}")
        return value

    return check


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Wrong(f"must be a number, not {json_type(value)}")
    return float(value)


def _whole(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise Wrong("must be a whole number" + ("" if isinstance(value, float) else f", not {json_type(value)}"))
    return value


def _one_of(value: Any, kind: Any) -> Any:
    allowed = get_args(kind)
    if not isinstance(value, str) or value not in allowed:
        raise Wrong("must be one of " + ", ".join(map(str, allowed)))
    return value


def _list_of(value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Wrong(f"must be an array, not {json_type(value)}")
    out: list[Any] = []
    problems: list[FieldProblem] = []
    for position, item in enumerate(value):
        try:
            out.append(_converter.structure(item, get_args(kind)[0]))
        except Wrong as exc:
            problems.extend(FieldProblem(_join(f"[{position}]", p.path), p.problem) for p in exc.problems)
        if len(problems) >= MAX_PROBLEMS:
            break
    if problems:
        raise Wrong(problems)
    return tuple(out)


def _optional(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    return _converter.structure(value, next(arg for arg in get_args(kind) if arg is not type(None)))


def _is_a(kind: Any, origin: Any) -> bool:
    return bool(get_origin(kind) is origin)


def _is_optional(kind: Any) -> bool:
    args = get_args(kind)
    return len(args) == 2 and type(None) in args and get_origin(kind) in (Union, UnionType)


def _rule_of(kind: Any) -> Rule | None:
    if not _is_a(kind, Annotated):
        return None
    return next((item for item in kind.__metadata__ if hasattr(item, "check")), None)


def _ruled(value: Any, kind: Any) -> Any:
    rule = _rule_of(kind)
    assert rule is not None
    return rule.check(_converter.structure(value, kind.__origin__))


def _nested(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        raise Wrong(f"must be an object, not {json_type(value)}")
    values, problems = _collected(kind, value, partial=False)
    if problems:
        raise Wrong(problems)
    return kind(**values)


_converter = Converter()
_converter.register_structure_hook(str, _exactly(str, "a string"))
_converter.register_structure_hook(bool, _exactly(bool, "true or false"))
_converter.register_structure_hook(int, _whole)
_converter.register_structure_hook(float, _number)
_converter.register_structure_hook_func(lambda kind: _is_a(kind, dict), _exactly(dict, "an object"))
_converter.register_structure_hook_func(lambda kind: _is_a(kind, Literal), _one_of)
_converter.register_structure_hook_func(lambda kind: _is_a(kind, tuple), _list_of)
_converter.register_structure_hook_func(attrs.has, _nested)
_converter.register_structure_hook_func(_is_optional, _optional)
_converter.register_structure_hook_func(lambda kind: _rule_of(kind) is not None, _ruled)
