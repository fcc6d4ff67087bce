# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook originsec.cloudflare.audit, run by ansible-playbook on zones that the playbook harden has hardened."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import (
    SSL_READ,
    ZONE_READ,
    Emulator,
    Fault,
)
from ansible_collections.originsec.cloudflare.tests.unit.docs.test_guides import follow
from ansible_collections.originsec.cloudflare.tests.unit.playbooks.fleet import NAMES, Fleet
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

REPORTS = ["a.html", "b.json", "c.csv"]
# Whoever runs the tests as root may write everywhere, unless that capability is dropped.
LIKE_ANYBODY = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []


@pytest.mark.long
def test_harden_then_audit_then_another_hand(fleet: Fleet, client_certificate: Issued) -> None:
    (fleet.directory / "client.pem").write_text(client_certificate.pem)
    (fleet.directory / "client.key").write_text(client_certificate.key_pem)
    fleet.variables = {
        "zone_hardening_compliance_modes": ["pqh"],
        "zone_hardening_exclusive": True,
        "zone_hardening_verify_urls": [],
    }
    files = {"CLOUDFLARE_CLIENT_CERTIFICATE_FILE": "client.pem"}
    run = fleet.run("harden", **files, CLOUDFLARE_CLIENT_KEY_FILE="client.key")
    assert run.returncode == 0, run.output

    run = fleet.audit("-e", "audit_fail_on_drift=true", **files)
    assert run.returncode == 0, run.output
    assert "3 zones: 3 compliant" in run.output
    assert run.row("shop.example") == ["shop.example", "strict", "automatic", "pqh", "on", "first", "89", "none"]
    assert fleet.emulator.count() == {"GET": 8 * len(NAMES)}

    fleet.zones["blog.example"].kex_enabled = False
    theirs = issue("theirs")
    fleet.emulator.upload(fleet.zones["api.example"], theirs.pem)
    run = fleet.audit("-e", "audit_fail_on_drift=true", **files)
    assert run.returncode == 2
    assert run.failed() == {"api.example", "blog.example"}
    assert "It differs from the desired state: auto_origin_tls_kex (off, wanted on)." in run.output
    assert f"superseded (CN=theirs ({theirs.fingerprint[:16]}), wanted none)." in run.output
    assert run.row("blog.example")[-1] == "auto_origin_tls_kex"
    assert run.row("api.example")[-3:] == ["theirs", "89", "certificate,superseded"]
    assert run.row("shop.example")[-1] == "none"

    run = fleet.audit("-e", "audit_fail_on_drift=false", **files)
    assert run.returncode == 0, "as a survey has it"
    assert run.failed() == set()


def test_reports(hardened: Fleet, client_certificate: Issued) -> None:
    """Written where the command was typed; in check mode, too, and never into the output."""
    hardened.zones["blog.example"].aop_enabled = False
    run = hardened.audit("--check", "--diff", "-e", "audit_report=a.html,b.json,c.csv", "--limit", "!api.example")
    assert run.returncode == 0, run.output
    assert "DOCTYPE" not in run.output
    page, told, lines = ((hardened.directory / name).read_text() for name in REPORTS)
    assert "1 of 2 zones has drift." in page
    assert "limited to !api.example" in page
    report = json.loads(told)
    assert [(zone["zone"], zone["status"]) for zone in report["zones"]] == [
        ("blog.example", "drift"),
        ("shop.example", "compliant"),
    ]
    assert report["zones"][0]["drift"] == [
        {"kind": "client_auth", "aspect": "client_auth", "found": "off", "wanted": "on"}
    ]
    assert report["zones"][0]["wanted"] == {
        "ssl_mode": "full, strict or origin_pull",
        "client_auth": "on",
        "certificate_expiring": "at least 30 days",
        "auto_origin_tls_kex": "on",
    }
    assert [line["drift"] for line in csv.DictReader(lines.splitlines())] == ["client_auth", ""]
    for text in (page, told, lines):
        assert client_certificate.fingerprint in text
        assert "BEGIN" not in text
        assert hardened.token not in text
    assert all((hardened.directory / name).stat().st_mode & 0o777 == 0o600 for name in REPORTS)


