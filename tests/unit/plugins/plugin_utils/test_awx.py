# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the setup of AWX refuses, in the words that users read; with a playbook, in tests/unit/awx/test_setup.py."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.plugins.filter import awx_credential_inputs, awx_setup_plan

NIGHTLY = "DTSTART:20260101T030000Z RRULE:FREQ=DAILY;INTERVAL=1"
QUESTION = {"question_name": "Why", "variable": "why", "type": "text", "required": False}
TYPES = [
    {"name": "API", "inputs": {"fields": [{"id": "api_token"}, {"id": "api_email"}, {"id": "api_key"}]}},
    {
        "name": "Certificate",
        "inputs": {"fields": [{"id": "certificate"}, {"id": "private_key"}, {"id": "private_key_passphrase"}]},
    },
]
PROJECT = {"id": 1, "name": "P", "scm_url": "u", "scm_branch": "", "status": "successful"}
CREDENTIAL = {"id": 1, "name": "api", "organization": 1, "credential_type": 1, "inputs": {}}
(PLAN,) = awx_setup_plan.FilterModule().filters().values()
(MERGE,) = awx_credential_inputs.FilterModule().filters().values()


def plan(found: dict[str, Any] | None = None, **settings: Any) -> Any:
    usual: dict[str, Any] = {
        **{name: name for name in ("organization", "inventory", "group", "scm_url", "execution_environment")},
        "inventory_source": "s",
        "inventory_source_path": "",
        "inventory_source_project": "P",
        "zones": [],
        "zone_variables": {},
        "group_variables": {},
        "origins": [],
        "origin_variables": {},
        "origin_group_variables": {},
        "machine_credential": "",
        "client_certificate_directory": "",
        "project": "P",
        "scm_branch": "",
        "execution_environment_image": "",
        "api_credential": "api",
        "api_inputs": [],
        "certificate_credential": "certificate",
        "certificate_inputs": [],
        "missing_files": [],
        "credential_types": TYPES,
        "job_templates": [],
    }
    nothing = ("projects", "playbooks", "files", "inventories", "inventory_sources", "job_templates", "hosts", "groups")
    there = {
        "me": {"is_superuser": True},
        "organizations": [{"id": 1, "name": "organization"}],
        "credential_types": [{"id": 1, **TYPES[0]}, {"id": 2, **TYPES[1]}],
        "execution_environments": [],
        "credentials": [],
        **{name: [] for name in nothing},
    }
    return PLAN({**usual, **settings}, {**there, **(found or {})})


def template(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "T", "playbook": "p.yml", **changes}]


