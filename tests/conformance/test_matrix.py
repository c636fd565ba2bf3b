"""Every row of the matrix, for every pair of dialects, whole and streamed, does what the table of limits says."""

from __future__ import annotations

import pytest
from attrs import evolve
from conformance.house import DIALECTS, House
from conformance.limits import LIMITS, limit_of, policy_of
from conformance.matrix_rows import ROWS
from conformance.rows import Meeting, Row
from omniroute_dialects.anthropic import DIALECT as MESSAGES
from omniroute_dialects.gemini import DIALECT as CONTENTS
from omniroute_dialects.openai_chat import DIALECT as CHAT
from omniroute_dialects.openai_responses import DIALECT as RESPONSES
from omniroute_hooks.testing import SPEAKERS
from omniroute_hooks.testing.relaying import asked_at, target

DIALECT = {dialect.id: dialect for dialect in (CHAT, RESPONSES, MESSAGES, CONTENTS)}
CELLS = [
    pytest.param(row, caller, provider, stream, id=f"{row.title}: {caller} over {provider}, {way}")
    for row in ROWS
    for caller in DIALECTS
    for provider in DIALECTS
    if row.covers(caller, provider)
    for stream, way in ((False, "whole"), (True, "streamed"))
    if stream in row.ways
]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("row", "caller", "provider", "stream"), CELLS)
async def test_cell(house: House, row: Row, caller: str, provider: str, stream: bool) -> None:
    meeting = Meeting(house, SPEAKERS[caller], SPEAKERS[provider], stream)

    limit = limit_of(row.title, caller, provider)
    assert await row.check(meeting) == policy_of(row.title, caller, provider)
    if limit is not None and limit.noted:
        assert limit.policy in noted(meeting), "nobody is told of it"


def noted(meeting: Meeting) -> list[str]:
    """The policies of what the trace has of the last request that was rendered."""
    caller, provider = DIALECT[meeting.caller.id], DIALECT[meeting.provider.id]
    conversation = caller.parse_request(meeting.sent[-1], asked_at(caller, meeting.caller, meeting.ask()))
    of_nobody = evolve(target(provider), spec=None)  # as a user's own node, of whose models nothing is known
    return [loss.policy for loss in provider.render_request(conversation, of_nobody, meeting.stream).losses]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.row}: {limit.policy}")
def test_every_limit_is_about_some_cell(limit):
    cells = [(row.title, caller, provider) for row, caller, provider, _ in (cell.values for cell in CELLS)]

    assert any(limit.covers(*cell) for cell in cells)
