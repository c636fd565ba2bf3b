"""Asking for the rest of an answer that is begun: the dialect has no words for it, so that each server has its own.

The last message is the assistant's, and holds what was said. Source: DeepSeek's and Mistral's "prefix", Moonshot's and
Alibaba's "partial", vLLM's and SGLang's "continue_final_message"; llama.cpp, Ollama and OpenRouter need no mark.
"""

from __future__ import annotations

from attrs import evolve
from omniroute_hooks import Rendered, Target, Unsupported

MARKS = ("prefix", "partial")
FINAL_MESSAGE = "continue_final_message"
WAYS = (False, True, *MARKS, FINAL_MESSAGE)


def going_on(rendered: Rendered, target: Target) -> Rendered:
    """The request in the way that this provider's option ``continues`` names.

    Errors: `Unsupported` where it names none: the provider would begin a second answer.
    """
    way = target.option("continues", False)
    *before, last = rendered.body["messages"]
    if not way or way not in WAYS or last["role"] != "assistant":
        raise Unsupported("The provider does not go on with an answer that is begun.")
    body = {**rendered.body, **(target.option("continue_fields") or {})}
    if way in MARKS:
        body["messages"] = [*before, {**last, way: True}]
    elif way == FINAL_MESSAGE:
        body |= {FINAL_MESSAGE: True, "add_generation_prompt": False}
    return evolve(rendered, path=str(target.option("continue_path") or rendered.path), body=body)
