"""What only one provider keeps is refused by providers that speak no dialect at all, and never left out."""

import json

import pytest
from gateway_kit import ask


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stored_answer_is_refused_by_a_provider_without_a_network(gateway, stream):
    body = {"model": "echo/echo", "input": "And then?", "previous_response_id": "resp_1", "stream": stream}

    answer = await ask(gateway, "POST", "/v1/responses", json.dumps(body).encode())

    assert answer.status == 400
    assert "previous_response_id" in answer.json["error"]["message"]
