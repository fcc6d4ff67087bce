# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An audit as people get it: what is aligned, bounded, escaped, and nothing for a spreadsheet to work out."""

from __future__ import annotations

import base64
import csv
import datetime
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import Posture
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit import (
    About,
    Row,
    audit,
    fleet,
    unreadable,
)
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit_page import timeline, urgency
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._audit_report import report
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._comparison import Previous
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._waivers import waivers
from ansible_collections.originsec.cloudflare.tests.unit.plugins.plugin_utils.test_audit import certificate, result

NOW = datetime.datetime(2026, 11, 23, 8, 30, tzinfo=datetime.timezone.utc)
WANTED = Posture(client_auth_enabled=True, min_days_remaining=30, auto_origin_tls_kex=True)
HOSTILE = "<script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>\"'&{{ 7 * 7 }}"


def row(zone: str, days: int = 89, **changes: Any) -> Row:
    return audit(zone, result(certificate(days_remaining=days), **changes), WANTED)


def rendered(*rows: Row, format_: str = "html", scope: str = "", limited: bool = False) -> str:
    return report(fleet(rows), format_, scope, limited, NOW)


def table(*rows: Row, limited: bool = False) -> list[str]:
    return rendered(*rows, format_="txt", limited=limited).splitlines()


def test_the_table_is_aligned() -> None:
    japanese = audit("b.example", result(certificate(subject="CN=株式会社,O=x")), WANTED)
    quoted = audit("c.example", result(certificate(subject='CN=a \\"b\\" \\\\c,O=x')), WANTED)
    lines = table(row("a.long-name.example", 100), japanese, quoted, row("d.example", 3), row("e", -12))
    assert lines == [
        "5 zones: 2 with drift, 3 compliant",
        "5 client certificates: 1 expired, 1 within 7 days, 1 within 30 days, 3 within 90 days (each includes the ones "
        "before)",
        "",
        "ZONE                 SSL MODE  KEY EXCHANGE  COMPLIANCE  AOP  CERTIFICATE  DAYS  DRIFT",
        "e                    strict    automatic     pqh         on   ours          -12  certificate_expired",
        "d.example            strict    automatic     pqh         on   ours            3  certificate_expiring",
        "b.example            strict    automatic     pqh         on   株式会社       89  none",
        "c.example            strict    automatic     pqh         on   a b c          89  none",
        "a.long-name.example  strict    automatic     pqh         on   ours          100  none",
        "",
    ]


def test_the_table_shows_what_differs_and_what_cannot_be_read() -> None:
    nothing = result(enabled=False, ssl_mode="off", auto_origin_tls_kex=False, compliance_modes=[])
    nothing["origin_tls"]["client_auth"]["active_certificate"] = None
    lines = table(audit("a", nothing, WANTED), unreadable("b", "Not allowed"))
    assert lines[:4] == [
        "2 zones: 1 could not be read, 1 with drift",
        "0 client certificates: 0 expired, none within 90 days",
        "Could not be read:",
        "  b: Not allowed",
    ]
    assert lines[6].split() == [
        "a",
        "off",
        "off",
        "none",
        "off",
        "none",
        "-",
        "client_auth,certificate,auto_origin_tls_kex",
    ]


def everything(number: int) -> Row:
    """Of so many zones, what may become of one."""
    name = f"zone{number}.example"
    waiver = {"aspect": "client_auth", "reason": "moving", "until": "2027-01-31"}
    return [
        lambda: row(name),
        lambda: row(name, 3),
        lambda: row(name, enabled=False),
        lambda: unreadable(name, f"zone{number}.example has its very own problem number {number}."),
        lambda: audit(name, result(), WANTED, About(state="paused")),
        lambda: audit(name, result(), Posture()),
        lambda: audit(name, result(enabled=False), WANTED, About(waivers=waivers([waiver], NOW.date()))),
    ][number % 7]()


def test_three_hundred_zones_fit_a_screen() -> None:
    """Whatever became of them, and whatever is new; the file has all of them."""
    rows = [everything(number) for number in range(300)]
    before = json.loads(report(fleet(rows[:250]), "json", "", False, NOW))
    known: Previous = {
        "generated": before["generated"],
        "zones": {one["zone"]: [] if one["zone"].endswith("2.example") else ["ssl_mode"] for one in before["zones"]},
    }
    summed = fleet(rows, ["b.cloudflare.yml: it could not be read."], 400, known)
    lines = report(summed, "txt", "", True, NOW).splitlines()
    assert (
        lines[0]
        == "300 zones: 43 could not be read, 86 with drift, 43 not active, 43 not managed, 42 waived, 43 compliant"
    )
    assert lines[2:4] == [
        "Incomplete: b.cloudflare.yml: it could not be read.",
        "Incomplete: 300 zones are in this audit, and audit_expected_zones is 400.",
    ]
    assert len(lines) < 45
    assert max(map(len, lines)) < 200
    assert "and 74 more with drift" in lines
    everywhere = report(summed, "txt", "", False, NOW)
    assert all(one["zone"] in everywhere for one in rows if one["status"] != "not managed")


