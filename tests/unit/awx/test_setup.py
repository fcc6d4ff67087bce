# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/awx_setup.yml, run with stand-ins for the modules of awx.awx that take the same options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import (
    TREE,
    Controller,
    could_be_playbook,
    objections_to_credential_type,
    objections_to_survey,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued

ZONES = ["shop.example", "blog.example"]


@pytest.fixture(scope="module")
def client_files(tmp_path_factory: pytest.TempPathFactory, client_certificate: Issued) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("client")
    certificate, key = directory / "client.pem", directory / "client.key"
    certificate.write_text(client_certificate.pem)
    key.write_text(client_certificate.encoded_key(passphrase="a-passphrase"))
    return certificate, key


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory, client_files: tuple[Path, Path]) -> Controller:
    controller = Controller(tmp_path_factory.mktemp("controller"))
    certificate, key = client_files
    status = controller.set_up(
        {
            "awx_setup_zones": ZONES,
            "awx_setup_zone_variables": {"shop.example": {"cloudflare_zone_id": "0" * 32}},
            "awx_setup_execution_environment_image": "our/cloudflare-ee:1.0.0",
        },
        CLOUDFLARE_API_TOKEN="a-secret-token",
        # From where the command is typed, not from where the playbook is
        CLOUDFLARE_CLIENT_CERTIFICATE_FILE=os.path.relpath(certificate),
        CLOUDFLARE_CLIENT_KEY_FILE=os.path.relpath(key),
        CLOUDFLARE_CLIENT_KEY_PASSPHRASE="a-passphrase",
    )
    assert status == 0, controller.output
    return controller


def test_credential_types(set_up: Controller) -> None:
    types = set_up.asked("credential_type")
    assert set(types) == {"Cloudflare API", "Cloudflare client certificate"}
    for name, type_ in types.items():
        assert type_["kind"] == "cloud"
        assert list(objections_to_credential_type(type_["inputs"], type_["injectors"])) == [], name
        assert "extra_vars" not in type_["injectors"], "they do not reach inventory updates"
        secrets = {field["id"] for field in type_["inputs"]["fields"] if field.get("secret")}
        assert secrets == {"api_token", "api_key"} or secrets == {"private_key", "private_key_passphrase"}


def test_environment_variables_are_those_that_are_read(set_up: Controller) -> None:
    names = {name for type_ in set_up.asked("credential_type").values() for name in type_["injectors"]["env"]}
    read = (TREE / "plugins" / "module_utils" / "_options.py").read_text()
    read += (TREE / "playbooks" / "harden.yml").read_text()
    assert {name for name in names if name not in read} == set()


def test_credentials(set_up: Controller, client_files: tuple[Path, Path]) -> None:
    certificate, key = (path.read_text().rstrip("\n") for path in client_files)
    asked = set_up.asked("credential")
    assert {name: one["inputs"] for name, one in asked.items()} == {
        "Cloudflare API": {"api_token": "a-secret-token"},
        "Cloudflare client certificate": {
            "certificate": certificate,
            "private_key": key,
            "private_key_passphrase": "a-passphrase",
        },
    }
    for name, one in asked.items():
        type_ = set_up.asked("credential_type")[one["credential_type"]]
        assert set(one["inputs"]) <= {field["id"] for field in type_["inputs"]["fields"]}, name
        assert one["update_secrets"] is False


def test_objects_refer_to_one_another(set_up: Controller) -> None:
    (organization,) = set_up.asked("organization")
    (project,) = set_up.asked("project")
    (inventory,) = set_up.asked("inventory")
    (execution_environment,) = set_up.asked("execution_environment")
    assert set(set_up.asked("host")) == set(ZONES)
    assert set_up.asked("host")["shop.example"]["variables"] == {"cloudflare_zone_id": "0" * 32}
    assert "variables" not in set_up.asked("host")["blog.example"]
    assert set_up.asked("group")["zones"]["hosts"] == ZONES
    assert set_up.asked("group")["zones"]["preserve_existing_hosts"] is True
    for module in ("credential", "project", "inventory", "execution_environment", "job_template"):
        assert {one["organization"] for one in set_up.asked(module).values()} == {organization}
    for template in set_up.asked("job_template").values():
        assert (template["project"], template["inventory"]) == (project, inventory)
        assert template["execution_environment"] == execution_environment
        assert set(template["credentials"]) <= set(set_up.asked("credential"))


