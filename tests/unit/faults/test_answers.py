# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that are not what they should be, to every kind of request: a result or one message, never a traceback."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Reply
from ansible_collections.originsec.cloudflare.tests.unit.faults.scenarios import SCENARIOS, Cleanly, Request, Stage

pytestmark = pytest.mark.usefixtures("_without_waiting")

MEGABYTE = 1_000_000
LONGEST_MESSAGE = 10_000
LONGEST_WAIT_SECONDS = 1200


def _failure(*errors: Any) -> bytes:
    return json.dumps({"success": False, "errors": errors, "messages": [], "result": None}).encode()


def _success(result: str) -> bytes:
    return b'{"success": true, "errors": [], "messages": [], "result": %s}' % result.encode()


BODIES = {
    "empty": b"",
    "HTML": b"<html><body>Welcome to nginx!</body></html>",
    "truncated JSON": b'{"success": true, "errors": [], "result": {"id": "4',
    **{f"only {value}": value.encode() for value in ("null", "[]", "7", '"text"', "true", "NaN")},
    "success missing": b'{"errors": [], "messages": [], "result": {}}',
    "success in words": b'{"success": "true", "errors": [], "result": {}}',
    "success as a number": b'{"success": 1, "errors": [], "result": {}}',
    "neither success nor errors": b'{"success": false}',
    "result missing": b'{"success": true}',
    **{f"result {value}": _success(value) for value in ("null", "[]", "{}", "7", '"text"', "[null]", "[{}]", "NaN")},
    **{
        f"errors {value}": b'{"success": false, "errors": %s}' % value.encode()
        for value in ("null", "{}", '"x"', "[[]]")
    },
    "errors of wrong types": _failure(
        *(None, 7, "text", [], {}, {"code": "7", "message": None}, {"code": True, "message": {"a": [1]}}),
        *({"code": 10**40, "error_chain": 7}, {"code": -1, "message": "x", "error_chain": [None, {"message": 7}]}),
    ),
    "lone surrogates": _failure({"code": 7, "message": "\ud800 \udfff"}),
    "control characters": _failure({"code": 7, "message": "\0 \x1b[2J \r\n \x7f"}),
    "not UTF-8": b'{"success": false, "errors": [{"code": 7, "message": "\xff\xfe"}]}',
    "UTF-16": '{"success": true, "result": {}}'.encode("utf-16"),
    "a number of 5,000 digits": _success("9" * 5000),
    "a number without end": _success("1e999"),
    "an error code of 5,000 digits": b'{"success": false, "errors": [{"code": %s}]}' % (b"9" * 5000),
    "an error chain of 900 levels": b'{"success": false, "errors": [%s]}'
    % (b'{"code": 7, "message": "x", "error_chain": [' * 900 + b"]}" * 900),
    "100,000 levels of lists": b"[" * 100_000,
    "100,000 levels of objects": b'{"a":' * 100_000,
    "a result of 100,000 levels": _success("[" * 100_000 + "]" * 100_000),
    "a result of 900 levels": _success('{"value": ' + "[" * 900 + "]" * 900 + "}"),
    "a message of 900 levels": b'{"success": false, "errors": [{"message": %s}]}' % (b"[" * 900 + b"]" * 900),
}
HUGE = {
    "text": _success('"' + "x" * 20 * MEGABYTE + '"'),
    "no JSON": b"x" * 20 * MEGABYTE,
    "message": _failure({"code": 7, "message": "x" * 20 * MEGABYTE}),
    "errors": _failure(*[{"code": 7, "message": "x"}] * 700_000),
    "items": _success("[" + "{}," * 5 * MEGABYTE + "{}]"),
}


def _kinds(clean: Cleanly) -> dict[tuple[str, str], tuple[str, Request]]:
    """Of each method and path the first request, and whose it is."""
    found: dict[tuple[str, str], tuple[str, Request]] = {}
    for name in SCENARIOS:
        for request in clean(name).requests:
            found.setdefault((request.method, request.path), (name, request))
    return found


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.long
def test_bodies(emulator: Emulator, clean: Cleanly, body: str, status: int) -> None:
    fault = {"body": BODIES[body], "status": status}
    problems = [
        f"{request}: {problem}"
        for name, request in _kinds(clean).values()
        for problem in _problems(Stage(emulator, SCENARIOS[name]), request, fault)
    ]
    assert not problems, "\n".join(problems)


def _problems(stage: Stage, request: Request, fault: dict[str, Any]) -> Iterator[str]:
    stage.emulator.faults.append(Fault(request.method, request.path, 9, **fault))
    started = stage.emulator.now()
    try:
        result = stage.run(retries=1)
    except Exception as error:
        yield f"{type(error).__name__}: {str(error)[:200]}"
        return
    yield from (flaw[:200] for flaw in stage.flaws(result))
    if len(result.get("msg", "")) > LONGEST_MESSAGE:
        yield f"a message of {len(result['msg'])} characters"
    if stage.emulator.now() - started > LONGEST_WAIT_SECONDS:
        yield f"took {stage.emulator.now() - started} seconds"


@pytest.mark.parametrize("body", HUGE)
def test_huge_bodies(emulator: Emulator, clean: Cleanly, body: str) -> None:
    request = Request("GET", "/zones/[0-9a-f]{32}/origin_tls_client_auth", 0)
    assert not list(_problems(Stage(emulator, SCENARIOS["rotation"]), request, {"body": HUGE[body]}))