def test_json_has_everything() -> None:
    rows = (row("a.example", 3), unreadable("b.example", "why"))
    told = json.loads(rendered(*rows, format_="json", scope="limited to a*"))
    assert told["generated"] == "2026-11-23T08:30:00Z"
    assert told["scope"] == "limited to a*"
    assert told["totals"] == fleet(rows)["totals"]
    assert told["zones"] == fleet(rows)["zones"]


def test_csv_tells_of_each_zone_what_is_new_and_gone() -> None:
    wanted, found = Posture(auto_origin_tls_kex=True), {"a.example": False, "b.example": True, "c.example": True}
    rows = [audit(name, result(auto_origin_tls_kex=on), wanted) for name, on in found.items()]
    before = {"a.example": ["ssl_mode", "client_auth"], "b.example": ["auto_origin_tls_kex"], "c.example": []}
    compared = fleet(rows, previous={"generated": "2026-11-27T00:00:00Z", "zones": before})
    read = {row["zone"]: row for row in csv.DictReader(io.StringIO(report(compared, "csv", "", False, NOW)))}
    assert {name: (row["drift_new"], row["drift_gone"]) for name, row in read.items()} == {
        "a.example": ("auto_origin_tls_kex", "ssl_mode client_auth"),
        "b.example": ("", "auto_origin_tls_kex"),
        "c.example": ("", ""),
    }


def test_csv_is_a_table_in_which_nothing_is_a_formula() -> None:
    names = ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "=1")
    rows = [audit(name, result(certificate(subject=f'{name},\n"x"')), WANTED) for name in names]
    text = rendered(*rows, row("z.example", -4), unreadable("y.example", "=cmd|' /C calc'!A0"), format_="csv")
    read = list(csv.DictReader(io.StringIO(text)))
    assert len(read) == len(names) + 2
    for line in read:
        for name, cell in line.items():
            assert cell.lstrip()[:1] not in {*"=+-@"} or name == "days_remaining", line
    assert {line["zone"]: line["days_remaining"] for line in read}["z.example"] == "-4", "a number stays one"
    assert read[0]["error"] == "'=cmd|' /C calc'!A0"
    assert read[0]["drift"] == "unreadable"
    (expired,) = [line for line in read if line["zone"] == "z.example"]
    assert (expired["drift"], expired["compliance_modes"], expired["client_auth_enabled"]) == (
        "certificate_expired",
        "pqh",
        "True",
    )


