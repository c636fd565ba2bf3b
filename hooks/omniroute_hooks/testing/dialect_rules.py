"""What every dialect keeps: requests, answers, streams and errors survive it, however the bytes are cut.

Dialects with a scripted speaker are compared with it. Others are held to what needs none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from attrs import evolve

from .. import (
    Answer,
    Asked,
    BadRequest,
    BrokenStream,
    ContextTooLong,
    Dialect,
    Entitlement,
    FieldProblem,
    Forbidden,
    GatewayError,
    LimitReached,
    Listed,
    LoginExpired,
    ModelNotFound,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unsupported,
    UpstreamError,
    UpstreamTimeout,
)
from ..blocks import BlockMachine
from ..events import Failed, Finished, Stopped, UsageSeen
from .expectations import must
from .matrix import ask_for, expected
from .neutral import Ask, Say
from .relaying import CREATED_S, MODEL, asked_at, encoded, events_of, parse, reply_to, shown, target
from .rules import word
from .samples import ASKS, BREAKS, SAYS
from .speaker import Speaker
from .wire import loads

ERRORS: tuple[GatewayError, ...] = (
    BadRequest.of([FieldProblem("messages[0].content", "must be a string"), FieldProblem("n", "must be 1")]),
    Unsupported("This model takes no audio."),
    ContextTooLong("prompt is too long: 9 tokens > 8 maximum"),
    Unauthenticated("The key is wrong."),
    Forbidden("This key may not use that model."),
    NotFound("There is nothing here."),
    ModelNotFound("No such model."),
    TooLarge("The body is over 4 MB."),
    LimitReached("The budget is used up.", retry_after_s=3600.0),
    UpstreamError("It failed: “quoted”, <b>marked</b>."),
    Overloaded("Too busy."),
    UpstreamTimeout("No answer in 60 s."),
    BrokenStream("Cut."),
    RateLimited("Slow down.", retry_after_s=30.0),
    QuotaExhausted("No credit."),
    LoginExpired("Log in again."),
    Entitlement("Not in your plan."),
    Refused("Not allowed."),
    Unavailable("Nobody answers.", retry_after_s=5.0, attempts=["ds/a: 429", "ds/b: 500"]),
    GatewayError("Something is wrong here."),
)
NONSENSE = (
    b"",
    b"null",
    b"[]",
    b'"error"',
    b"{}",
    b'{"error": 7}',
    b'{"error": {"message": null}}',
    b"\xff\xfe\x00",
    b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    b'[{"error": {"code": "x", "details": [1]}}]',
)


# Every dialect -----------------------------------------------------------------------------------


def endpoints(item: Dialect) -> None:
    """Addresses that the kernel can serve."""
    word(item.id, "the dialect's id")
    must(item.name, "it has no name to show")
    must(any(e.operation == "generate" for e in item.endpoints), "nothing can be generated at its endpoints")
    for endpoint in item.endpoints:
        must(endpoint.path.startswith("/v1"), f"{endpoint.path} must begin with a version segment")
        must(endpoint.path.count("{model}") <= 1, f"{endpoint.path} names the model twice")
        lower = endpoint.when_header is None or endpoint.when_header == endpoint.when_header.lower()
        must(lower, f"when_header {endpoint.when_header!r} must be in lower case")
    operations = {endpoint.operation for endpoint in item.endpoints}
    must("count_tokens" not in operations or item.counting, "it has an endpoint for counting, and no counting")
    must("list_models" not in operations or item.list_models, "it has an endpoint for models, and no list_models")
    must("get_model" not in operations or item.get_model, "it has an endpoint for a model, and no get_model")
    must(all(name == name.lower() for name in item.forwards), "forwards must be in lower case")


def errors(item: Dialect) -> None:
    """Every failure has a status and a body, which hold its words; every answer to it parses into a failure."""
    for error in ERRORS:
        status, body = item.render_error(error, "req-1")
        must(400 <= status <= 599, f"{type(error).__name__} is rendered with status {status}")
        words = json.loads(json.dumps(body))  # JSON, and no other kinds of values
        must(error.message in _strings(words), f"{type(error).__name__} loses its message: {body}")
    for raw in NONSENSE:
        for status in (200, 302, 400, 401, 403, 404, 418, 429, 500, 503, 529, 599):
            error = item.parse_error(status, {"content-type": "text/html"}, raw)
            must(isinstance(error, GatewayError), f"parse_error({status}, {raw!r}) gives {error!r}")
            must(isinstance(error.message, str) and error.message, f"parse_error({status}, {raw!r}) has no message")


def decodes_nonsense(item: Dialect) -> None:
    """A stream of nonsense is a failure of the provider, and never an exception here."""
    for raw in (
        *NONSENSE,
        b"data: \xff\n\n",
        b"data: {\n\n",
        b'data: {"choices": 7}\n\ndata: [1]\n\n',
        b"event: x\n\n",
    ):
        events = events_of(item, [raw])
        must(events and isinstance(events[-1], Failed), f"the stream {raw!r} becomes {events}")
    for raw in NONSENSE:
        try:
            value = json.loads(raw)
        except ValueError:
            continue
        try:
            answer = item.parse_answer(value)
        except GatewayError:
            continue
        must(isinstance(answer, Answer), f"parse_answer({value!r}) gives {answer!r}")


def lists_models(item: Dialect) -> None:
    """Models can be listed, also none and one of which nothing is known."""
    if item.get_model is not None:
        json.dumps(item.get_model(Listed("p/m", "p", CREATED_S)))
    for endpoint in item.endpoints:
        if endpoint.operation == "list_models" and item.list_models is not None:
            models = [Listed("p/m", "p", CREATED_S), Listed("q/a/b", "q", CREATED_S, target(item).spec)]
            for some in ([], models):
                text = json.dumps(item.list_models(some, Asked(endpoint)))
                must(all(model.id in text for model in some), f"a model is missing from {text}")


# Dialects with a speaker -------------------------------------------------------------------------


def requests(item: Dialect, speaker: Speaker) -> None:
    """What a client asks is what a provider is asked, and a second time changes nothing."""
    for name, ask in _asks():
        body = speaker.request_of(ask)
        before = json.dumps(body)
        asked = asked_at(item, speaker, ask)
        peek = item.peek(body, asked)
        must(peek.model == ask.model, f"{name}: peek sees the model {peek.model!r}, not {ask.model!r}")
        must(peek.stream is ask.stream, f"{name}: peek sees stream={peek.stream}")
        conversation = item.parse_request(body, asked)
        must(conversation.dialect == item.id, f"{name}: the conversation's dialect is {conversation.dialect!r}")
        must((conversation.model, conversation.stream) == (ask.model, ask.stream), f"{name}: model or stream is lost")
        must(json.dumps(body) == before, f"{name}: parsing changes the body")
        rendered = item.render_request(conversation, target(item), ask.stream)
        made = loads(json.dumps(rendered.body))
        understood = speaker.read_request(made)
        must(understood == ask, f"{name}: {ask} arrives as {understood}")
        again = item.render_request(item.parse_request(made, asked), target(item), ask.stream)
        must(again.body == rendered.body, f"{name}: rendering what was rendered changes it")


def passing(item: Dialect, speaker: Speaker) -> None:
    """A body that stays in its dialect keeps its bytes but for the model's name.

    A provider may need more than that (a limit under another name, say); then the request must still say the same,
    and what nobody knows must be left alone.
    """
    untouched = 0
    for name, ask in _asks():
        for known in (ask, evolve(ask, max_tokens=None)):
            mine = evolve(known, model="caller/its name")
            body = {"x_unknown": {"model": "not this one", "list": [1.0, None]}, **speaker.request_of(mine)}
            raw = json.dumps(body, indent=1, ensure_ascii=False).encode()
            passed = item.pass_request(raw, body, target(item), ask.stream)
            must(passed.path.startswith("/"), f"{name}: the path {passed.path!r} must begin with a slash")
            told = json.loads(passed.body)
            must(told.get("x_unknown") == body["x_unknown"], f"{name}: an unknown field is changed on its way")
            understood, meant = speaker.read_request(told), speaker.read_request(json.loads(raw))
            must(understood == meant, f"{name}: {meant} arrives as {understood}")
            wanted = {**body, "model": MODEL} if "model" in body else body
            must(told.get("model") == wanted.get("model"), f"{name}: the model is {told.get('model')!r}")
            if told == wanted:
                kept = passed.body == raw.replace(b'"caller/its name"', f'"{MODEL}"'.encode())
                must(kept, f"{name}: nothing but the model changes, and yet it is printed anew: {passed.body!r}")
                untouched += 1
    must(untouched, "no request at all is passed on as it is")


def answers(item: Dialect, speaker: Speaker) -> None:
    """What a provider answers whole is what a client hears."""
    for name, say, ask in _says():
        asked = asked_at(item, speaker, ask)
        reply = reply_to(item.parse_request(speaker.request_of(ask), asked), asked)
        answer = item.parse_answer(speaker.answer(say))
        heard = speaker.read_answer(loads(json.dumps(item.render_answer(answer, reply))))
        must(heard == expected(say, speaker, speaker), f"{name}: {say} is heard as {heard}")


def streams(item: Dialect, speaker: Speaker) -> None:
    """What a provider streams is what a client hears, and the same as if it had come whole."""
    for name, say, ask in [*_says(), *((n, s, ask_for(s)) for n, s in BREAKS.items())]:
        streaming = evolve(ask, stream=True)
        asked = asked_at(item, speaker, streaming)
        reply = reply_to(item.parse_request(speaker.request_of(streaming), asked), asked)
        events = events_of(item, speaker.chunks(say))
        must(sum(isinstance(e, Finished | Failed) for e in events) == 1, f"{name}: the stream does not end once")
        heard = speaker.read_stream(encoded(item, events, reply))
        must(heard == expected(say, speaker, speaker), f"{name}: {say} is heard as {heard}")
        if not say.error:
            streamed, whole = events[-1], item.parse_answer(speaker.answer(say))
            must(isinstance(streamed, Finished), f"{name}: {streamed}")
            told = shown(streamed.answer) if isinstance(streamed, Finished) else {}
            must(told == shown(whole), f"{name}: streamed it is {told}, whole {shown(whole)}")


def splits(item: Dialect, speaker: Speaker) -> None:
    """However the network cuts a stream, down to single bytes, it says the same."""
    for name, say, _ in _says():
        data = b"".join(speaker.chunks(say))
        whole = events_of(item, [data])
        must(events_of(item, [data[i : i + 1] for i in range(len(data))]) == whole, f"{name}: byte by byte it differs")
    data = b"".join(speaker.chunks(SAYS["call"]))
    whole = events_of(item, [data])
    for cut in range(1, len(data)):
        must(
            events_of(item, [data[:cut], data[cut:]]) == whole,
            f"cut at byte {cut} it differs: {data[cut - 20 : cut]!r}",
        )


def truncated(item: Dialect, speaker: Speaker) -> None:
    """A stream that stops before the provider has said why is a failure, and its client hears of it."""
    say = SAYS["text-then-calls"]
    ask = evolve(ask_for(say), stream=True)
    asked = asked_at(item, speaker, ask)
    reply = reply_to(item.parse_request(speaker.request_of(ask), asked), asked)
    chunks = speaker.chunks(say)
    for kept in range(len(chunks)):
        events = events_of(item, chunks[:kept])
        if isinstance(events[-1], Finished):
            must(events[-1].answer.stop.reason == "tool", f"after {kept} of {len(chunks)} chunks it counts as finished")
            continue
        must(isinstance(events[-1], Failed), f"after {kept} of {len(chunks)} chunks it neither ends nor fails")
        heard = speaker.read_stream(encoded(item, events, reply))
        must(heard.error, f"after {kept} of {len(chunks)} chunks the client hears {heard}")


def watching(item: Dialect, speaker: Speaker) -> None:
    """A decoder that only watches sees the same counts, reason and end as one that reads everything."""
    for name, say, _ in _says():
        decoder, machine = item.decoder(True), BlockMachine("r1")
        usage, stop = None, None
        for signal in [*(s for chunk in speaker.chunks(say) for s in decoder.feed(chunk)), *decoder.end()]:
            usage = signal.usage if isinstance(signal, UsageSeen) else usage
            stop = signal.stop if isinstance(signal, Stopped) else stop
            machine.feed([signal])
        whole = events_of(item, speaker.chunks(say))[-1]
        must(isinstance(whole, Finished), f"{name}: {whole}")
        if isinstance(whole, Finished):
            must(usage == whole.answer.usage, f"{name}: it sees {usage}, not {whole.answer.usage}")
            must(stop is not None and stop.raw == whole.answer.stop.raw, f"{name}: it sees the stop {stop}")


def heartbeats(item: Dialect, speaker: Speaker) -> None:
    """Between any two events, a heartbeat changes nothing."""
    say = SAYS["text-then-calls"]
    conversation = parse(item, speaker, evolve(ask_for(say), stream=True))
    encoder = item.encoder(reply_to(conversation))
    data = item.heartbeat
    for event in events_of(item, speaker.chunks(say)):
        data += encoder.encode([event]) + (b"" if isinstance(event, Finished) else item.heartbeat)
    must(speaker.read_stream(data) == expected(say, speaker, speaker), "a client trips over a heartbeat")


def reads_errors(item: Dialect, speaker: Speaker) -> None:
    """A provider's words reach the client, in the shape it knows."""
    for status in (400, 401, 402, 403, 404, 413, 429, 500, 503, 504, 529):
        message = f"Because of {status}."
        raw = json.dumps(speaker.error_body(status, message)).encode()
        error = item.parse_error(status, {"content-type": "application/json", "retry-after": "17"}, raw)
        must(message in error.message, f"{status}: the provider's words are lost: {error.message!r}")
        must(status != 429 or error.retry_after_s == 17, f"Retry-After: 17 is read as {error.retry_after_s}")
    for error in ERRORS:
        told, body = item.render_error(error, "req-1")
        must(error.message in speaker.read_error(told, body), f"{type(error).__name__}: its message is lost")


def _asks() -> Iterable[tuple[str, Ask]]:
    for name, ask in ASKS.items():
        yield name, ask
        yield f"{name}, streamed", evolve(ask, stream=True)


def _says() -> list[tuple[str, Say, Ask]]:
    return [(name, say, ask_for(say)) for name, say in SAYS.items()]


def _strings(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(_strings(item) for item in value.values())
    if isinstance(value, list):
        return "\n".join(_strings(item) for item in value)
    return str(value)
