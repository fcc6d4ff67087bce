# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/awx_setup.yml, run with the modules of awx.awx against a stand-in for AWX."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TREE, Credential
from ansible_collections.originsec.cloudflare.tests.unit.awx.conftest import once
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import (
    ENCRYPTED,
    ORGANIZATION_ADMINISTRATOR,
    REPOSITORY,
    Awx,
    RefusedError,
    Setup,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, awx_collection

pytestmark = pytest.mark.long

ZONES = ["shop.example", "blog.example"]
AUDIT = {"name": "Audit zones", "playbook": "playbooks/audit.yml", "credentials": ["Cloudflare API"]}
PLAYBOOK_VARIABLES = ("audit_fail_on_drift", "lockdown_to", "lockdown_remove", "lockdown_exclude")
NIGHTLY = "DTSTART:20260101T030000Z RRULE:FREQ=DAILY;INTERVAL=1"

FROZEN_INPUTS = {
    "Cloudflare API": """
- {id: api_token, label: API token, type: string, secret: true,
   help_text: Preferred. It can be limited to the permissions and zones that are needed.}
- {id: api_email, label: E-mail address, type: string, help_text: Of the user that the global API key belongs to.}
- {id: api_key, label: Global API key, type: string, secret: true, help_text: Without an API token only.}
- {id: api_base_url, label: Base URL of the API, type: string,
   help_text: "Blank for Cloudflare's own, https://api.cloudflare.com/client/v4"}
""",
    "Cloudflare client certificate": """
- {id: certificate, label: Client certificate, type: string, multiline: true,
   help_text: "In PEM, with the chain, if any, after it."}
- {id: private_key, label: Private key, type: string, secret: true, multiline: true, help_text: In PEM.}
- {id: private_key_passphrase, label: Passphrase of the private key, type: string, secret: true,
   help_text: If it is encrypted.}
""",
}


@pytest.fixture(scope="module")
def client_files(tmp_path_factory: pytest.TempPathFactory, client_certificate: Issued) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("client")
    certificate, key = directory / "client.pem", directory / "client.key"
    certificate.write_text(client_certificate.pem)
    key.write_text(client_certificate.encoded_key(passphrase="a-passphrase"))
    return certificate, key


WEB = {
    "awx_setup_organization": "Web",
    "awx_setup_zones": "shop.example, blog.example",
    "awx_setup_zone_variables": {"shop.example": {"cloudflare_zone_id": "0" * 32}},
    "awx_setup_group_variables": {"zone_hardening_min_days_remaining": 20},
    "awx_setup_origins": ["web1.example"],
    "awx_setup_origin_variables": {"web1.example": {"ansible_user": "deploy"}},
    "awx_setup_machine_credential": "Web servers",
    "awx_setup_client_certificate_directory": "/var/lib/cloudflare",
    "awx_setup_execution_environment_image": "our/cloudflare-ee:1.0.0",
    "awx_setup_audit_schedule": NIGHTLY,
    "awx_setup_renewal_schedule": NIGHTLY,
}


@dataclass(frozen=True)
class Complete:
    """Everything that can be given, in an organization of its own; tests do not change it.

    before: the state in which the controller was. environ: what the playbook was given beside its variables.
    """

    awx: Awx
    setup: Setup
    before: bytes
    environ: dict[str, str]

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """By name, what the organization has."""
        return self.awx.all(kind, organization=self.awx.one("organizations", "Web")["id"])


@pytest.fixture(scope="module")
def complete(
    tmp_path_factory: pytest.TempPathFactory, client_files: tuple[Path, Path], asked_state: bytes
) -> Iterator[Complete]:
    certificate, key = client_files
    environ = {
        "CLOUDFLARE_API_TOKEN": "a-secret-token",
        # From where the command is typed, not from where the playbook is
        "CLOUDFLARE_CLIENT_CERTIFICATE_FILE": os.path.relpath(certificate),
        "CLOUDFLARE_CLIENT_KEY_FILE": os.path.relpath(key),
        "CLOUDFLARE_CLIENT_KEY_PASSPHRASE": "a-passphrase",
    }
    with Awx(tmp_path_factory.mktemp("awx"), awx_collection()) as awx:

        def make() -> bytes:
            awx.restore(asked_state)
            machine = awx.add("credential_types", name="Machine", kind="ssh")
            awx.add("credentials", name="Web servers", credential_type=machine["id"])
            before = awx.state()
            setup = awx.set_up(WEB, "-vvv", **environ)
            assert setup.status == 0, setup.output
            return pickle.dumps((setup, before, awx.state(), [path.read_text() for path in client_files]))

        setup, before, state, texts = pickle.loads(once(tmp_path_factory, "complete", make))
        awx.restore(state)
        for path, text in zip(client_files, texts):
            path.write_text(text)
        yield Complete(awx, setup, before, environ)


def refused(awx: Awx, variables: dict[str, Any] | None = None, **environ: str) -> str:
    """What the playbook says when it refuses, having written nothing."""
    setup = awx.set_up(variables, **environ)
    assert setup.status == 2, setup.output
    assert awx.writes() == []
    assert "Traceback" not in setup.output
    return setup.output


class TestComplete:
    def test_inputs_of_credential_types_are_frozen(self, complete: Complete) -> None:
        """AWX lets nobody change them while there are credentials, so they stay as they are until 2.0.0."""
        types = complete.awx.all("credential_types", kind="cloud")
        fields = {name: type_["inputs"]["fields"] for name, type_ in types.items()}
        assert fields == {name: yaml.safe_load(text) for name, text in FROZEN_INPUTS.items()}
        assert [type_["inputs"].get("required") for type_ in types.values()] == [None, ["certificate", "private_key"]]

    def test_injectors(self, complete: Complete, tmp_path: Path) -> None:
        """Only the environment, which reaches inventory updates, and names that the collection reads."""
        read = (TREE / "plugins" / "module_utils" / "_options.py").read_text()
        read += (TREE / "playbooks" / "harden.yml").read_text()
        (tmp_path / "env").mkdir()
        for type_ in complete.awx.all("credential_types", kind="cloud").values():
            assert set(type_["injectors"]) <= {"env", "file"}
            unusual = "{{ 1 }} $x 'ä\""
            inputs = {field["id"]: unusual for field in type_["inputs"]["fields"]}
            injected = Credential(inputs, type_["injectors"]).inject(tmp_path, tmp_path)
            assert [name for name in injected if name not in read] == []
            texts = [Path(value).read_text() if value.startswith("/") else value for value in injected.values()]
            assert set(texts) == {unusual}

    def test_credentials(self, complete: Complete, client_files: tuple[Path, Path]) -> None:
        certificate, key = (path.read_text().rstrip("\n") for path in client_files)
        assert {name: one["inputs"] for name, one in complete.all("credentials").items()} == {
            "Cloudflare API": {"api_token": "a-secret-token"},
            "Cloudflare client certificate": {
                "certificate": certificate,
                "private_key": key,
                "private_key_passphrase": "a-passphrase",
            },
        }

    def test_inventory(self, complete: Complete) -> None:
        script = complete.awx.script(complete.all("inventories")["Cloudflare zones"]["id"])
        assert script["_meta"]["hostvars"] == {
            "shop.example": {"cloudflare_zone_id": "0" * 32},
            "blog.example": {},
            "web1.example": {"ansible_user": "deploy"},
        }
        assert script["zones"] == {"hosts": ZONES, "vars": {"zone_hardening_min_days_remaining": 20}}
        assert script["origins"] == {"hosts": ["web1.example"], "vars": {}}

    def test_job_templates(self, complete: Complete) -> None:
        awx = complete.awx
        specs = yaml.safe_load((TREE / "roles" / "zone_hardening" / "meta" / "argument_specs.yml").read_text())
        options = specs["argument_specs"]["main"]["options"] | {name: {} for name in PLAYBOOK_VARIABLES}
        names = {one["id"]: one["name"] for one in awx.tables["credentials"].values()}
        attached = {}
        for template in complete.all("job_templates").values():
            # In whatever order the module attaches them
            attached[template["name"]] = sorted(
                names[id_] for id_ in awx.links["job_templates", template["id"], "credentials"]
            )
            assert template["execution_environment"] == awx.one("execution_environments", "originsec.cloudflare")["id"]
            for question in awx.surveys[template["id"]]["spec"] if template["survey_enabled"] else ():
                variable = question["variable"].removeprefix("survey_")
                assert question["variable"] != variable, (
                    "or the answer would win over the inventory even where it is a default"
                )
                assert not options[variable].get("no_log"), "a secret belongs into a credential"
                assert question["default"] in ("as in the inventory", "")
                assert awx.answers(template).get(question["variable"]) in ("as in the inventory", None, "")
        both, machine = ["Cloudflare API", "Cloudflare client certificate"], ["Cloudflare API", "Web servers"]
        assert attached == {
            "Harden zones": both,
            "Harden the key exchange of zones": ["Cloudflare API"],
            "Audit zones": both,
            "Lock origins down": machine,
            "Renew the client certificate": machine,
        }
        for name in ("Lock origins down", "Renew the client certificate"):
            template = complete.all("job_templates")[name]
            assert template["playbook"] == "playbooks/lockdown.yml"
            assert json.loads(template["extra_vars"]) == {"client_certificate_directory": "/var/lib/cloudflare"}

    def test_schedules(self, complete: Complete) -> None:
        assert [
            (one["name"], one["rrule"], one["extra_data"]) for one in complete.awx.tables["schedules"].values()
        ] == [("Audit zones", NIGHTLY, {}), ("Renew the client certificate", NIGHTLY, {})]

    def test_no_secret_is_printed(self, complete: Complete, client_files: tuple[Path, Path]) -> None:
        output = complete.setup.output
        assert "Create the credential of the client certificate" in output
        secrets = ["a-secret-token", "a-passphrase", *client_files[1].read_text().splitlines()[1:-1]]
        assert [secret for secret in secrets if secret in output] == []

    def test_the_other_organization_is_as_it_was(self, complete: Complete, asked: Awx) -> None:
        """Fault 2. Names repeat, and what is another organization's is left alone."""
        asked.restore(complete.before)
        for kind, table in asked.tables.items():
            same = {id_: one for id_, one in complete.awx.tables[kind].items() if id_ in table}
            assert same == table, kind
        for (kind, id_, name), linked in asked.links.items():
            assert complete.awx.links[kind, id_, name] == linked
        for kind in ("credentials", "projects", "inventories", "job_templates"):
            assert complete.all(kind).keys() >= asked.all(kind, organization=1).keys()
        for template in complete.all("job_templates").values():
            linked = complete.awx.links["job_templates", template["id"], "credentials"]
            owners = {complete.awx.tables["credentials"][id_]["organization"] for id_ in linked}
            assert owners - {None} == {template["organization"]}

    def test_a_second_run_changes_nothing(self, complete: Complete) -> None:
        """Nor does it need a system administrator."""
        before = copy.deepcopy((complete.awx.tables, complete.awx.links, complete.awx.surveys))
        again = complete.awx.set_up(WEB, token=ORGANIZATION_ADMINISTRATOR, **complete.environ)
        assert (again.status, again.changed) == (0, 0), again.output
        assert (complete.awx.tables, complete.awx.links, complete.awx.surveys) == before


def test_secrets_that_are_not_given_are_kept(
    asked: Awx, other_certificate: Issued, client_files: tuple[Path, Path]
) -> None:
    """Fault 1. What was typed in by hand stays, whatever else is set; AWX replaces inputs as a whole."""
    awx = asked
    api, certificate = awx.one("credentials", "Cloudflare API"), awx.one("credentials", "Cloudflare client certificate")
    assert (api["inputs"], certificate["inputs"]) == ({}, {})
    (audit,) = (one for one in awx.tables["job_templates"].values() if one["name"] == "Audit zones")
    assert awx.links["job_templates", audit["id"], "credentials"] == [api["id"]], "or no audit could start"

    by_hand = {"certificate": "theirs", "private_key": "their-key", "private_key_passphrase": "their-passphrase"}
    awx.change("credentials", api, {"inputs": {"api_token": "typed-in", "api_email": "somebody@shop.example"}})
    awx.change("credentials", certificate, {"inputs": by_hand})
    again = awx.set_up(CLOUDFLARE_BASE_URL="https://other.example/client/v4")
    assert again.status == 0, again.output
    assert api["inputs"] == {
        "api_token": "typed-in",
        "api_email": "somebody@shop.example",
        "api_base_url": "https://other.example/client/v4",
    }
    assert certificate["inputs"] == by_hand
    assert sorted(awx.links["job_templates", audit["id"], "credentials"]) == [api["id"], certificate["id"]]

    # Another certificate takes its key along; the passphrase is given again
    client_files[0].with_name("other.pem").write_text(other_certificate.pem)
    client_files[0].with_name("other.key").write_text(other_certificate.key_pem)
    renewed = awx.set_up(
        CLOUDFLARE_CLIENT_CERTIFICATE_FILE=str(client_files[0].with_name("other.pem")),
        CLOUDFLARE_CLIENT_KEY_FILE=str(client_files[0].with_name("other.key")),
    )
    assert (renewed.status, renewed.changed) == (0, 1), renewed.output
    assert certificate["inputs"]["private_key"] == other_certificate.key_pem.rstrip("\n")
    assert api["inputs"]["api_token"] == "typed-in"


def test_check_mode_on_an_empty_controller(awx: Awx) -> None:
    """Fault 6. It says what it would create, and creates nothing."""
    setup = awx.set_up(
        {"awx_setup_organization": "Web", "awx_setup_zones": ZONES, "awx_setup_audit_schedule": NIGHTLY}, "--check"
    )
    assert setup.status == 0, setup.output
    assert awx.writes() == []
    for text in (
        "organization Web",
        "credential Cloudflare API",
        "host shop.example",
        "group zones",
        "job template Audit zones",
    ):
        assert f'"{text}"' in setup.output


def test_a_project_that_cannot_be_updated(awx: Awx) -> None:
    """Fault 6. AWX says so once, and has files of before; it is a failure as long as it is one."""

    def fails() -> None:
        setup = awx.set_up(variables)
        assert setup.status == 2, setup.output
        last = setup.output.rpartition("TASK [")[2]
        assert last.startswith("Create the project]")
        assert re.search("Project update failed|The Project Update - originsec.cloudflare, failed", last), last
        assert awx.tables["job_templates"] == {}

    variables = {"awx_setup_job_templates": [AUDIT]}
    awx.repositories.clear()
    fails()
    project = awx.one("projects", "originsec.cloudflare")
    awx.repositories[REPOSITORY] = TREE
    awx.sync(project)
    awx.repositories.clear()
    awx.sync(project)
    assert awx.playbooks(project)
    fails()
    awx.repositories[REPOSITORY] = TREE
    setup = awx.set_up(variables)
    assert setup.status == 0, setup.output
    (template,) = awx.tables["job_templates"].values()
    assert template["project"] == project["id"]


OWN: dict[str, Any] = {
    "name": "Own",
    "playbook": "playbooks/audit.yml",
    "credentials": ["Other", "Cloudflare API"],
    "job_type": "check",
    "limit": "shop.example",
    "forks": 20,
    "job_slice_count": 2,
    "extra_vars": {"zone_hardening_min_days_remaining": 60},
    "survey": [
        {"question_name": "Why", "variable": "why", "type": "text", "required": True, "default": "because"},
    ],
    "schedules": [{"name": "Nightly", "rrule": NIGHTLY}, {"name": "Never", "rrule": ""}],
}


class TestInventorySource:
    """Faults 4 and 5, with a file of the inventory plugin in a project of ours."""

    @pytest.fixture
    def project(self, awx: Awx, tmp_path: Path) -> Path:
        root = tmp_path / "inventories"
        (root / "group_vars").mkdir(parents=True)
        self.write(root, ZONES, {"ours": 1, "theirs": 2})
        awx.repositories["https://git.example/inventories.git"] = root
        url = "https://git.example/inventories.git"
        awx.add("projects", name="Our inventories", organization=1, scm_type="git", scm_url=url)
        return root

    @staticmethod
    def write(root: Path, zones: list[str], variables: dict[str, Any]) -> None:
        (root / "our.cloudflare.yml").write_text(
            yaml.dump({"zones": {"hosts": {zone: {"zone": zone} for zone in zones}}})
        )
        (root / "group_vars" / "zones.yml").write_text(yaml.dump(variables))

    VARIABLES: ClassVar[dict[str, Any]] = {
        "awx_setup_inventory_source_path": "our.cloudflare.yml",
        "awx_setup_inventory_source_project": "Our inventories",
        "awx_setup_job_templates": [OWN],
    }

    @staticmethod
    def check_other_job_templates(awx: Awx) -> None:
        """The list is a variable, so that a playbook of one's own, or one more certificate, needs no change here."""
        (template,) = awx.tables["job_templates"].values()
        same = ("name", "playbook", "job_type", "limit", "forks", "job_slice_count")
        assert {name: template[name] for name in same} == {name: OWN[name] for name in same}
        assert json.loads(template["extra_vars"]) == OWN["extra_vars"]
        assert len(awx.links["job_templates", template["id"], "credentials"]) == 2
        (schedule,) = awx.tables["schedules"].values()
        assert schedule["extra_data"] == {"why": "because"}, "AWX asks for what is required, default or not"

    def test_hosts_and_variables_that_are_gone_leave(self, awx: Awx, project: Path) -> None:
        """And other job templates, since that needs a setup as well."""
        type_ = awx.add("credential_types", name="Machine", kind="ssh")
        awx.add("credentials", name="Other", credential_type=type_["id"], organization=1)
        setup = awx.set_up(self.VARIABLES)
        assert setup.status == 0, setup.output
        self.check_other_job_templates(awx)
        (source,) = awx.tables["inventory_sources"].values()
        assert source["credential"] == awx.one("credentials", "Cloudflare API")["id"]
        assert (source["update_on_launch"], source["update_cache_timeout"]) == (True, 3600)
        inventory = source["inventory"]
        assert not awx.update_inventory(source)["failed"]
        first = awx.script(inventory)
        assert first["_meta"]["hostvars"] == {zone: {"zone": zone} for zone in ZONES}
        assert first["zones"]["vars"] == {"ours": 1, "theirs": 2}

        again = awx.set_up(self.VARIABLES)
        assert (again.status, again.changed) == (0, 0), again.output
        self.write(project, ZONES[:1], {"ours": 3})
        assert not awx.update_inventory(source)["failed"]
        second = awx.script(inventory)
        assert second["zones"] == {"hosts": ["shop.example"], "vars": {"ours": 3}}
        assert second["_meta"]["hostvars"] == {"shop.example": {"zone": "shop.example"}}

        (project / "our.cloudflare.yml").write_text(
            "plugin: originsec.cloudflare.zones\n"
        )  # and the credential has no token
        assert awx.update_inventory(source)["failed"]
        assert awx.script(inventory)["zones"]["hosts"] == ZONES[:1]

    @pytest.mark.usefixtures("project")
    def test_what_cannot_be(self, awx: Awx) -> None:
        path = {**self.VARIABLES, "awx_setup_inventory_source_path": "our.cloudflare.yaml"}
        assert "has no file our.cloudflare.yaml, but group_vars/zones.yml, our.cloudflare.yml." in refused(awx, path)
        elsewhere = {**self.VARIABLES, "awx_setup_organization": "Web"}
        assert "the organization Web has no project Our inventories" in refused(awx, elsewhere)
        zone = {**self.VARIABLES, "awx_setup_zones": ZONES, "awx_setup_zone_variables": {"shop.example": {"x": 1}}}
        assert "Put them into host_vars or group_vars beside our.cloudflare.yml" in refused(awx, zone)


class TestRefusals:
    """Fault 6. One run, every mistake that is in it, and nothing written."""

    def test_files(self, awx: Awx, client_files: tuple[Path, Path]) -> None:
        missing = refused(awx, CLOUDFLARE_CLIENT_CERTIFICATE_FILE="no.pem", CLOUDFLARE_CLIENT_KEY_FILE="no.key")
        assert "there is no file no.pem (CLOUDFLARE_CLIENT_CERTIFICATE_FILE)" in missing
        assert "there is no file no.key (CLOUDFLARE_CLIENT_KEY_FILE)" in missing
        half = refused(awx, CLOUDFLARE_CLIENT_CERTIFICATE_FILE=str(client_files[0]), CLOUDFLARE_API_KEY="key")
        assert "private_key is missing: give both or neither" in half
        assert "api_key needs api_email beside it: set CLOUDFLARE_EMAIL, too." in half

    def test_whoever_is_no_system_administrator(self, awx: Awx) -> None:
        setup = awx.set_up(token=ORGANIZATION_ADMINISTRATOR)
        assert (setup.status, awx.writes()) == (2, [])
        assert "only a system administrator may create" in setup.output

    def test_what_others_have(self, awx: Awx) -> None:
        awx.add("organizations", name="Theirs")
        awx.add("execution_environments", name="originsec.cloudflare", image="theirs", organization=2)
        type_ = awx.add("credential_types", name="Cloudflare API", kind="cloud", inputs={"fields": []})
        awx.add("credentials", name="Theirs", credential_type=type_["id"])
        output = refused(awx, {"awx_setup_execution_environment_image": "ours"})
        assert "originsec.cloudflare belongs to another organization (id 2)" in output
        assert "The credential type Cloudflare API exists with other fields" in output

    def test_a_path_that_the_project_does_not_have(self, awx: Awx) -> None:
        awx.add("projects", name="originsec.cloudflare", organization=1, scm_type="git", scm_url=REPOSITORY)
        entry = {"name": "Own", "playbook": "own.yml", "credentials": ["Theirs"]}
        output = refused(awx, {"awx_setup_job_templates": [entry]})
        assert "has no playbook own.yml, but playbooks/audit.yml" in output
        assert "AWX has no credential Theirs" in output


class TestStandIn:
    """It refuses what AWX refuses, or the tests above would prove nothing."""

    def test_credentials(self, awx: Awx) -> None:
        fields = [
            {"id": "secret", "label": "", "type": "string", "secret": True},
            {"id": "open", "label": "", "type": "string"},
        ]
        type_ = awx.add("credential_types", name="T", kind="cloud", inputs={"fields": fields})
        with pytest.raises(RefusedError, match="400"):
            awx.add("credentials", name="C", credential_type=type_["id"], inputs={"secret": ENCRYPTED})
        credential = awx.add("credentials", name="C", credential_type=type_["id"], inputs={"secret": "s", "open": "o"})
        assert awx.shown("credentials", credential)["inputs"] == {"secret": ENCRYPTED, "open": "o"}
        awx.change("credentials", credential, {"inputs": {"secret": ENCRYPTED}})
        assert credential["inputs"] == {"secret": "s"}, "kept, and the rest is gone"
        awx.change("credential_types", type_, {"description": "another"})
        with pytest.raises(RefusedError, match="403"):
            awx.change("credential_types", type_, {"inputs": {"fields": fields[:1]}})

    def test_names(self, awx: Awx) -> None:
        awx.add("organizations", name="Web")
        for organization in (1, 2):
            awx.add("inventories", name="Zones", organization=organization)
            with pytest.raises(RefusedError, match="already exists"):
                awx.add("inventories", name="Zones", organization=organization)
        environment = awx.add("execution_environments", name="EE", image="i", organization=1)
        with pytest.raises(RefusedError, match="already exists"):
            awx.add("execution_environments", name="EE", image="i", organization=2)
        with pytest.raises(RefusedError, match="403"):
            awx.change("execution_environments", environment, {"organization": 2})

    def test_launches(self, awx: Awx) -> None:
        awx.repositories["https://git.example/empty.git"] = awx.directory
        project = awx.add("projects", name="P", organization=1, scm_type="git", scm_url=REPOSITORY)
        inventory = awx.add("inventories", name="I", organization=1)
        given = {"project": project["id"], "inventory": inventory["id"], "playbook": "playbooks/audit.yml"}
        with pytest.raises(RefusedError, match="Playbook not found"):
            awx.add("job_templates", name="J", **{**given, "playbook": "no.yml"})
        template = awx.add("job_templates", name="J", survey_enabled=True, **given)
        question = {"question_name": "Q", "variable": "q", "type": "integer", "required": True}
        awx.surveys[template["id"]] = {"name": "", "description": "", "spec": [question]}
        with pytest.raises(RefusedError, match="'q' value missing"):
            awx.launch(template, {})
        with pytest.raises(RefusedError, match="expected to be an integer"):
            awx.launch(template, {"extra_vars": {"q": "1"}})
        with pytest.raises(RefusedError, match="'q' value missing"):
            awx.add("schedules", name="S", unified_job_template=template["id"], rrule=NIGHTLY)
        awx.repositories.clear()
        awx.sync(project)
        with pytest.raises(RefusedError, match="Missing a revision to run due to failed project update"):
            awx.launch(template, {"extra_vars": {"q": 1}})