@pytest.mark.long
def test_reports_go_where_they_can(hardened: Fleet) -> None:
    """Also from a list, with upper case, from the home directory; and the text has what the terminal has."""
    hardened.variables["audit_report"] = ["~/a.TXT", " sub/../b.html", f"{hardened.directory}/b.html", ""]
    (hardened.directory / "sub").mkdir()
    run = hardened.audit()
    assert run.returncode == 0, run.output
    assert (hardened.directory / "a.TXT").read_text().splitlines()[0] == "3 zones: 3 compliant"
    assert "DOCTYPE" in (hardened.directory / "b.html").read_text()
    assert run.output.count("/b.html)") == 1, "written once"


def test_reports_that_could_not_be_written_are_refused_before_the_first_request(hardened: Fleet) -> None:
    (hardened.directory / "directory.csv").mkdir()
    (hardened.directory / "file").write_text("")
    hardened.variables["audit_report"] = (
        "report.html,report.pdf,html,missing/report.json,file/report.json,directory.csv"
    )
    run = hardened.audit()
    assert run.returncode == 2
    assert hardened.emulator.journal == []
    assert not (hardened.directory / "report.html").exists()
    here = hardened.directory.resolve()
    for problem in (
        "report.pdf must end in .html, .json, .csv, .txt, .prom or .xml, which says what to write.",
        "html must end in .html, .json, .csv, .txt, .prom or .xml, which says what to write.",
        f"missing/report.json cannot be written: there is no directory {here}/missing.",
        f"file/report.json cannot be written: there is no directory {here}/file.",
        "directory.csv cannot be written: it is a directory.",
    ):
        assert f"audit_report: {here}/{problem}" in run.output


def test_a_directory_that_may_not_be_written_to_is_refused(hardened: Fleet) -> None:
    (hardened.directory / "theirs").mkdir(mode=0o500)
    hardened.prefix = LIKE_ANYBODY
    run = hardened.audit("-e", "audit_report=theirs/report.html")
    assert run.returncode == 2
    assert hardened.emulator.journal == []
    assert "there is no permission to write into " in run.output


def test_a_certificate_that_is_not_there_is_refused_before_the_first_request(hardened: Fleet) -> None:
    run = hardened.audit(CLOUDFLARE_CLIENT_CERTIFICATE_FILE="client.pem")
    assert run.returncode == 2
    assert hardened.emulator.journal == []
    why = "CLOUDFLARE_CLIENT_CERTIFICATE_FILE names client.pem, which cannot be read: No such file or directory."
    assert why in run.output


def test_what_would_switch_the_gate_off_is_refused_before_the_first_request(hardened: Fleet) -> None:
    run = hardened.audit("-e", "audit_fail_on_drift=ture", "-e", "audit_reports=report.html")
    assert run.returncode == 2
    assert hardened.emulator.journal == []
    assert "audit_reports is no variable of the playbooks; did you mean audit_report?" in run.output
    assert "audit_fail_on_drift must be a boolean, true or false, not 'ture'." in run.output


