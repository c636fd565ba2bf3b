"""What a pair of dialects cannot carry, decided once. A cell that is not named here carries everything.

``policy``: "emulate" reaches the same effect by other means, "drop" leaves out what makes no difference that the
caller would trust, "refuse" answers 400 and names the field.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen
from conformance.house import DIALECTS
from omniroute_hooks import ANTHROPIC, GEMINI, OPENAI_CHAT, OPENAI_RESPONSES

Policy = Literal["carry", "emulate", "drop", "refuse"]


@frozen
class Limit:
    """Holds for every pair of ``callers`` and ``providers``, but not within one dialect unless ``also_same``.

    ``noted`` says that the request's trace tells of it.
    """

    row: str
    policy: Policy
    why: str
    callers: tuple[str, ...] = DIALECTS
    providers: tuple[str, ...] = DIALECTS
    also_same: bool = False
    noted: bool = False

    def covers(self, row: str, caller: str, provider: str) -> bool:
        """Whether it is this cell's."""
        return (
            row == self.row
            and caller in self.callers
            and provider in self.providers
            and (self.also_same or caller != provider)
        )


CHAT, RESPONSES = (OPENAI_CHAT,), (OPENAI_RESPONSES,)
CLAUDE, GOOGLE = (ANTHROPIC,), (GEMINI,)