def survey(**changes: Any) -> dict[str, Any]:
    return {"job_templates": template(survey=[{**QUESTION, **changes}])}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"organization": ""}, "awx_setup_organization: must be text that is not blank, not ''."),
        ({"project": 3}, "awx_setup_project: must be text that is not blank, not 3."),
        (
            {"zones": {"a.example": {}}},
            "awx_setup_zones: must be a list of names, or text with commas, not {'a.example': {}}.",
        ),
        ({"zones": ["a example"]}, "awx_setup_zones: 'a example' is not the name of a zone."),
        (
            {"zone_variables": "x"},
            "awx_setup_zone_variables: must be a dictionary of zones, each with a dictionary of variables.",
        ),
        (
            {"zone_variables": {"a.example": {}}},
            "awx_setup_zone_variables: a.example is not among awx_setup_zones, so nothing would come of it.",
        ),
        ({"group_variables": "x"}, "awx_setup_group_variables: must be a dictionary of variables."),
        ({"origins": ["a/b"]}, "awx_setup_origins: 'a/b' is not the name of a server."),
        (
            {"origin_variables": {"web1": {}}},
            "awx_setup_origin_variables: web1 is not among awx_setup_origins, so nothing would come of it.",
        ),
        ({"origin_group_variables": "x"}, "awx_setup_origin_group_variables: must be a dictionary of variables."),
        ({"machine_credential": []}, "awx_setup_machine_credential: must be text, not []."),
        (
            {"machine_credential": "Web servers"},
            "awx_setup_origins: is blank, and the inventory has no group origins: name the servers that are locked "
            "down.",
        ),
        (
            {"origins": "web1"},
            "awx_setup_machine_credential: is blank: name the machine credential of AWX with which jobs reach "
            "awx_setup_origins by ssh.",
        ),
        (
            {"client_certificate_directory": "/kept"},
            "awx_setup_client_certificate_directory: its certificate is for jobs that lock origins down: name their "
            "awx_setup_machine_credential, too.",
        ),
        (
            {"client_certificate_directory": "kept", "machine_credential": "M", "origins": "web1"},
            "awx_setup_client_certificate_directory: must be the path that jobs see, which begins with a slash, not "
            "kept.",
        ),
        (
            {"api_inputs": ["api_email"]},
            "awx_setup_api_inputs: api_email needs api_key beside it: set CLOUDFLARE_API_KEY, too.",
        ),
        (
            {"api_inputs": ["token"]},
            "awx_setup_api_inputs: the credential type API has no field token, but api_token, api_email, api_key.",
        ),
        (
            {"certificate_inputs": ["private_key"]},
            "awx_setup_certificate_inputs: certificate is missing: give both or neither "
            "(CLOUDFLARE_CLIENT_CERTIFICATE_FILE and CLOUDFLARE_CLIENT_KEY_FILE).",
        ),
        (
            {"certificate_inputs": ["private_key_passphrase"]},
            "awx_setup_certificate_inputs: there is a passphrase, and no key that it is for "
            "(CLOUDFLARE_CLIENT_CERTIFICATE_FILE and CLOUDFLARE_CLIENT_KEY_FILE).",
        ),
        ({"job_templates": {}}, "awx_setup_job_templates: must be a list."),
        ({"job_templates": ["T"]}, "awx_setup_job_templates: entry 1 must be a dictionary, not 'T'."),
        ({"job_templates": [{"name": "T"}]}, "awx_setup_job_templates: T: playbook is missing."),
        ({"job_templates": [{"playbook": "p.yml"}]}, "awx_setup_job_templates: entry 1: name is missing."),
        (
            {"job_templates": template() * 2},
            "awx_setup_job_templates: T is there twice, and the second would replace the first.",
        ),
        (
            {"job_templates": template(job_type="scan")},
            "awx_setup_job_templates: T: job_type must be run or check, not scan.",
        ),
        ({"job_templates": template(forks="many")}, "awx_setup_job_templates: T: forks must be a number, not many."),
        (
            {"job_templates": template(credentials="api")},
            "awx_setup_job_templates: T: credentials must be a list, not 'api'.",
        ),
        (
            {"job_templates": template(credentials=[[]])},
            "awx_setup_job_templates: T: credentials must be a list of names.",
        ),
        (
            {"job_templates": template(credentials=["no"])},
            "awx_setup_job_templates: AWX has no credential no: create it first, or correct the name.",
        ),
        (
            survey(type="boolean"),
            "T, survey, why: type must be text, textarea, password, multiplechoice, multiselect, integer or ",
        ),
        (survey(required="yes"), "awx_setup_job_templates: T, survey, why: required must be true or false, not 'yes'."),
        (
            survey(variable="a b"),
            "awx_setup_job_templates: T, survey, a b: variable must be the name of a variable, not 'a b'.",
        ),
        (survey(default=3), "T, survey, why: the default of a question of type text must be text, not 3."),
        (survey(type="integer", default=True), "the default of a question of type integer must be a number, not True."),
        (survey(min="1"), "awx_setup_job_templates: T, survey, why: min must be a number, not '1'."),
        (
            survey(type="multiplechoice"),
            "T, survey, why: choices must be a list of texts; YAML takes yes, true and numbers for ",
        ),
        (survey(type="multiplechoice", choices=[True]), "T, survey, why: choices must be a list of texts"),
        (
            survey(type="multiselect", choices="a\nb", default="a\nc"),
            "T, survey, why: the default 'a\\nc' is none of the choices.",
        ),
        ({"job_templates": template(survey=["why"])}, "T, survey, question 1: must be a dictionary, not 'why'."),
        (
            {"job_templates": template(survey=[{}])},
            "awx_setup_job_templates: T, survey, question 1: variable is missing.",
        ),
        (
            {"job_templates": template(survey=[QUESTION] * 2)},
            "T, survey, why: there are two questions for this variable.",
        ),
        ({"job_templates": template(schedules=["N"])}, "T, schedule 1 must be a dictionary, not 'N'."),
        ({"job_templates": template(schedules=[{"rrule": NIGHTLY}])}, "T, schedule 1: name is missing."),
        (
            {"job_templates": template(schedules=[{"name": "N", "rrule": "FREQ=DAILY"}])},
            "T, schedule N: rrule must be like",
        ),
        (
            {
                "job_templates": template(
                    survey=[{**QUESTION, "required": True}], schedules=[{"name": "N", "rrule": NIGHTLY}]
                )
            },
            "T, schedule N: the survey requires why, so extra_data must have it: nobody will be asked.",
        ),
        (
            {"inventory_source_path": "x.yml", "inventory_source_project": "Ours"},
            "awx_setup_inventory_source_project: the organization organization has no project Ours.",
        ),
        (
            {"inventory_source_path": "x.yml", "group_variables": {"a": 1}},
            "awx_setup_group_variables: with awx_setup_inventory_source_path, every update of the inventory would ",
        ),
    ],
)
def test_problems(settings: dict[str, Any], problem: str) -> None:
    assert any(problem in one for one in plan(**settings)["problems"]), plan(**settings)["problems"]