def test_job_templates(set_up: Controller) -> None:
    templates = set_up.asked("job_template")
    assert set(templates) == {"Harden zones", "Audit zones"}
    specs = yaml.safe_load((TREE / "roles" / "zone_hardening" / "meta" / "argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"] | {"audit_fail_on_drift": {}}
    for template in templates.values():
        assert could_be_playbook(TREE / template["playbook"]), "AWX takes only playbooks that it finds in the project"
        assert template["survey_enabled"] is True
        assert list(objections_to_survey(template["survey_spec"])) == []
        for question in template["survey_spec"]["spec"]:
            assert question["variable"] in options
            assert not options[question["variable"]].get("no_log"), "a secret belongs into a credential"
            assert question["type"] != "password"


def test_an_inventory_source(tmp_path: Path) -> None:
    """AWX finds the zones by itself, with the credential of the API, which reaches inventory updates."""
    controller = Controller(tmp_path)
    variables = {
        "awx_setup_inventory_source_path": "our.cloudflare.yml",
        "awx_setup_inventory_source_project": "Ours",
        "awx_setup_execution_environment_image": "our/cloudflare-ee:1.0.0",
    }
    assert controller.set_up(variables) == 0, controller.output
    assert controller.asked("inventory_source") == {
        "Cloudflare": {
            "name": "Cloudflare",
            "inventory": "Cloudflare zones",
            "organization": "Default",
            "source": "scm",
            "source_project": "Ours",
            "source_path": "our.cloudflare.yml",
            "credential": "Cloudflare API",
            "execution_environment": "originsec.cloudflare",
            "overwrite": True,
            "update_on_launch": True,
            "update_cache_timeout": 3600,
            "state": "present",
        }
    }
    assert controller.asked("host") == {}


def test_no_secret_is_printed(set_up: Controller, client_files: tuple[Path, Path]) -> None:
    assert "Have the credential of the client certificate" in set_up.output
    secrets = ["a-secret-token", "a-passphrase", *client_files[1].read_text().splitlines()[1:-1]]
    assert [secret for secret in secrets if secret in set_up.output] == []


def test_without_anything(tmp_path: Path) -> None:
    """What nobody gave is left alone: no blank over a secret that is there, no variables, no environment."""
    controller = Controller(tmp_path)
    assert controller.set_up() == 0, controller.output
    assert [one["inputs"] for one in controller.asked("credential").values()] == [{}, {}]
    assert controller.asked("host") == {}
    assert controller.asked("inventory_source") == {}
    assert "variables" not in controller.asked("group")["zones"]
    assert controller.asked("execution_environment") == {}
    assert "execution_environment" not in controller.asked("job_template")["Harden zones"]


def test_other_job_templates(tmp_path: Path) -> None:
    """The list is a variable, so that a playbook of one's own, or one more certificate, needs no change here."""
    controller = Controller(tmp_path)
    own: dict[str, Any] = {
        "name": "Own",
        "description": "",
        "playbook": "own.yml",
        "credentials": ["Other"],
        "job_type": "check",
        "limit": "shop.example",
        "forks": 20,
        "job_slice_count": 2,
        "extra_vars": {"zone_hardening_min_days_remaining": 60},
    }
    assert controller.set_up({"awx_setup_job_templates": [own]}) == 0, controller.output
    asked = controller.asked("job_template")["Own"]
    assert {name: asked[name] for name in own} == own
    assert (asked["survey_enabled"], asked["survey_spec"]) == (False, {})


def test_a_wrong_option_is_noticed(tmp_path: Path) -> None:
    """The stand-ins refuse what awx.awx refuses, or the tests above would prove nothing."""
    controller = Controller(tmp_path)
    template = {"name": "Own", "description": "", "playbook": "own.yml", "credentials": [], "job_type": "scan"}
    assert controller.set_up({"awx_setup_job_templates": [template]}) == 2
    assert "value of job_type must be one of: run, check, got: scan" in controller.output