LIMITS: tuple[Limit, ...] = (
    Limit(
        "thinking goes back to a provider of which nothing is known",
        "drop",
        "Most providers of this dialect refuse reasoning in the history; those that want it say so (replay_reasoning).",
        providers=CHAT,
        also_same=True,
        noted=True,
    ),
    Limit(
        "usage: written to the cache",
        "drop",
        "This dialect has no count for it; the tokens are counted as input.",
        callers=GOOGLE,
    ),
    Limit(
        "a text document",
        "emulate",
        "Its text stands between the words around it: the others take plain text that way only.",
    ),
    Limit("sound", "refuse", "No model of this dialect can hear.", providers=CLAUDE),
    Limit(
        "a failed tool",
        "emulate",
        "There is no mark for it: the text begins with “Error:”.",
        providers=CHAT + RESPONSES,
        noted=True,
    ),
    Limit(
        "an image given back",
        "emulate",
        "Tool messages hold text only: it follows all results, in a user message that names the call.",
        providers=CHAT,
        noted=True,
    ),
    Limit(
        "an image given back",
        "emulate",
        "It follows all results: models before the newest take no media inside of one.",
        providers=GOOGLE,
    ),
    Limit(
        "a PDF given back",
        "emulate",
        "Tool messages hold text only: it follows all results, in a user message that names the call.",
        providers=CHAT,
        noted=True,
    ),
    Limit(
        "a PDF given back",
        "emulate",
        "It follows all results: models before the newest take no media inside of one.",
        providers=GOOGLE,
    ),
    Limit(
        "an answer in JSON",
        "emulate",
        "There is a form for schemas only: the system text asks for JSON and nothing else.",
        providers=CLAUDE,
        noted=True,
    ),
    *(
        Limit(row, "emulate", "This dialect has none: the gateway cuts the answer.", providers=RESPONSES, noted=True)
        for row in ("stop sequences", "a blank stop sequence", "more stop sequences than usual")
    ),
    Limit(
        "a blank stop sequence",
        "emulate",
        "The vendor refuses blank ones: the gateway cuts the answer.",
        providers=CLAUDE,
        noted=True,
    ),
    Limit(
        "more stop sequences than usual",
        "emulate",
        "The first four go, since more are refused; at the others the gateway cuts the answer.",
        providers=CHAT,
        noted=True,
    ),
    Limit(
        "no length limit",
        "emulate",
        "A limit is demanded: the model's own, or a large one where that is not known.",
        providers=CLAUDE,
    ),
    Limit("temperature above 1", "emulate", "Clamped to 1, the highest there is.", providers=CLAUDE, noted=True),
    Limit(
        "effort: high",
        "emulate",
        "As a budget in tokens, where nothing is known of the model: every model that thinks takes that.",
        providers=CLAUDE,
    ),
    Limit(
        "a budget for thinking",
        "emulate",
        "As the next effort that allows for it.",
        providers=CHAT + RESPONSES,
    ),
    Limit(
        "one call at a time",
        "drop",
        "There is no switch for it; all calls are passed on.",
        providers=GOOGLE,
        noted=True,
    ),
    Limit(
        "system text in mid conversation",
        "emulate",
        "Marked as the system's, among the user's words at the same place: moving it to the top would change what it "
        "is about, and ruin the prompt cache.",
        providers=CLAUDE + GOOGLE,
    ),
    Limit("several answers at once (n)", "refuse", "One answer is all there is room for."),
    Limit("log probabilities", "refuse", "They mean something else to each vendor, or nothing."),
    *(
        Limit(
            f"{row} is all there is to call",
            "refuse",
            "No such tool is known to all providers of this dialect, and without it nothing could be called.",
            providers=CHAT,
        )
        for row in ("a web search", "running code", "reading web pages")
    ),
    Limit(
        "reading web pages is all there is to call",
        "refuse",
        "This dialect has no such tool.",
        providers=RESPONSES,
    ),
    Limit(
        "a web search beside a function",
        "drop",
        "Some clients always offer one; the functions still serve.",
        providers=CHAT,
        noted=True,
    ),
    Limit(
        "where the words come from (citations)",
        "emulate",
        "Sources stand on a whole text here, not on a part of it.",
        providers=CHAT + RESPONSES + GOOGLE,
        callers=CLAUDE,
    ),
    Limit("a search that the provider made", "emulate", "It is not shown as such; its sources are."),
    Limit("code that the provider ran", "emulate", "Told in words: code and output."),
    Limit("a search in the history", "emulate", "Told in words: what was searched, and what was found."),
    *(
        Limit(row, "refuse", "Only the provider that keeps it knows it.")
        for row in (
            "an answer kept by the provider (previous_response_id)",
            "a conversation kept by the provider (conversation)",
            "a prompt kept by the provider (prompt)",
            "an item kept by the provider (item_reference)",
            "a history that only its maker can read (compaction)",
            "a prompt cache kept by the provider (cachedContent)",
            "a container kept by the provider",
            "a search in files kept by the provider",
            "an image kept by the provider",
        )
    ),
    Limit(
        "a file kept by the provider",
        "refuse",
        "Only the provider that keeps it knows it.",
        callers=CHAT,
        providers=CLAUDE + GOOGLE,
    ),
    Limit(
        "a file kept by the provider",
        "refuse",
        "Only the provider that keeps it knows it.",
        callers=RESPONSES + CLAUDE + GOOGLE,
    ),
    Limit(
        "tools of servers that the provider calls (mcp_servers)",
        "refuse",
        "Nobody else would call them, and the caller would not notice.",
    ),
    Limit(
        "whether the provider keeps the answer (store)",
        "drop",
        "It says nothing to another vendor.",
        callers=RESPONSES + GOOGLE,
        providers=CHAT,
        noted=True,
    ),
    Limit(
        "whether the provider keeps the answer (store)",
        "drop",
        "It says nothing to another vendor.",
        providers=CLAUDE + GOOGLE,
        noted=True,
    ),
    Limit(
        "who asks (user)",
        "emulate",
        "Hashed: this vendor wants no names and addresses here.",
        callers=CHAT + RESPONSES,
        providers=CLAUDE,
    ),
    Limit("who asks (user)", "drop", "It says nothing to another vendor.", providers=CHAT + GOOGLE, noted=True),
    Limit(
        "who asks (user)", "drop", "It says nothing to another vendor.", callers=CLAUDE, providers=RESPONSES, noted=True
    ),
    Limit("a field nobody knows", "drop", "It means something within its dialect only."),
    Limit("marks for the prompt cache", "drop", "The others find out by themselves what to keep."),
    Limit(
        "declined in words of its own",
        "emulate",
        "This dialect has no place for such words: they are the answer's text.",
        callers=GOOGLE,
    ),
    Limit(
        "which stop sequence hit",
        "drop",
        "No other dialect says so; the answer ends as usual.",
        callers=CHAT + RESPONSES + GOOGLE,
    ),
    *(
        Limit(
            "broken JSON in mid stream",
            "emulate",
            "It goes through as it came, like every other byte between two ends of one dialect.",
            callers=(dialect,),
            providers=(dialect,),
            also_same=True,
        )
        for dialect in DIALECTS
    ),
)


def policy_of(row: str, caller: str, provider: str) -> Policy:
    """What the cell is documented to do."""
    limit = limit_of(row, caller, provider)
    return limit.policy if limit is not None else "carry"


def limit_of(row: str, caller: str, provider: str) -> Limit | None:
    """The cell's limit, if it has one; the first in the table counts."""
    return next((limit for limit in LIMITS if limit.covers(row, caller, provider)), None)
