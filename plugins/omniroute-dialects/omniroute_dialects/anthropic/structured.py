"""Structured output for models that have no field for it: asked for with a forced tool, or in words.

The tool has a name of its own, so whoever reads the answer turns the call back into text without
knowing the request.

Source: docs/translation.md, "Structured output".
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks import OutputFormat
from omniroute_hooks.jsonio import dumps

from .schema import input_schema, is_recursive, output_schema

ANSWER_TOOL = "omniroute_json_answer"


def native_format(form: OutputFormat, own: bool) -> dict[str, Any] | None:
    """The field ``output_config.format``; None where the model's own way cannot say it."""
    if form.kind != "json_schema" or form.schema is None:
        return None
    if own:
        return {"type": "json_schema", "schema": form.schema}
    if is_recursive(form.schema):
        return None
    return {"type": "json_schema", "schema": output_schema(form.schema)}


def answer_tool(form: OutputFormat) -> dict[str, Any] | None:
    """A tool whose input is the wanted JSON; None where that is no object."""
    if form.kind != "json_schema" or form.schema is None or form.schema.get("type", "object") != "object":
        return None
    words = form.description or "Gives the answer. Its input is the whole answer."
    return {"name": ANSWER_TOOL, "description": words, "input_schema": input_schema(form.schema)}


def instruction(form: OutputFormat) -> str:
    """The wish in words, for the end of the system text."""
    words = "Answer with one JSON value and nothing else: no explanation, no code fence."
    if form.schema is None:
        return words
    return f"{words} It must match this JSON Schema:\n{dumps(form.schema).decode()}"
