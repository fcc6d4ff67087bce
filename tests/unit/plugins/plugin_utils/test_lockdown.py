# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lockdown is to do, what it refuses before the first request, and where it says that everything stands."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.originsec.cloudflare.plugins.filter import lockdown_fleet, lockdown_plan, lockdown_report
from ansible_collections.originsec.cloudflare.plugins.module_utils._certificates import trusted_with, untrusted
from ansible_collections.originsec.cloudflare.plugins.plugin_utils import _variables
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._lockdown import Plan, plan
from ansible_collections.originsec.cloudflare.plugins.plugin_utils._lockdown_report import fleet, report
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

TREE = Path(__file__).parents[4]
NOW = datetime.datetime(2026, 9, 1, tzinfo=datetime.timezone.utc)


def planned(
    origins: dict[str, dict[str, Any]],
    zones: dict[str, dict[str, Any]],
    check_mode: bool = False,
    **settings: Any,
) -> Plan:
    return plan({**origins, **zones}, list(origins), list(zones), settings, check_mode)


def pair(leaf: Issued, **more: Any) -> dict[str, Any]:
    return {"zone_hardening_certificate": leaf.pem, "zone_hardening_private_key": leaf.key_pem, **more}


def test_which_origins_serve_which_zones(authority: Issued, other_authority: Issued) -> None:
    one, other = issue("one", issuer=authority), issue("other", issuer=other_authority)
    found = planned(
        {
            "web1": {"origin_client_auth_ca": [authority.pem, other_authority.pem]},
            "web2": {"origin_client_auth_zones": "b.example", "origin_client_auth_ca": other_authority.pem},
            "mail": {"origin_client_auth_zones": ["c.example"]},
            "down": {},
        },
        {
            "a.example": pair(one, zone_hardening_verify_urls="https://www.a.example/, https://a.example/"),
            "b.example": pair(other, zone_hardening_verify_settle=3),
        },
        lockdown_exclude="down",
    )
    assert (found["problems"], found["to"], found["makes_certificate"]) == ([], "require", False)
    assert list(found["origins"]) == ["web1", "web2"]
    web1, web2 = (found["origins"][name] for name in ("web1", "web2"))
    assert web1["urls"] == ["https://www.a.example/", "https://a.example/", "https://b.example/"]
    assert (web1["settle"], web2["settle"], web2["zones"], len(web1["ca"])) == (10, 3, ["b.example"], 2)
    assert found["excluded"] == ["down"]


def test_a_zone_whose_host_is_called_otherwise() -> None:
    found = planned({"web": {}}, {"shop": {"zone_hardening_zone_name": "a.example"}}, lockdown_to="off")
    assert found["origins"]["web"]["urls"] == ["https://a.example/"]


def test_who_is_to_be_trusted(authority: Issued) -> None:
    """The authority is known where the leaf signed itself, comes with its chain, or is made by the role."""
    own, leaf = issue("own"), issue("leaf", issuer=authority)
    assert planned({"web": {}}, {"a.example": pair(own)})["origins"]["web"]["ca"] == [own.pem]
    chained = pair(leaf, zone_hardening_certificate=leaf.pem + authority.pem)
    assert planned({"web": {}}, {"a.example": chained})["origins"]["web"]["ca"] == [authority.pem]
    made = planned({"web": {"origin_client_auth_ca": authority.pem}}, {"a.example": {}, "b.example": pair(leaf)})
    assert (made["makes_certificate"], made["origins"]["web"]["made"]) == (True, True)
    assert made["origins"]["web"]["ca"] == [authority.pem]
    assert trusted_with(leaf.pem) is None
    assert untrusted(leaf.pem, authority.pem) is None
    # Of the same name, and not the same key
    assert untrusted(leaf.pem, issue("authority", authority=True, usage=None).pem) == "CN=authority"


def test_undoing_needs_no_certificate(authority: Issued) -> None:
    undone = planned({"web": {}}, {"a.example": {"zone_hardening_client_auth_enabled": False}}, lockdown_to=False)
    assert (undone["problems"], undone["to"], undone["origins"]["web"]["ca"]) == ([], "off", [])
    without_key = {"zone_hardening_certificate": issue("own").pem}
    assert planned({"web": {}}, {"a.example": without_key}, check_mode=True)["problems"] == []


def test_a_certificate_that_is_made_in_awx_has_to_last(tmp_path: Path, authority: Issued) -> None:
    """Or every job would begin with another authority, whose key nobody has when the job is over."""
    given, directory = pair(issue("own")), "client_certificate_directory"
    gone = planned({"web": {}}, {"a.example": {}}, lockdown_job=True)["problems"]
    assert ["one that is made would be in the container of the job" in problem for problem in gone] == [True]
    missing = planned({"web": {directory: f"{tmp_path}/no"}}, {"a.example": {}}, lockdown_job=True)["problems"]
    assert [f"is {tmp_path}/no, which does not exist in the container" in problem for problem in missing] == [True]
    assert planned({"web": {directory: str(tmp_path)}}, {"a.example": {}}, lockdown_job=True)["problems"] == []
    assert planned({"web": {}}, {"a.example": {}}, lockdown_job=False)["problems"] == []
    assert planned({"web": {}}, {"a.example": given}, lockdown_job=True)["problems"] == []
    assert planned({"web": {}}, {"a.example": {}}, lockdown_job=True, lockdown_to="off")["problems"] == []


