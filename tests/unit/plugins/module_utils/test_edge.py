# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a response through the edge proves, and how long it has to hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils._edge import Pull, Verification, checked_urls
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import InputError
from ansible_collections.originsec.cloudflare.tests.unit.in_process import Lab

ALIVE = Pull(200, ray=True, cache_status="DYNAMIC")
REFUSED_BY_NGINX = "400 No required SSL certificate was sent 400 Bad Request"

PROVES = [replace(ALIVE, cache_status=status) for status in ("DYNAMIC", "MISS", "BYPASS", "EXPIRED", "REVALIDATED")]
PROVES += [replace(ALIVE, status=status) for status in (204, 301, 302, 401, 403, 404, 500, 503)]

PROVES_NOTHING = {
    "challenge": (replace(ALIVE, status=403, challenge=True), "Cloudflare challenged the request (CF-Mitigated)"),
    "not through Cloudflare": (replace(ALIVE, ray=False), "did not come through Cloudflare (no CF-Ray)"),
    "straight from the origin": (Pull(200), "did not come through Cloudflare (no CF-Ray)"),
    "the edge itself": (replace(ALIVE, cache_status=""), "the edge or a Worker may have answered"),
    "301 from the edge": (Pull(301, ray=True), "the edge or a Worker may have answered"),
    **{
        status: (replace(ALIVE, cache_status=status), f"(CF-Cache-Status: {status})")
        for status in ("HIT", "STALE", "UPDATING", "NONE/UNKNOWN", "A STATUS OF 2027")
    },
}

DARK = {
    "nothing": Pull(None, failure="Connection refused"),
    **{str(status): replace(ALIVE, status=status) for status in (495, 496, *range(520, 528), 530)},
    "nginx, without": replace(ALIVE, status=400, start=REFUSED_BY_NGINX),
    "nginx, not trusted": replace(ALIVE, status=400, start="400 The SSL certificate error 400 Bad Request"),
}


@pytest.mark.parametrize("pull", PROVES, ids=lambda pull: f"{pull.cache_status} {pull.status}")
def test_a_response_of_the_origin_proves(pull: Pull) -> None:
    assert pull.unproved == ""
    assert not pull.dark()
    assert not pull.dark(pull)


@pytest.mark.parametrize("case", PROVES_NOTHING)
def test_other_responses_prove_nothing(case: str) -> None:
    pull, why = PROVES_NOTHING[case]
    assert why in pull.unproved
    assert not pull.dark()
    assert not pull.dark(ALIVE)


@pytest.mark.parametrize("case", DARK)
def test_dark_whatever_it_was_before(case: str) -> None:
    assert DARK[case].dark()
    assert DARK[case].dark(ALIVE)
    assert DARK[case].dark(DARK[case])


@pytest.mark.parametrize("status", [400, 403, 404, 500, 502, 503, 528, 529, 531])
def test_an_error_is_dark_where_there_was_none(status: int) -> None:
    error = replace(ALIVE, status=status)
    assert not error.dark()
    assert not error.dark(replace(ALIVE, status=404))
    for before in (200, 204, 301, 399):
        assert error.dark(replace(ALIVE, status=before))
    assert not error.dark(Pull(None, failure="no route"))


@given(st.integers(200, 599), st.integers(200, 399))
def test_what_answers_as_before_is_not_dark_unless_the_edge_says_so(status: int, before: int) -> None:
    pull = replace(ALIVE, status=status)
    assert pull.dark(replace(ALIVE, status=before)) == (status >= 400)
    assert pull.dark(pull) == (status in (495, 496, *range(520, 528), 530))


# ------------------------------------------------------------------------------------------------------- requests


def verification(lab: Lab, **properties: Any) -> Verification:
    return Verification(**{"urls": (lab.url,), "retries": 2, "delay": 5, "settle": 10, **properties})


SITES: dict[str, tuple[dict[str, Any], Pull]] = {
    "origin": ({}, ALIVE),
    "from the cache": ({"cache_status": "hit"}, replace(ALIVE, cache_status="HIT")),
    "no CF-Ray": ({"ray": False}, replace(ALIVE, ray=False)),
    "no CF-Cache-Status": ({"cache_status": None}, Pull(200, ray=True)),
    "challenge": ({"challenge": True}, Pull(403, ray=True, challenge=True, start="Just a moment...")),
    "redirect": ({"redirect": "https://elsewhere.example/"}, Pull(301, ray=True)),
    "error of the edge": ({"status": 525}, Pull(525, ray=True)),
    "nginx": (
        {"status": 400, "body": f"<html>\r\n<head><title>{REFUSED_BY_NGINX}</title></head>\r\n<body>\r\n"},
        replace(ALIVE, status=400, start=REFUSED_BY_NGINX),
    ),
    "compressed": ({"status": 503, "headers": {"Content-Encoding": "gzip"}, "body": ""}, replace(ALIVE, status=503)),
}


@pytest.mark.parametrize("case", SITES)
def test_what_is_seen_of_a_response(lab: Lab, case: str) -> None:
    attributes, expected = SITES[case]
    for name, value in attributes.items():
        setattr(lab.site, name, value)
    pull = verification(lab).pull(lab.url)
    start = expected.start or ("site" if attributes.get("body") is None and not attributes.get("redirect") else "")
    assert pull == replace(expected, start=start)


