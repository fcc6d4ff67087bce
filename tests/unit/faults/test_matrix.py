# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault at every request of every module, once and for good.

The requests are those that a clean run makes, read from the emulator's journal. What has to hold: an origin sees what
it saw before or what is wanted, never a third; nothing is lost that was to stay; a clean run after it gets there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault
from ansible_collections.originsec.cloudflare.tests.unit.faults.scenarios import (
    SCENARIOS,
    Cleanly,
    Request,
    Sight,
    Stage,
)

pytestmark = pytest.mark.usefixtures("_without_waiting")

BLOCK_SECONDS = 120


@dataclass(frozen=True)
class Kind:
    """A kind of fault. survived: the client gets over it. refused: it is an answer to believe at once.

    credible: nobody can see that it is wrong, so that success may be claimed where nothing was done. once: only once,
    since for good it is like another.
    """

    fault: dict[str, Any]
    survived: bool = False
    refused: bool = False
    credible: bool = False
    only_writes: bool = False
    once: bool = False


def _error(status: int, code: int, **more: Any) -> dict[str, Any]:
    errors = [{"code": code, "message": "as the test wants it"}]
    return {"status": status, "body": {"success": False, "errors": errors, "messages": [], "result": None}, **more}


_PASSING: dict[str, dict[str, Any]] = {
    "drop": {"drop": True},
    "drop after work": {"drop": True, "after_work": True},
    "cut": {"cut": True},
    "409": _error(409, 1409),
    "429": _error(429, 971, headers={"Retry-After": str(BLOCK_SECONDS)}),
    "500": _error(500, 1000),
    "502": {"status": 502},
    "502 after work": {"status": 502, "after_work": True},
}
_LIKE_DROP = {"timeout": {"delay": 0.3}, "timeout after work": {"delay": 0.3, "after_work": True}}
_LIKE_502 = {str(status): {"status": status} for status in (503, 504, *range(520, 528))}
_REFUSED = {"400": _error(400, 4711), "403": _error(403, 10000)}
_UNUSABLE: dict[str, dict[str, Any]] = {
    "empty": {"body": ""},
    "HTML": {"body": "<h1>Welcome</h1>"},
    "truncated JSON": {"body": '{"success": true, "result": {"id'},
    "success false": _error(200, 1000),
    "redirect": {"status": 302, "headers": {"Location": "https://example.com/"}},
}

KINDS = {
    **{name: Kind(fault, survived=True, only_writes="after work" in name) for name, fault in _PASSING.items()},
    **{
        name: Kind(fault, survived=True, once=True, only_writes="after work" in name)
        for name, fault in {**_LIKE_DROP, **_LIKE_502}.items()
    },
    **{name: Kind(fault, refused=True) for name, fault in _REFUSED.items()},
    **{name: Kind(fault) for name, fault in _UNUSABLE.items()},
    **{
        f"{name} after work": Kind({**fault, "after_work": True}, only_writes=True) for name, fault in _UNUSABLE.items()
    },
    "stale": Kind({"stale": True}, credible=True),
    "ignored": Kind({"ignore": True}, only_writes=True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.long
def test_matrix(emulator: Emulator, clean: Cleanly, name: str, kind: str) -> None:
    problems = [
        f"{request}, {'for good' if lasting else 'once'}: {problem}"
        for request in clean(name).requests
        if request.method != "GET" or not KINDS[kind].only_writes
        for lasting in ((False,) if KINDS[kind].once else (False, True))
        for problem in _problems(Stage(emulator, SCENARIOS[name]), clean(name).wanted, request, KINDS[kind], lasting)
    ]
    assert not problems, "\n".join(problems)


def _problems(stage: Stage, wanted: Sight, request: Request, kind: Kind, lasting: bool) -> Iterator[str]:
    emulator, old, started = stage.emulator, stage.old, stage.emulator.now()
    retries = 1 if lasting else 2
    emulator.faults.append(Fault(request.method, request.path, 1000 if lasting else 1, request.nth, **kind.fault))
    result = stage.run(retries=retries)
    if "delay" in kind.fault:
        _let_requests_end(emulator)

    failed, said = bool(result.get("failed")), result.get("msg", "success")
    seen, sent = stage.look(), len(stage.like(request))
    yield from stage.flaws(result)
    if seen.outside not in (old.outside, wanted.outside):
        yield f"a third state, {seen} ({said})"
    if not old.kept & wanted.kept <= seen.kept <= old.kept | wanted.kept:
        yield f"other certificates, {seen} ({said})"
    if not failed and not kind.credible and seen != wanted:
        yield f"success without effect, {seen}"
    # A failure need not know of a change, but must not make one up
    if result["changed"] > (seen != old) or (not failed and result["changed"] < (seen != old)):
        yield f"changed is {result['changed']} ({said})"
    if kind.refused and (not failed or sent != 1):
        yield f"sent {sent} times, though refused: {said}"
    if kind.survived and not lasting:
        if failed:
            yield f"did not get over it: {said}"
        if emulator.now() - started < float(kind.fault.get("headers", {}).get("Retry-After", 0)):
            yield "did not wait as long as it was asked to"
    if kind.survived and lasting:
        if request.method != "POST" and not (failed and sent == 2 and "tried 2 times" in said):
            yield f"sent {sent} times, not twice: {said}"
        if sent > 1 + retries:
            yield f"sent {sent} times: {said}"
        if failed and "status" in kind.fault and not re.search(rf"HTTP {kind.fault['status']}, cf-ray \S+-EMU", said):
            yield f"does not tell what the last answer was: {said}"

    emulator.faults.clear()
    if failed or kind.credible:
        mended = stage.run()
        if mended.get("failed") or stage.look() != wanted:
            yield f"the next run did not mend it: {mended.get('msg', stage.look())}"
    again = stage.run()
    if again.get("failed") or again["changed"]:
        yield f"a run after that changed something: {again.get('msg', stage.look())}"
    yield from stage.mischief()


def _let_requests_end(emulator: Emulator) -> None:
    """Those that the client gave up are still at work."""
    deadline = time.monotonic() + 10
    while any(one.status is None for one in emulator.journal) and time.monotonic() < deadline:
        time.sleep(0.01)
