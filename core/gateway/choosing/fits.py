"""Fits: whether a model can do what a request needs. What is not known of a model never rules it out."""

from __future__ import annotations

from attrs import fields, frozen
from omniroute_hooks import Model

from .picks import Pick

# What a model "takes" where nobody said anything.
_UNTOLD = fields(Model).input.default


@frozen
class Needs:
    """What a request needs. ``input_tokens`` is an estimate, and had better be low than high.

    How much the caller takes at most is no need: clients ask for more room than they use, and a model that gives less
    can answer all the same.
    """

    tools: bool = False
    image: bool = False
    pdf: bool = False
    audio: bool = False
    input_tokens: int = 0


def fits(pick: Pick, needs: Needs) -> str | None:
    """Why this candidate cannot serve the request, in words for people; None where it can."""
    return misfit(pick.choice.spec, needs)


def misfit(spec: Model | None, needs: Needs) -> str | None:
    """The same for what is known of a model."""
    if spec is None:
        return None
    if needs.tools and not spec.tools:
        return "it cannot call tools"
    if spec.input != _UNTOLD:
        for wanted, modality, words in (
            (needs.image, "image", "images"),
            (needs.pdf, "pdf", "PDF files"),
            (needs.audio, "audio", "audio"),
        ):
            if wanted and modality not in spec.input:
                return f"it takes no {words}"
    if spec.context is not None and needs.input_tokens > spec.context:
        return f"it takes {spec.context} tokens, and the request has about {needs.input_tokens}"
    return None