class Page(HTMLParser):
    """What a browser would make of it, as far as it matters here."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open, []).append(data)


def hostile() -> Row:
    presented = certificate(subject=HOSTILE, fingerprint_sha256='"><b>', not_after="<i>", status=HOSTILE)
    found = result(ssl_mode=HOSTILE, compliance_modes=[HOSTILE], origin_pqe=HOSTILE)
    found["origin_tls"]["client_auth"].update(active_certificate=presented, certificates=[presented])
    variables = {
        "required_ssl_modes": ["strict"],
        "compliance_modes": ["fips"],
        "client_auth_enabled": True,
    }
    return audit(HOSTILE, found, Posture.from_options(variables))


def test_nothing_of_what_others_chose_becomes_part_of_the_page() -> None:
    plain, page = Page(rendered(row("a"))), Page(rendered(hostile(), unreadable(HOSTILE, HOSTILE), scope=HOSTILE))
    assert {tag for tag, _attributes in page.tags} - {tag for tag, _attributes in plain.tags} <= {
        "ul",
        "li",
        "b",
        "a",
        "h3",
    }
    assert [tag for tag, _attributes in page.tags].count("script") == 1
    assert not any("onerror" in attributes for _tag, attributes in page.tags)
    assert HOSTILE in page.texts["bdi"], "it is shown as what it is"


def test_the_page_needs_nothing_else_and_lets_nothing_else_in() -> None:
    text = rendered(row("a", 3), hostile(), unreadable("b", "why"))
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("link", "img", "iframe", "object", "base", "form")
        assert not {"src", "style", "onclick", "srcset", "xlink:href"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
    policy = next(one["content"] for _tag, one in page.tags if one.get("http-equiv") == "Content-Security-Policy") or ""
    for element, directive in (("style", "style-src"), ("script", "script-src")):
        (inline,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "base-uri 'none'; form-action 'none'" in policy
    assert "unsafe" not in policy
    assert "url(" not in text
    assert "@import" not in text
    targets = {one.get("id") for _tag, one in page.tags}
    assert all((one["href"] or "")[1:] in targets for tag, one in page.tags if tag == "a")


@pytest.mark.parametrize("format_", ["html", "json", "csv", "txt", "prom", "xml"])
def test_no_report_holds_a_certificate(format_: str) -> None:
    found = certificate(certificate="-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")
    text = rendered(audit("a.example", result(found), WANTED), format_=format_)
    assert "a.example" in text
    assert "BEGIN CERTIFICATE" not in text
    assert "MIIB" not in text


def test_the_page_says_what_to_do_with_which_zones() -> None:
    rows = [row(f"zone{number:02}.example", 3) for number in range(14)]
    text = rendered(*rows, row("z.example"))
    assert "14 of 15 zones have drift." in text
    assert "Renew client certificates that expire soon" in text
    assert "and 2 more" in text
    well = rendered(row("a"), row("b"))
    assert "All 2 zones are compliant." in well
    assert "Nothing: no zone has drift." in well
    assert "The zone is compliant." in rendered(row("a"))
    assert "First to expire" in text
    assert "3 days left" in text
    assert "expired 1 day ago" in rendered(row("a", -1))


def test_the_page_does_not_say_that_a_zone_differs_where_nobody_knows() -> None:
    unknown, different = unreadable("a", "why"), row("b", 3)
    assert "1 of 1 zone could not be read." in rendered(unknown)
    assert "1 of 2 zones has drift." in rendered(different, row("c"))
    assert "2 of 4 zones have drift, and 1 could not be read." in rendered(different, different, unknown, row("c"))
    assert "SHA-256 None" not in rendered(audit("a", result(certificate(fingerprint_sha256=None)), WANTED))


def test_the_page_says_what_was_wanted() -> None:
    others = [audit(f"{modes}", result(), Posture(required_ssl_modes=(str(modes),))) for modes in range(5)]
    text = rendered(row("a"), row("b"), *others, unreadable("c", "why"))
    assert "<h3>Of 2 zones</h3>" in text
    assert "<dt>Certificate validity</dt><dd><bdi>at least 30 days</bdi></dd>" in text
    assert "And 2 other combinations" in text, "of what was wanted of c, nothing is known"
    assert "Nothing in particular." in rendered(audit("a", result(), Posture()))
    assert "Nothing in particular." not in rendered(unreadable("a", "why"))


def test_the_page_without_a_certificate_has_no_picture() -> None:
    assert "No zone has an active client certificate." in rendered(unreadable("a", "why"))


def test_the_picture_has_a_bar_for_every_week_in_which_something_expires() -> None:
    days = [-400, -1, 0, 6, 7, 29, 30, 89, 90, 363, 364, 4000]
    drawn = timeline([row("a", left) for left in days] + [unreadable("b", "why")], NOW.date())
    assert [(one.count, one.urgency, one.when) for one in drawn.bars] == [
        (2, "expired", "already"),
        (2, "d7", "in the week from 2026-11-23"),
        (1, "d30", "in the week from 2026-11-30"),
        (2, "d30", "in the week from 2026-12-21"),
        (2, "d90", "in the week from 2027-02-15"),
        (1, "later", "in the week from 2027-11-15"),
        (2, "later", "after 2027-11-22"),
    ]
    assert sum(one.count for one in drawn.bars) == len(days)
    places = [(one.x, one.x + one.width) for one in drawn.bars]
    assert all(0 <= start < end <= 100 for start, end in places)
    assert all(end <= start for (_start, end), (start, _end) in zip(places, places[1:], strict=False))
    assert max(one.height for one in drawn.bars) == 1
    assert " ".join(month.name for month in drawn.months) == "Jan 2027 Feb Mar Apr May Jun Jul Aug Sep Oct Nov"
    assert [month.name for month in drawn.months if not month.minor] == ["Jan 2027", "Apr", "Jul", "Oct"]


def test_urgency() -> None:
    words = [urgency(days) for days in (None, -1, 0, 6, 7, 29, 30, 89, 90)]
    assert words == ["later", "expired", "d7", "d7", "d30", "d30", "d90", "d90", "later"]