def test_an_unknown_key() -> None:
    (problem,) = plan(job_templates=template(credential="api"))["problems"]
    assert problem.startswith(
        "awx_setup_job_templates: T: there is no key credential, but credentials, description, extra_vars"
    )


def test_what_is_found() -> None:
    """Problems that come of what AWX has."""
    failed = {"projects": [{**PROJECT, "name": "Ours", "status": "failed"}]}
    source = {"inventory_source_path": "x.yml", "inventory_source_project": "Ours"}
    assert "the last update of the project Ours is failed: mend that first." in plan(failed, **source)["problems"][0]
    several = {"credentials": [{**CREDENTIAL, "id": id_, "name": "C", "organization": id_} for id_ in (2, 3)]}
    (problem,) = plan(several, job_templates=template(credentials=["C"]))["problems"]
    assert problem == "awx_setup_job_templates: there is more than one credential C: give the id instead (2, 3)."
    assert plan(several, job_templates=template(credentials=[3]))["credential_ids"] == {"3": 3}
    many = {"projects": [PROJECT], "files": [f"{number}.yml" for number in range(51)]}
    path = {"scm_url": "u", "inventory_source_path": "x.yml"}
    assert plan(many, **path)["problems"] == [], "AWX does not list all of so many"
    few = {"projects": [PROJECT], "files": ["inventories/x.yml"]}
    assert "has no file x.yml, but inventories/x.yml." in plan(few, **path)["problems"][0]
    assert plan(few, scm_url="u", inventory_source_path="inventories")["problems"] == []


def test_zones() -> None:
    assert plan(zones="a.example, b.example\n,a.example")["zones"] == ["a.example", "b.example"]


def test_origins() -> None:
    """One host may be a zone and an origin. A group origins may also be there, or come from a source."""
    both = plan(
        zones="a.example",
        zone_variables={"a.example": {"x": 1}},
        origins="a.example, web1",
        origin_variables={"a.example": {"y": 2}},
        machine_credential="Web servers",
    )
    assert (both["problems"], both["origins"]) == ([], ["a.example", "web1"])
    assert both["host_variables"] == {"a.example": {"x": 1, "y": 2}}
    assert [one for one in both["creates"] if one.startswith(("host", "group"))] == [
        *("host a.example", "host web1", "group group", "group origins"),
    ]
    assert plan({"groups": [{"name": "origins"}]}, machine_credential=7)["problems"] == []
    project = {"projects": [PROJECT], "files": ["our.yml"]}
    assert plan(project, machine_credential="M", inventory_source_path="our.yml")["problems"] == []


def test_update_project() -> None:
    assert not plan()["update_project"]
    assert [
        plan({"projects": [{**PROJECT, "status": status}]})["update_project"] for status in ("successful", "failed")
    ] == [
        False,
        True,
    ]


def test_inputs() -> None:
    stored = {"api_token": "$encrypted$", "api_email": "a@b.example"}
    assert MERGE({"api_token": "", "api_email": "c@d.example"}, stored) == {**stored, "api_email": "c@d.example"}
    assert MERGE({"api_token": "new"}, {}) == {"api_token": "new"}
