"""Tools that only their own vendor can run, on the way to another one.

A client that merely offers such a tool among others (Codex always offers a web search) is served without it.
One that forces it, or has nothing else, would get something other than it asked for, so that is refused. So
is a tool that the caller itself runs under a definition only its vendor knows: without it the caller would
have lost its hands.
"""

from __future__ import annotations

from omniroute_hooks import Conversation, FieldProblem, Loss, Opaque, ServerTool, Unsupported

_CALLER_RUNS = ("bash", "text_editor", "memory", "computer", "local_shell", "shell", "apply_patch")


def shown_words(part: Opaque) -> str:
    """What a caller is shown of a block of another dialect's. Searches show through their citations."""
    return "" if "search" in part.kind or "fetch" in part.kind or _is_search(part) else part.text


def _is_search(part: Opaque) -> bool:
    """A search that is called by its name: one block kind serves all of that vendor's tools."""
    name = part.raw.get("name") if isinstance(part.raw, dict) else None
    return part.kind == "server_tool_use" and isinstance(name, str) and name.startswith(("web_search", "web_fetch"))


def leave_out(
    tool: ServerTool, path: str, conversation: Conversation, losses: list[Loss], why: str | None = None
) -> None:
    """Notes that ``tool``, which stands at ``path`` of the request, is not sent. ``why`` where it could run there.

    Errors: `Unsupported` where it may not be left out.
    """
    if tool.kind.startswith("tool_search"):
        losses.append(Loss(path, "emulate", "all tools are sent at once"))
        return
    choice = conversation.tool_choice
    name = tool.raw.get("name") if isinstance(tool.raw, dict) else None
    forced = choice is not None and choice.mode == "named" and (name in choice.names or tool.kind in choice.names)
    if forced or tool.kind.startswith(_CALLER_RUNS) or len(conversation.tools) == 1:
        problem = why or f"the tool {tool.kind} cannot run at this model's provider"
        raise Unsupported(f"{path}: {problem}", details=[FieldProblem(path, problem)])
    losses.append(Loss(path, "drop", why or f"{tool.kind} runs at another provider only"))