ZONE: dict[str, Any] = {"a.example": {}}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "no origin": ({}, ZONE, {}, "There is no origin: put the servers into the group origins"),
    "to": ({"web": {}}, ZONE, {"lockdown_to": "on"}, "lockdown_to must be off, ask or require, not 'on'."),
    "remove": ({"web": {}}, ZONE, {"lockdown_remove": "yes"}, "lockdown_remove goes with lockdown_to=off"),
    "remove is no boolean": ({"web": {}}, ZONE, {"lockdown_remove": "x"}, "lockdown_remove must be a boolean"),
    "exclude": (
        {"web": {}},
        ZONE,
        {"lockdown_exclude": "wbe"},
        "lockdown_exclude names no origin of the inventory: wbe",
    ),
    "limit": ({"web": {}}, ZONE, {"lockdown_limited_out": ["web"]}, "--limit leaves out web"),
    "report": ({"web": {}}, ZONE, {"lockdown_report": "a.pdf"}, "must end in .json or .txt"),
    "unknown": (
        {"web": {"lockdown_too": 1}},
        ZONE,
        {},
        "lockdown_too is no variable of the playbooks; did you mean lockdown_to?",
    ),
    "unknown of the role": (
        {"web": {"origin_client_auth_cas": ""}, "web2": {}},
        ZONE,
        {},
        "web: origin_client_auth_cas is no variable of the role origin_client_auth; did you mean origin_client_auth_ca",
    ),
    "unknown of the other role": (
        {"web": {"client_certificate_renew_day": 3}},
        ZONE,
        {},
        "client_certificate_renew_day is no variable of the role client_certificate",
    ),
    "unknown of the zone": (
        {"web": {}},
        {"a.example": {"zone_hardening_verify_url": ""}},
        {},
        "zone_hardening_verify_url is no variable of the role; did you mean zone_hardening_verify_urls?",
    ),
    "mode": (
        {"web": {"origin_client_auth_mode": "ask"}},
        ZONE,
        {},
        "origin_client_auth_mode is what this playbook decides",
    ),
    "no urls": (
        {"web": {}},
        {"a.example": {"zone_hardening_verify_urls": []}},
        {},
        "zone_hardening_verify_urls is empty",
    ),
    "no url": (
        {"web": {}},
        {"a.example": {"zone_hardening_verify_urls": ["a.example"]}},
        {},
        "a.example: zone_hardening_verify_urls must hold URLs",
    ),
    "unmanaged": ({"web": {}}, {"a.example": {"zone_hardening_manage": "no"}}, {}, "zone_hardening_manage is false"),
    "disabled": (
        {"web": {}},
        {"a.example": {"zone_hardening_client_auth_enabled": None}},
        {},
        "zone_hardening_client_auth_enabled is not true",
    ),
    "only": ({"web": {}}, {"a.example": {"zone_hardening_only": "ssl_mode"}}, {}, "lacks client_auth and certificate"),
    "half of the zones": (
        {"web": {"origin_client_auth_zones": ["a.example", "b.example"]}},
        ZONE,
        {},
        "web: it serves b.example as well (origin_client_auth_zones)",
    ),
    "unserved": (
        {"web": {"origin_client_auth_zones": ["b.example"]}},
        ZONE,
        {},
        "No origin serves a.example (origins: web)",
    ),
    "all are out": (
        {"web": {}},
        ZONE,
        {"lockdown_exclude": "web"},
        "No origin serves a.example (origins: web; excluded: web)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_before_the_first_request(case: str) -> None:
    origins, zones, settings, told = REFUSED[case]
    problems = planned(origins, zones, **settings)["problems"]
    assert told in " ".join(problems)
    assert len(problems) == 1


def test_certificates_that_origins_would_refuse(
    authority: Issued, other_authority: Issued, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def problem(zone: dict[str, Any], ca: str = authority.pem) -> str:
        (told,) = planned({"web": {"origin_client_auth_ca": ca}}, {"a.example": zone})["problems"]
        return told

    server_only = issue("leaf", issuer=authority, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert "without clientAuth: origins will refuse it" in problem(pair(server_only))
    assert "expires in 9 days, and at least 30 days" in problem(pair(issue("leaf", issuer=authority, ends=10)))
    leaf = issue("leaf", issuer=authority)
    assert "zone_hardening_certificate needs zone_hardening_private_key" in problem(
        pair(leaf, zone_hardening_private_key="")
    )
    wrong = problem(pair(leaf), other_authority.pem)
    assert wrong.startswith("web: origin_client_auth_ca lacks the authority 'CN=authority' that issued the certificate")
    assert problem(pair(leaf), "").startswith("web: origin_client_auth_ca is missing: the PEM of the authority")
    assert problem(pair(leaf), "/etc/ca.pem").startswith("web: origin_client_auth_ca")
    # In the user's names
    path = tmp_path / "edge.pem"
    path.write_text(authority.pem)
    monkeypatch.setenv("CLOUDFLARE_CLIENT_CERTIFICATE_FILE", str(path))
    (told,) = planned({"web": {}}, ZONE, check_mode=True)["problems"]
    assert "zone_hardening_certificate (CLOUDFLARE_CLIENT_CERTIFICATE_FILE)" in told


def test_variables_are_those_of_the_roles() -> None:
    for role, names, ours in (
        ("client_certificate", _variables.CERTIFICATE_VARIABLES, {"client_certificate_report"}),
        ("origin_client_auth", _variables.ORIGIN_VARIABLES, {"origin_client_auth_report"}),
    ):
        specs = yaml.safe_load((TREE / "roles" / role / "meta" / "argument_specs.yml").read_text())
        assert names == {*specs["argument_specs"]["main"]["options"], *ours}


def test_report() -> None:
    """Where a run stopped, and where it left what."""
    host = {"names": ["a.example"], "where": "x:1", "state": "open", "why": "it has its own ssl_verify_client off"}
    probes = [
        {
            "host": "::1",
            "port": 443,
            "server_name": "a.example",
            "tls": True,
            "refused": True,
            "status": 400,
            "error": None,
        },
        {"host": "::1", "port": 80, "server_name": None, "tls": False, "refused": False, "status": 301, "error": None},
    ]
    last = {
        "server": "nginx",
        "version": "1.22.1",
        "mode": "require",
        "changed": True,
        "previous_mode": "ask",
        "hosts": [host],
        "open": ["a.example"],
        "probes": probes,
        "post_quantum": True,
        "verified": {"https://a.example/": {"before": 200, "after": None, "proved": True, "reason": None}},
    }
    look = {**last, "previous_mode": "off"}
    hostvars: dict[str, dict[str, Any]] = {
        "web1": {"lockdown__look": look, "lockdown__report": last},
        "web2": {
            "lockdown__failure": {"stage": "Require", "why": "It went dark."},
            "lockdown__look": look,
            "lockdown__report": look,
        },
        "a.example": {
            "lockdown__zone": {
                "changes": ["client_auth"],
                "before": {"client_auth": {"enabled": False}},
                "after": {
                    "client_auth": {
                        "enabled": True,
                        "active_certificate": {
                            "subject": "CN=edge",
                            "fingerprint_sha256": "ab" * 32,
                            "days_remaining": 9,
                        },
                    }
                },
            }
        },
    }
    one = planned({"web1": {}, "web2": {}}, ZONE)
    found = fleet(hostvars, ["a.example"], one, False, NOW)
    assert [(row["mode"], row["previous_mode"]) for row in found["origins"]] == [("require", "off"), ("off", "off")]
    text = report(found, "txt")
    assert text.splitlines() == [
        "Stopped: web2: Require failed. It went dark.",
        "Where it stands:",
        "web1 (nginx 1.22.1): require (before: off), it refuses who has no certificate",
        "  refused a direct request without a certificate: a.example on ::1:443 (400)",
        "  open: a.example, it has its own ssl_verify_client off",
        "  answers without TLS: no name on ::1:80 (301)",
        "  post-quantum key agreement: yes",
        "  It leaves open a.example (it has its own ssl_verify_client off). Remove these settings, or name it in "
        "origin_client_auth_allow_open.",
        "web2 (nginx 1.22.1): off, it answers anyone",
        "  open: a.example, it has its own ssl_verify_client off",
        "  answers without TLS: no name on ::1:80 (301)",
        "  post-quantum key agreement: yes",
        "a.example: its edge presents CN=edge (abababababababab), 9 days left",
        "  changed: Authenticated Origin Pulls",
        "  https://a.example/ answered 200",
    ]
    assert json.loads(report(found, "json")) == found
    del hostvars["web2"]["lockdown__failure"]
    assert report(fleet(hostvars, ["a.example"], one, True, NOW), "txt").startswith(
        "Where it stands, with nothing changed"
    )
    plan_filter = lockdown_plan.FilterModule().filters()["lockdown_plan"]
    fleet_filter = lockdown_fleet.FilterModule().filters()["lockdown_fleet"]
    report_filter = lockdown_report.FilterModule().filters()["lockdown_report"]
    undone = plan_filter({"web1": {}, "a.example": {}}, ["web1"], ["a.example"], {"lockdown_to": "off"})
    left = {"lockdown__report": {**last, "mode": "off", "hosts": [], "open": []}, "lockdown__look": look}
    shown = report_filter(fleet_filter({"web1": left, "a.example": {}}, ["a.example"], undone), "txt")
    assert "The lockdown is undone" in shown
    assert "stay as they are" in shown
    with pytest.raises(Exception, match="json or txt"):
        report_filter(found, "md")
