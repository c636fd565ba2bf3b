"""The items of one answer as events: numbers, ids, and each item added once and done once.

An item stays open until the next one begins or the answer ends: only then it is known whether the model was cut
off in it.
"""

from __future__ import annotations

from typing import Any

from omniroute_hooks.jsonio import dumps, dumps_text

from ..names import fit
from .vocabulary import LONGEST_ID, minted

Json = dict[str, Any]
_PRINTABLE = "\x20-\x7e"


class ItemStream:
    """``out`` is what waits to be sent, ``output`` the items that are done, ``item`` the open one."""

    def __init__(self, reply_id: str) -> None:
        self.out: list[bytes] = []
        self.output: list[Json] = []
        self.item: Json | None = None
        self.number = 0  # of the next event
        self._reply_id = reply_id
        self._used: set[str] = set()
        self._minted = 0

    def event(self, kind: str, fields: Json) -> None:
        """One event."""
        data = dumps({"type": kind, **fields, "sequence_number": self.number})
        self.out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        self.number += 1

    def delta(self, prefix: bytes, text: str) -> None:
        """One event of which all is ready but the text; ``prefix`` is from `delta_prefix`."""
        self.out.append(b'%b%b,"sequence_number":%d}\n\n' % (prefix, dumps_text(text), self.number))
        self.number += 1

    def begin(self, item: Json, added: Json | None = None) -> None:
        """Makes this the open item; ``added`` is how it looks at first, if that is not all of it."""
        self.settle()
        self.item = item
        self.event("response.output_item.added", {"output_index": len(self.output), "item": added or item})

    def settle(self, status: str = "completed") -> None:
        """The open item is done."""
        item = self.item
        if item is not None and "status" in item:
            # A patch is never "incomplete" to the vendor.
            cut = status == "incomplete" and item["type"] == "apply_patch_call"
            item["status"] = "in_progress" if cut else status
        self._done()

    def native(self, item: Json) -> None:
        """A whole item in the provider's own words, its status included."""
        if item.get("status") is None:
            item.pop("status", None)
        if not isinstance(item.get("id"), str) or item["id"] in self._used:
            item["id"] = self.new_id("ig" if item.get("type") == "image_generation_call" else "item")
        self._used.add(item["id"])
        self.begin(item)
        self._done()

    def _done(self) -> None:
        if self.item is not None:
            self.event("response.output_item.done", {"output_index": len(self.output), "item": self.item})
            self.output.append(self.item)
            self.item = None

    def at(self, **fields: Any) -> Json:
        """The fields that place an event in the open item, and these."""
        assert self.item is not None  # an item is open wherever this is asked
        return {"item_id": self.item["id"], "output_index": len(self.output), **fields}

    def new_id(self, kind: str, wanted: str | None = None) -> str:
        """An item's id: the provider's, where it is one of this kind, else one of our own."""
        if wanted and wanted.startswith(kind + "_") and len(wanted) <= LONGEST_ID and wanted not in self._used:
            self._used.add(wanted)
            return wanted
        self._minted += 1
        return minted(kind, self._reply_id, self._minted - 1)

    def call_id(self, wanted: str) -> str:
        """The call's own id where it can be; two calls never share one."""
        call_id, number = fit(wanted, _PRINTABLE, LONGEST_ID), 2
        while call_id in self._used:
            call_id, number = fit(f"{wanted}_{number}", _PRINTABLE, LONGEST_ID), number + 1
        self._used.add(call_id)
        return call_id


def delta_prefix(kind: str, fields: Json) -> bytes:
    """The constant beginning of the delta events of one part."""
    return b'event: %b\ndata: %b,"delta":' % (kind.encode(), dumps({"type": kind, **fields})[:-1])
