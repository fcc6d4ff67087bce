# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of the audit, one after another as the playbook uses them, and what they refuse."""

from __future__ import annotations

import json
from typing import Any, Callable

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.originsec.cloudflare.plugins.filter import (
    audit_failing,
    audit_fleet,
    audit_previous,
    audit_report,
    audit_zone,
    inventory_problems,
)
from ansible_collections.originsec.cloudflare.tests.unit.plugins.plugin_utils.test_audit import certificate, result

MODULES = {
    module.__name__.rpartition(".")[2]: module
    for module in (audit_failing, audit_fleet, audit_previous, audit_report, audit_zone, inventory_problems)
}


def filtered(name: str, *arguments: Any, **options: Any) -> Any:
    """What the filter makes of values that have been through Ansible's variables."""
    filters: dict[str, Callable[..., Any]] = MODULES[name].FilterModule().filters()
    return json.loads(json.dumps(filters[name](*json.loads(json.dumps(arguments)), **options)))


@pytest.mark.parametrize("name", MODULES)
def test_each_is_documented_under_its_name(name: str) -> None:
    assert yaml.safe_load(MODULES[name].DOCUMENTATION)["name"] == name
    assert list(MODULES[name].FilterModule().filters()) == [name]


def test_from_results_to_reports() -> None:
    wanted = {"client_auth_enabled": True, "min_days_remaining": 30}
    rows = {
        "a.example": filtered("audit_zone", result(), "a.example", wanted),
        "b.example": filtered("audit_zone", result(certificate(days_remaining=3)), "b.example", wanted),
        "c.example": {},
    }
    fleet = filtered("audit_fleet", rows)
    assert [row["zone"] for row in fleet["zones"]] == ["c.example", "b.example", "a.example"]
    assert fleet["zones"][0]["error"] == "Ansible could not work on this zone, and said why further up."
    lines = filtered("audit_report", fleet, "txt", limited=True).splitlines()
    assert lines[0] == "3 zones: 1 could not be read, 1 with drift, 1 compliant"
    for choice in yaml.safe_load(audit_report.DOCUMENTATION)["options"]["format"]["choices"]:
        assert "b.example" in filtered("audit_report", fleet, choice, scope="three")


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="The format must be html, json, csv, txt, prom or xml, not 'pdf'"):
        filtered("audit_report", {"zones": [], "totals": {}}, "pdf")
    with pytest.raises(AnsibleFilterError, match="zone_hardening_min_days_remaining must be a whole number"):
        filtered("audit_zone", result(), "a.example", {"min_days_remaining": "soon"})
    found = result()
    del found["origin_tls"]["origin_pqe"]
    with pytest.raises(AnsibleFilterError, match="The result has no 'origin_pqe': gather more subsets"):
        filtered("audit_zone", found, "a.example", {"origin_pqe": "off"})
