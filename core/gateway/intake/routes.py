"""The address book of the data plane, made once from what dialects declare.

Every address is also served in the spellings that real clients use: without its
version segment, with it twice, and under /api. Behind ``/v1/providers/<provider>`` stands
the whole book once more, for that provider's models alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen
from omniroute_hooks import Dialect, Endpoint

DEDICATED = "/providers/"


@frozen
class Match:
    """An address found: whose it is, and the model its path names. ``provider`` is the word for the one whose
    address it is, None where it is everybody's."""

    dialect: Dialect
    endpoint: Endpoint
    path_model: str | None = None
    provider: str | None = None


@frozen
class _Pattern:
    head: str
    tail: str
    match: Match


class Routes:
    """Looks up (method, path, header names)."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._exact: dict[tuple[str, str], list[Match]] = {}
        self._patterns: dict[str, list[_Pattern]] = {}
        self._any_header: list[tuple[bytes, bytes]] = []
        self._dedicated: dict[str, str] = {}  # the text before a provider's word: the version that it stands for
        for dialect in dialects:
            for endpoint in dialect.endpoints:
                version = endpoint.path[: endpoint.path.find("/", 1)]
                for head in spellings(version + DEDICATED):
                    self._dedicated.setdefault(head, version)
                if endpoint.when_header is not None:
                    self._any_header.append((endpoint.when_header.encode(), b""))
                for path in spellings(endpoint.path):
                    self._add(path, Match(dialect, endpoint))
        for matches in self._exact.values():
            matches.sort(key=lambda m: m.endpoint.when_header is None)
        for patterns in self._patterns.values():  # the longest text around the model is the most particular
            patterns.sort(key=lambda p: (-len(p.tail), -len(p.head), p.match.endpoint.when_header is None))

    def _add(self, path: str, match: Match) -> None:
        method = match.endpoint.method
        head, found, tail = path.partition("{model}")
        if found:
            self._patterns.setdefault(method, []).append(_Pattern(head, tail, match))
        else:
            self._exact.setdefault((method, path), []).append(match)

    def find(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Match | None:
        """The endpoint for this request, or None. HEAD asks for what GET would answer."""
        path = _without_slash(path)
        if method == "HEAD":
            method = "GET"
        matches = self._exact.get((method, path))
        if matches is not None:
            if len(matches) == 1 and matches[0].endpoint.when_header is None:
                return matches[0]
            return _applying(matches, headers)
        match = self._by_pattern(method, path, headers)
        if match is None and DEDICATED in path:
            return self._of_provider(method, path, headers)
        return match

    def _by_pattern(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Match | None:
        for pattern in self._patterns.get(method, ()):
            if path.startswith(pattern.head) and path.endswith(pattern.tail):
                model = path[len(pattern.head) : len(path) - len(pattern.tail) or None]
                if model and _applies(pattern.match.endpoint, headers):
                    if not pattern.tail and self._is_more_particular(path, method):
                        return None
                    return Match(pattern.match.dialect, pattern.match.endpoint, model)
        return None

    def _of_provider(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Match | None:
        provider, ways = self._behind(path)
        for way in ways:
            matches = self._exact.get((method, way))
            found = self._by_pattern(method, way, headers) if matches is None else _applying(matches, headers)
            if found is not None:
                return evolve(found, provider=provider)
        return None

    def _behind(self, path: str) -> tuple[str, tuple[str, ...]]:
        """The word for the provider in an address of its own, and how the rest of it may be read.

        Clients put what they know behind the base URL that they are given: some of them a version, others none.
        """
        for head, version in self._dedicated.items():
            if path.startswith(head):
                provider, slash, rest = path[len(head) :].partition("/")
                if provider and slash and rest:
                    return provider, (f"{version}/{rest}", f"/{rest}")
        return "", ()

    def _is_more_particular(self, path: str, method: str) -> bool:
        """Whether what looks like a model's name ends in a word that is another method's."""
        return any(
            pattern.tail and path.startswith(pattern.head) and path.endswith(pattern.tail)
            for other, patterns in self._patterns.items()
            if other != method
            for pattern in patterns
        )

    def methods(self, path: str) -> list[str]:
        """The methods that this path knows, for a 405. Not those of addresses where any words may be a model's."""
        found = ((method, self.find(method, path, self._any_header)) for method in ("GET", "POST"))
        return [method for method, match in found if match is not None and not match.endpoint.path.endswith("{model}")]

    def dialect_near(self, path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Dialect | None:
        """Whose callers are likely behind an unknown path, so that even a 404 is in their language.

        None where no dialect has an address under the first segment of ``path``.
        """
        ways = (*self._behind(path)[1], path) if DEDICATED in path else (path,)
        return next((found for way in ways if (found := self._near(way, headers)) is not None), None)

    def _near(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Dialect | None:
        head = path[: path.find("/", 1) + 1]
        if head == "/api/":
            head = path[: path.find("/", 5) + 1]
        best: tuple[int, bool, Dialect] | None = None
        for (method, known), matches in self._exact.items():
            if len(head) < 2 or not known.startswith(head):
                continue
            match = next((m for m in matches if _applies(m.endpoint, headers)), matches[-1])
            # Of equals, the one that lists its models there: it is the one that a caller's headers tell.
            rank = (_common(path, known), match.endpoint.operation == "list_models" and method == "GET")
            if best is None or rank > best[:2]:
                best = (*rank, match.dialect)
        return best[2] if best else None


def _applying(matches: list[Match], headers: Iterable[tuple[bytes, bytes]]) -> Match | None:
    return next((m for m in matches if _applies(m.endpoint, headers)), None)


def _without_slash(path: str) -> str:
    return path.rstrip("/") if len(path) > 1 and path.endswith("/") else path


def spellings(path: str) -> list[str]:
    """All the ways to write one address."""
    if not path.startswith("/v1/"):
        return [path, "/api" + path]
    bare = path.removeprefix("/v1")
    return [path, bare, "/v1" + path, "/api" + path]


def _applies(endpoint: Endpoint, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    if endpoint.when_header is None:
        return True
    wanted = endpoint.when_header.encode()
    return any(name == wanted for name, _ in headers)


def _common(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