def test_a_site_that_does_not_answer(lab: Lab) -> None:
    lab.site.dark = True
    pull = verification(lab).pull(lab.url)
    assert pull.dark()
    assert pull.in_words() == "did not answer (closed)"


def test_what_a_site_writes_is_shown_in_one_short_line(lab: Lab) -> None:
    lab.site.status, lab.site.body = 500, "<b>a\x1b[31m\r\nb</b>\u202e" + "c" * 5000
    words = verification(lab).pull(lab.url).in_words()
    assert words.startswith("answered 500 (a [31m b")
    assert len(words) < 150
    assert words.isprintable()


def test_no_credentials_go_to_a_site(lab: Lab, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    seen: list[Any] = []
    handle = lab.emulator.handle

    def handled(*arguments: Any) -> Any:
        seen.append(arguments[2])
        return handle(*arguments)

    monkeypatch.setattr(lab.emulator, "handle", handled)
    verification(lab).pull(lab.url)
    assert "Authorization" not in seen[0]
    assert seen[0]["User-Agent"].startswith("originsec.cloudflare/")


# --------------------------------------------------------------------------------------------------------- in time


def visits(lab: Lab) -> list[float]:
    """When each request came, in seconds since the first."""
    at = [exchange.at for exchange in lab.emulator.journal]
    return [round(one - at[0]) for one in at]


def at_second(lab: Lab, change: Callable[[], Any], seconds: float) -> Callable[[], int]:
    """A status that is 200, until what becomes of it after so many seconds."""
    began = lab.emulator.now()
    return lambda: 200 if lab.emulator.now() - began < seconds else change()


@pytest.mark.parametrize(
    ("delay", "settle", "expected"),
    [
        (5, 10, [0, 5, 10]),
        (5, 0, [0, 0]),
        (5, 2, [0, 2]),
        (60, 10, [0, 10]),
        (0, 3, [0, 1, 2, 3]),
        (4, 10, [0, 4, 8, 10]),
    ],
)
def test_a_response_has_to_hold(lab: Lab, delay: int, settle: int, expected: list[int]) -> None:
    verification(lab, delay=delay, settle=settle).settled({lab.url: ALIVE})
    assert visits(lab) == expected


@pytest.mark.parametrize("seconds", [1, 8, 9.9])
def test_what_the_edge_picks_up_late_is_seen(lab: Lab, seconds: float) -> None:
    lab.site.status = at_second(lab, lambda: 520, seconds)
    after = verification(lab).settled({lab.url: ALIVE})
    assert after[lab.url].dark(ALIVE)
    assert len(visits(lab)) >= 1 + 2 + 1  # one that was good, the retries, and the one that they repeat


def test_after_darkness_it_has_to_hold_from_the_beginning(lab: Lab) -> None:
    statuses = iter([200, 403, 200, 200, 200, 200])
    lab.site.status = lambda: next(statuses)
    after = verification(lab).settled({lab.url: ALIVE})
    assert not after[lab.url].dark(ALIVE)
    assert visits(lab) == [0, 5, 10, 15, 20]


def test_a_site_that_flaps_does_not_hold(lab: Lab) -> None:
    statuses = iter([403, 200] * 20)
    lab.site.status = lambda: next(statuses)
    after = verification(lab).settled({lab.url: ALIVE})
    assert after[lab.url].dark(ALIVE)
    assert len(visits(lab)) <= 6


def test_the_waits_of_several_urls_are_shared(lab: Lab) -> None:
    urls = (lab.url, f"{lab.url}shop", f"{lab.url}login")
    after = verification(lab, urls=urls).settled(dict.fromkeys(urls, ALIVE))
    assert list(after) == list(urls)
    assert visits(lab) == [0] * 3 + [5] * 3 + [10] * 3


def test_a_url_that_is_dark_is_requested_again(lab: Lab) -> None:
    statuses = iter([520, 520, 200])
    lab.site.status = lambda: next(statuses)
    assert verification(lab).pull_all()[lab.url].status == 200
    assert visits(lab) == [0, 5, 10]


def test_a_url_that_is_worse_off_than_before_is_requested_again(lab: Lab) -> None:
    statuses = iter([403, 403, 200])
    lab.site.status = lambda: next(statuses)
    assert verification(lab).pull_all({lab.url: ALIVE})[lab.url].status == 200


@pytest.mark.parametrize(
    "url",
    ["example.com", "ftp://example.com/", "https://", "https:///path", "https://example.com:0/", "https://[::1", "x y"],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(
        InputError, match=r"verify_urls must hold URLs such as https://www.example.com/, and .* is none"
    ):
        checked_urls([url], "verify_urls")


def test_a_url_with_a_password_is_not_shown() -> None:
    with pytest.raises(InputError, match="without user and password") as caught:
        checked_urls(["https://me:secret@example.com/"], "verify_urls")
    assert "secret" not in str(caught.value)
    assert checked_urls(["https://a.example/", "https://a.example/"], "verify_urls") == ("https://a.example/",)
