"""What steers the dice, as far as the target's model takes it."""

from __future__ import annotations

from typing import Any

from omniroute_hooks import Conversation, Loss

from .rules import Rules

_UNKNOWN = ("frequency_penalty", "presence_penalty", "seed", "logit_bias")


def sampling_fields(conversation: Conversation, rules: Rules, thinks: bool, losses: list[Loss]) -> dict[str, Any]:
    """``temperature``, ``top_p`` and ``top_k``.

    Thinking takes no temperature and no ``top_k``, and ``top_p`` only from 0.95 up. Many models refuse
    ``temperature`` together with ``top_p``; the first wins.
    """
    sampling = conversation.sampling
    losses += [Loss(name, "drop") for name in _UNKNOWN if getattr(sampling, name) is not None]
    out: dict[str, Any] = {}
    if sampling.temperature is not None:
        out["temperature"] = min(1, max(0, sampling.temperature))
        if out["temperature"] != sampling.temperature:
            losses.append(Loss("temperature", "emulate", "this provider counts from 0 to 1"))
    if sampling.top_p is not None:
        out["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        out["top_k"] = sampling.top_k
    refused: set[str] = set()
    if not rules.sampling:
        refused = set(out)
    elif thinks:
        refused = {"temperature", "top_k"} | ({"top_p"} if not 0.95 <= out.get("top_p", 1) <= 1 else set())
        if out.get("temperature") == 1:
            refused.discard("temperature")
    if "temperature" in out and "top_p" in out and "temperature" not in refused:
        refused.add("top_p")
    for name in sorted(refused & set(out)):
        del out[name]
        losses.append(Loss(name, "drop", "refused by this model"))
    return out