ENCODED = {"no gzip": "gzip", "unheard of": "x-unheard-of", "twice": "gzip, gzip", "no deflate": "deflate"}


@pytest.mark.parametrize("encoding", ENCODED)
def test_content_encodings(emulator: Emulator, clean: Cleanly, encoding: str) -> None:
    fault = {"body": "{}", "headers": {"Content-Encoding": ENCODED[encoding]}}
    problems = [
        f"{request}: {problem}"
        for name, request in _kinds(clean).values()
        for problem in _problems(Stage(emulator, SCENARIOS[name]), request, fault)
    ]
    assert not problems, "\n".join(problems)


HEADERS = ("Ratelimit", "Ratelimit-Policy", "Retry-After", "CF-Ray", "Location", "Content-Type")


@settings(max_examples=60)
@given(
    status=st.sampled_from([200, 302, 409, 429, 503]),
    headers=st.dictionaries(
        st.sampled_from(HEADERS), st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])), min_size=1
    ),
)
@example(302, {"Location": "http://["})
@example(302, {"Location": "http://example.com:port/"})
@example(302, {"Location": "//"})
@example(302, {"Location": "\x80"})
@example(200, {"Ratelimit": '"default";r=0;t=99999999999999999999'})
@example(200, {"Ratelimit": '"default";r=-1;t=-1', "Ratelimit-Policy": '"default";q=0;w=0'})
@example(200, {"Ratelimit": '"default";r=0;t=5, "default";r=;t=x, ;;,', "Ratelimit-Policy": "q=1"})
@example(429, {"Retry-After": "99999999999999999999"})
@example(429, {"Retry-After": "-1"})
@example(429, {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"})
@example(503, {"Retry-After": "Fri, 99 Nil 0000 00:00:00"})
@example(503, {"Retry-After": "1e9"})
def test_headers(emulator: Emulator, clean: Cleanly, status: int, headers: dict[str, str]) -> None:
    name, request = _kinds(clean)["GET", "/zones/[0-9a-f]{32}/settings/auto_origin_tls_kex"]
    fault = {"headers": headers} | ({} if status == 200 else {"status": status})
    assert not list(_problems(Stage(emulator, SCENARIOS[name]), request, fault))


# -- a good answer with one thing wrong

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.just("active")),
    lambda children: st.one_of(st.lists(children, max_size=3), st.dictionaries(st.text(), children, max_size=3)),
    max_leaves=5,
)
Change = tuple[str, int, Any]
changes: st.SearchStrategy[Change] = st.tuples(
    st.sampled_from(["replace", "drop", "add", "repeat"]), st.integers(0, 1000), anything
)


def _changed(answer: Any, change: Change) -> Any:
    """With the nth node replaced or dropped, or something added to it where it holds others."""
    how, nth, value = change
    nodes = [(answer, name) for name in answer]
    for parent, name in nodes:  # grows while it is walked
        child = parent[name]
        names = list(child) if isinstance(child, dict) else range(len(child)) if isinstance(child, list) else []
        nodes.extend((child, name) for name in names)
    parent, name = nodes[nth % len(nodes)]
    if how == "replace":
        parent[name] = value
    elif how == "drop":
        del parent[name]
    elif isinstance(parent, list):
        parent.append(value if how == "add" else parent[name])
    else:
        parent[f"{name} again"] = value if how == "add" else parent[name]
    return answer


@contextlib.contextmanager
def _altered(emulator: Emulator, request: Request, alter: Callable[[Any], Any], times: int) -> Iterator[None]:
    """Good answers to such requests, but altered."""
    good, left = emulator.handle, [times]

    def handle(method: str, target: str, headers: Any, raw: bytes) -> Reply:
        reply = good(method, target, headers, raw)
        path = target.partition("?")[0].removeprefix("/client/v4")
        if left[0] and method == request.method and re.fullmatch(request.path, path):
            left[0] -= 1
            reply.body = json.dumps(alter(json.loads(reply.body or b""))).encode()
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator, "handle", handle)
        yield


@pytest.mark.parametrize("name", SCENARIOS)
@settings(max_examples=40)
@given(nth=st.integers(0, 100), change=changes, lasting=st.booleans())
@example(nth=2, change=("replace", 11, []), lasting=False)
@pytest.mark.long
def test_one_thing_wrong(
    emulator: Emulator, clean: Cleanly, name: str, nth: int, change: Change, lasting: bool
) -> None:
    requests = clean(name).requests
    request = requests[nth % len(requests)]
    stage = Stage(emulator, SCENARIOS[name])
    with _altered(emulator, request, lambda answer: _changed(answer, change), 9 if lasting else 1):
        assert not list(_problems(stage, request, {}))


@pytest.mark.parametrize("name", ["rotation", "absence", "absence by id", "absence beside another", "info"])
def test_every_certificate_listed_twice(emulator: Emulator, clean: Cleanly, name: str) -> None:
    def twice(answer: Any) -> Any:
        return {**answer, "result": answer["result"] * 2}

    stage = Stage(emulator, SCENARIOS[name])
    with _altered(emulator, Request("GET", "/zones/[0-9a-f]{32}/origin_tls_client_auth", 0), twice, 1):
        assert not stage.run().get("failed")
    assert stage.look() == clean(name).wanted