@pytest.mark.long
def test_a_zone_that_cannot_be_read_keeps_none_of_the_others_from_being_told(hardened: Fleet) -> None:
    """Nor does one of which nobody can tell what is wanted; and no setting of hosts or of Ansible is in the way."""
    hardened.hosts["gone.example"] = {"cloudflare_zone_id": "f" * 32, "ansible_connection": "ssh"}
    hardened.hosts["unknown.example"] = {"ansible_python_interpreter": "/nonexistent"}
    hardened.hosts["odd.example"] = {**hardened.hosts.pop("api.example"), "zone_hardening_min_days_remaining": "soon"}
    run = hardened.audit("-e", "audit_fail_on_drift=yes", "-e", "audit_report=b.json", ANSIBLE_STRATEGY="free")
    assert run.returncode == 2
    assert "zone_hardening_min_days_remaining must be a whole number that is not negative, not 'soon'." in run.output
    assert "  gone.example: GET " in run.output
    assert "  unknown.example: There is no zone unknown.example" in run.output
    assert "5 zones: 3 could not be read, 2 compliant" in run.output
    assert run.failed() == {"gone.example", "odd.example", "unknown.example"}
    assert "It could not be read: There is no zone unknown.example" in run.output
    assert run.output.count("Show what was found") == 1
    report = json.loads((hardened.directory / "b.json").read_text())
    assert {zone["zone"]: zone["status"] for zone in report["zones"]} == {
        **dict.fromkeys(("gone.example", "odd.example", "unknown.example"), "unreadable"),
        **dict.fromkeys(("blog.example", "shop.example"), "compliant"),
    }
    assert next(zone for zone in report["zones"] if zone["zone"] == "odd.example")["error"]


def test_without_permission_every_zone_is_unreadable(hardened: Fleet) -> None:
    hardened.token = hardened.emulator.add_token(permissions=frozenset({SSL_READ, ZONE_READ}))
    run = hardened.audit("-e", f"zones={','.join(NAMES[:2])}", "-e", "awx_job_id=1", ANSIBLE_SHOW_CUSTOM_STATS="true")
    assert run.returncode == 0, run.output
    assert "2 zones: 2 could not be read" in run.output
    assert "'Zone Settings Read'" in run.output
    stats = json.loads(run.output.partition("RUN:")[2])
    assert stats["zone_audit"]["unreadable"] == 2
    assert hardened.emulator.count() == {"GET": 3 * 2}, "the name of each zone, its status, and what is refused"


@pytest.mark.long
def test_no_text_of_others_is_a_template(hardened: Fleet) -> None:
    """Neither what is in a certificate nor what Cloudflare answers is worked out."""
    template = "{{ 7 * 191 }}"
    hardened.emulator.upload(hardened.zones["shop.example"], issue(template).pem)
    hardened.zones["blog.example"].ssl_mode = template
    run = hardened.audit("-e", "audit_report=a.html,b.json,c.csv", "-e", "audit_fail_on_drift=true")
    assert run.returncode == 2, run.output
    assert f"ssl_mode ({template}, wanted full, strict or origin_pull)" in run.output
    told = {zone["zone"]: zone for zone in json.loads((hardened.directory / "b.json").read_text())["zones"]}
    assert told["shop.example"]["certificate"]["subject"] == f"CN={template}"
    assert told["blog.example"]["ssl_mode"] == template


@pytest.mark.long
def test_the_guide(tmp_path: Path, emulator: Emulator, token: str) -> None:
    """Followed to the letter."""
    emulator.add_zone("shop.example", id="023e105f4ecef8ad9ca31a8372d0c353", ssl_mode="strict")
    emulator.add_zone("blog.example")
    emulator.faults.append(Fault(path="//site/hook", status=204, times=9))
    cloudflare = {"CLOUDFLARE_BASE_URL": emulator.url, "CLOUDFLARE_API_TOKEN": token}
    cloudflare["AUDIT_WEBHOOK"] = f"{emulator.origin}/site/hook"
    output = follow("guide_audit.rst", tmp_path, **cloudflare)
    assert output.count("2 zones: 2 with drift") == 8
    assert output.count("It differs from the desired state: ") >= 2
    assert "Somebody has to look." in output
    assert {path.name for path in tmp_path.glob("report.*")} == {"report.html", "report.json", "report.csv"}
    assert "Since 20" in output
    assert "Somebody was told." in output
    (told,) = [exchange.body["text"] for exchange in emulator.journal if exchange.method == "POST"]
    assert told.startswith("Origin TLS audit, status 2: 2 of 2 zones with drift, 0 unreadable; new: none.")
    assert "originsec_zone_drift{" in (tmp_path / "origin_tls.prom").read_text()
