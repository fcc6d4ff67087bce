# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of an audit in a real browser: on a desk and on a phone, light and dark, with and without scripts.

``AUDIT_SCREENSHOTS=DIRECTORY`` in the environment keeps pictures of it to look at.
"""

from __future__ import annotations

import datetime
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import Posture
from ansible_collections.originsec.cloudflare.plugins.plugin_utils import _harden, _harden_report
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit import (
    NOTHING_MORE,
    About,
    Fleet,
    Row,
    audit,
    fleet,
    unreadable,
)
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit_report import report
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._comparison import Previous
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._waivers import Waiver
from ansible_collections.originsec.cloudflare.tests.unit.plugins.plugin_utils.test_audit import certificate, result
from ansible_collections.originsec.cloudflare.tests.unit.plugins.plugin_utils.test_audit_report import HOSTILE, hostile

NOW = datetime.datetime.now(datetime.timezone.utc)
WANTED = Posture(
    required_ssl_modes=("full", "strict"), auto_origin_tls_kex=True, client_auth_enabled=True, min_days_remaining=30
)
LONG = "a-rather-long-label-" * 3 + ".example"


def row(zone: str, days: int = 200, about: About = NOTHING_MORE, origins: Any = (), **changes: Any) -> Row:
    not_after = (NOW + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = result(certificate(days_remaining=days, not_after=not_after), **changes)
    return audit(zone, {**found, "origins": origins}, WANTED, about)


ROWS = (
    row("shop.example"),
    row("blog.example", enabled=False),
    row("api10.example", 12),
    row("api9.example", -6),
    row("www.example", 61, ssl_mode="flexible", auto_origin_tls_kex=False),
    row("docs.example", 400),
    row(LONG, 100, compliance_modes=["fips", "pqh"]),
    unreadable("gone.example", f"GET https://api.example/{'f' * 200}: no permission"),
    hostile(),
)

ORIGINS = [
    {"origin": "origin.example:443", "enforcement": "enforcing", "post_quantum": True, "error": None},
    {"origin": "192.0.2.10:8443", "enforcement": "open", "post_quantum": False, "error": None},
]
WAIVER = Waiver("ssl_mode", "The shop moves to another host in March", datetime.date(2027, 3, 31))


def zone_of(number: int) -> Row:
    """One of many, in accounts with owners, of which a few have something to tell."""
    about = About(f"Account {number % 3}", ("web team", "shop team")[number % 2])
    name = f"zone{number}.example"
    unread: Row = {**unreadable(name, "GET https://api.example/zones: Invalid access token"), "account": "Account 0"}
    told = {
        7: row(name, 12, about),
        8: row(name, 200, about, enabled=False, auto_origin_tls_kex=False),
        9: row(name, 200, replace(about, waivers=(WAIVER,)), ssl_mode="flexible"),
        10: row(name, 200, replace(about, state="paused")),
        11: row(name, 200, about, origins=ORIGINS),
        12: unread,
    }
    return told.get(number) or row(name, 60 + number % 400, about)


def whole(zones: int) -> Fleet:
    """A fleet of which everything is to be told: what is new, what is gone, what was not read."""
    known: Previous = {
        "generated": "2026-11-27T03:00:00Z",
        "zones": {f"zone{number}.example": [] for number in range(zones)},
    }
    known["zones"] |= {"zone0.example": ["ssl_mode"], "old.example": ["client_auth"]}
    sources = [
        "/srv/zones/second.cloudflare.yml: it could not be read: GET https://api.example/zones: Invalid access token"
    ]
    return fleet(map(zone_of, range(zones)), sources if zones > 3 else [], zones, known)


Open = Callable[..., Page]


def _fleet(rows: Sequence[Row] | Fleet) -> Fleet:
    return fleet(rows) if isinstance(rows, Sequence) else rows


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """The report of some rows in a window. Whatever the browser complains of, or asks the network for, is a failure."""
    complaints: list[str] = []
    contexts = []

    def open_page(rows: Sequence[Row] | Fleet | str = ROWS, width: int = 1280, **options: Any) -> Page:
        """rows: or a fleet, or the text of a page."""
        path = tmp_path / "report.html"
        of = rows if isinstance(rows, str) else report(_fleet(rows), "html", "", False, NOW)
        path.write_text(of, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def column(page: Page, number: int) -> list[str]:
    texts: list[str] = page.eval_on_selector_all(
        "#zones tbody tr", f"rows => rows.map(row => row.cells[{number}]?.innerText.split('\\n')[0].trim() ?? '')"
    )
    return texts


def sorted_by(page: Page) -> dict[str, str]:
    heads: dict[str, str] = page.eval_on_selector_all(
        "#zones th[aria-sort]", "heads => Object.fromEntries(heads.map(head => [head.innerText.trim(), head.ariaSort]))"
    )
    return heads


def test_it_sorts_by_click_and_keyboard(open_page: Open) -> None:
    page = open_page()
    before = column(page, 0)
    assert before[0] == "gone.example"
    assert sorted_by(page) == {}
    page.get_by_role("button", name="Zone").click()
    assert sorted_by(page) == {"Zone": "ascending"}
    names = column(page, 0)
    assert sorted(names) == sorted(before)
    assert names.index("api9.example") < names.index("api10.example") < names.index("blog.example")
    assert page.locator("#sorted").inner_text() == "Sorted by Zone, ascending"

    page.get_by_role("button", name="Days").focus()
    page.keyboard.press("Enter")
    assert sorted_by(page) == {"Days": "ascending"}
    assert column(page, 7) == ["-6", "12", "61", "89", "100", "200", "200", "400", ""]
    page.keyboard.press("Space")
    assert sorted_by(page) == {"Days": "descending"}
    assert column(page, 7) == ["400", "200", "200", "100", "89", "61", "12", "-6", ""], "what nobody knows stays last"

    page.get_by_role("button", name="Status").click()
    statuses = column(page, 1)
    assert statuses == sorted(statuses, key=["Unreadable", "Drift", "Compliant"].index)


@pytest.mark.parametrize("width", [320, 400, 800, 1152, 1153, 1280, 2000])
@pytest.mark.parametrize("scripts", [True, False])
def test_no_part_of_it_is_beside_the_window(open_page: Open, width: int, scripts: bool) -> None:
    page = open_page(width=width, java_script_enabled=scripts)
    beside = page.evaluate("""() => [...document.querySelectorAll('body *')]
        .filter(one => one.getClientRects().length && !one.closest('.hidden'))
        .filter(one => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1)
        .map(one => one.outerHTML.slice(0, 80))""")
    assert beside == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


BESIDE = """() => [...document.querySelectorAll('body *')]
    .filter(one => one.getClientRects().length && !one.closest('.hidden'))
    .filter(one => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1)
    .map(one => one.outerHTML.slice(0, 80))"""
# A name may be wrapped between its labels, but not within one.
NAMES = "#zones tbody th bdi, .names bdi, #zones thead button, #zones td b"
BROKEN = (
    f"""() => [...document.querySelectorAll('{NAMES}')]"""
    """.flatMap(one => {
    const text = one.firstChild.data ?? one.textContent;
    return [...text.matchAll(/[^.\\s-]+/g)].filter(([label]) => label.length < 20).filter(found => {
        const walker = document.createTreeWalker(one, NodeFilter.SHOW_TEXT), range = document.createRange();
        const node = walker.nextNode();
        range.setStart(node, found.index);
        range.setEnd(node, found.index + found[0].length);
        return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
    }).map(([label]) => label);
})"""
)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("zones", [3, 1000])
def test_fleets(open_page: Open, width: int, zones: int) -> None:
    """With accounts, owners, origins, waivers, a comparison and a source that was not read."""
    page = open_page(whole(zones), width=width)
    assert page.evaluate(BESIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(BROKEN) == []
    shown = page.locator("#zones tbody tr:visible")
    if zones == 3:
        assert shown.count() == 3
        assert page.locator("#unfold").count() == 0
        return
    assert page.get_by_role("heading", name="This is not the whole fleet").is_visible()
    assert shown.count() == 6, "those that are compliant are folded"
    narrowest = page.eval_on_selector_all("#zones td ul", "all => Math.min(...all.map(one => one.clientWidth))")
    assert narrowest > 90, "there is room for what differs"
    numbers = page.eval_on_selector_all(".timeline .value", "all => all.map(one => one.getBoundingClientRect())")
    boxes = sorted((box["left"], box["right"]) for box in numbers if box["width"])
    assert all(right <= left for (_left, right), (left, _right) in itertools.pairwise(boxes)), "no number overprints"


def test_search_filter_and_fold(open_page: Open) -> None:
    page = open_page(whole(1000))
    shown = page.locator("#zones tbody tr:visible")
    page.get_by_label("Search").fill("zone99 web")
    assert column(page, 0)[0]
    assert page.locator("#matching").inner_text() == "5 of 1000 zones"
    assert shown.count() == 5
    page.get_by_label("Search").fill("")
    page.get_by_label("Show").select_option("waived")
    assert shown.locator("th").all_inner_texts() == ["zone9.example"]
    assert "until 2027-03-31: The shop moves to another host in March" in shown.inner_text()
    page.get_by_label("Show").select_option("")
    assert shown.count() == 1000

    page = open_page(whole(1000))
    page.get_by_role("button", name="Show the 994 zones that are compliant").click()
    assert page.locator("#zones tbody tr:visible").count() == 1000
    page = open_page(whole(1000), java_script_enabled=False)
    assert page.locator("#zones tbody tr:visible").count() == 1000
    assert not page.get_by_label("Search").is_visible()


def test_since_the_last_audit(open_page: Open) -> None:
    page = open_page(whole(30))
    section = page.locator(
        "section", has=page.get_by_role("heading", name="Since the audit of 2026-11-27 03:00:00 UTC")
    )
    assert section.locator("dd").all_inner_texts() == ["5", "1", "0"]
    assert "Gone, SSL mode: 1 zone, zone0.example" in section.inner_text()
    assert "Zones that are gone: 1, old.example" in section.inner_text()


def harden_report(zones: int) -> str:
    """Of a run, as a page."""
    changed = {"changes": ["auto_origin_tls_kex"], "before": {"auto_origin_tls_kex": False}}
    results: list[dict[str, Any]] = [
        {"failed": True, "msg": "https://zone0.example/ answered 520 after the change. " * 6},
        {"inactive": "paused", "failed": True},
        {**changed, "after": {"auto_origin_tls_kex": True}, "not_verified": "the response came from the cache"},
    ]
    hosts: dict[str, dict[str, Any]] = {
        f"zone{number}.example": {
            "zone_hardening_report": results[number] if number < 3 else {"changes": []},
            "cloudflare_account_name": f"Account {number % 3}",
        }
        for number in range(zones)
    }
    return _harden_report.report(_harden.fleet(hosts, False, [], NOW), "html")


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("zones", [3, 1000])
def test_the_report_of_harden(open_page: Open, width: int, zones: int) -> None:
    page = open_page(harden_report(zones), width=width)
    assert page.evaluate(BESIDE) == []
    assert page.evaluate(BROKEN) == []
    assert page.locator("#zones tbody tr:visible").count() == 3
    assert "enabled automatic key exchange" in page.locator("#zones tbody").first.inner_text()
    page.get_by_label("Search").fill("zone2.example")
    assert page.locator("#zones tbody tr:visible").count() == 1


@pytest.mark.parametrize("width", [400, 1280])
def test_no_name_is_broken_that_fits(open_page: Open, width: int) -> None:
    page = open_page(width=width)
    first = page.locator(".soon li").first
    assert first.locator("bdi").evaluate("name => name.getBoundingClientRect().height") < 30, "one line"
    assert first.locator("bdi, .left").all_inner_texts() == ["api9.example", "expired 6 days ago"]


def test_without_scripts_it_has_everything_but_the_sorting(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator("#zones button").count() == 0
    assert page.locator("#zones tbody tr").count() == len(ROWS)
    assert page.get_by_text("5 of 9 zones have drift, and 1 could not be read.").is_visible()


def test_hostile_text_is_shown_as_what_it_is(open_page: Open) -> None:
    page = open_page()
    assert page.locator("#zones bdi", has_text="<script>alert(1)").first.inner_text() == HOSTILE
    assert page.locator("script").count() == 1
    assert page.locator("img").count() == 0


def test_the_policy_lets_nothing_else_run(browser: Browser, tmp_path: Path) -> None:
    """Even if a script or an image got into the page: the other tests would notice, and nothing would come of it."""
    path = tmp_path / "report.html"
    injected = "<script>window.pwned = 1</script><img src=x.png onerror='window.pwned = 2'><p style='color: red'>x</p>"
    path.write_text(
        report(fleet(ROWS), "html", "", False, NOW).replace("<footer>", f"{injected}<footer>"), encoding="utf-8"
    )
    context = browser.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(path.as_uri())
    assert page.evaluate("window.pwned") is None
    assert page.locator("#zones button").count() == 9, "its own script does run"
    for directive in ("script-src", "style-src", "img-src"):
        assert any("Content Security Policy" in text and directive in text for text in refused), directive
    context.close()


def luminance(colour: str) -> float:
    """Of a colour as the browser computes it, rgb(…), by WCAG 2."""
    channels = [int(channel) / 255 for channel in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(open_page: Open, scheme: str) -> None:
    """At least 4.5:1, as WCAG 2 AA has it, on whatever is behind."""
    page = open_page(color_scheme=scheme)
    pairs = page.evaluate("""() => [...document.querySelectorAll('body *')]
        .filter(one => one.tagName !== 'title')
        .filter(one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()))
        .map(one => {
            const style = getComputedStyle(one);
            let behind = one;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [one instanceof SVGElement ? style.fill : style.color, getComputedStyle(behind).backgroundColor];
        })""")
    assert len(pairs) > 100
    backgrounds = {luminance(behind) for _colour, behind in pairs}
    assert all(one > 0.8 for one in backgrounds) if scheme == "light" else all(one < 0.05 for one in backgrounds)
    for colour, behind in {tuple(pair) for pair in pairs}:
        dark, light = sorted((luminance(colour), luminance(behind)))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (colour, behind)


def test_a_zone_that_has_something_to_do_leads_to_its_row(open_page: Open) -> None:
    page = open_page()
    link = page.locator(".todo a", has_text="blog.example")
    link.click()
    assert page.locator("tr:target th").inner_text() == "blog.example"


def test_on_paper_every_zone_is_named(open_page: Open) -> None:
    page = open_page([row(f"zone{number}.example", 3) for number in range(40)], width=1031)
    last = page.locator(".todo li li").last
    assert not last.is_visible()
    page.emulate_media(media="print")
    assert last.is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"


def test_a_thousand_zones(open_page: Open) -> None:
    rows = [row(f"zone{number}.example", number % 500) for number in range(1000)]
    started = time.monotonic()
    text = report(fleet(rows), "html", "", False, NOW)
    assert time.monotonic() - started < 5
    assert len(text) < 1_500_000
    page = open_page(rows)
    started = time.monotonic()
    page.locator("#zones thead").get_by_role("button", name="Zone").click()
    assert column(page, 0)[:3] == ["zone0.example", "zone1.example", "zone2.example"]
    assert time.monotonic() - started < 5


@pytest.mark.skipif("AUDIT_SCREENSHOTS" not in os.environ, reason="AUDIT_SCREENSHOTS names no directory for pictures")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")])
def test_pictures_to_look_at(open_page: Open, width: int, scheme: str) -> None:
    for name, of in {"9": ROWS, "3": whole(3), "1000": whole(1000), "harden": harden_report(1000)}.items():
        page = open_page(of, width=width, color_scheme=scheme)
        page.screenshot(path=Path(os.environ["AUDIT_SCREENSHOTS"], f"{name}-{width}-{scheme}.png"), full_page=True)
