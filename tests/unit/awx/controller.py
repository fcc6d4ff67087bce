# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for AWX 24.6.1: its API over HTTP, for the real modules of awx.awx, with what AWX checks and keeps.

What is marked "seen" was seen on a real AWX; what is marked "source" is what AWX's own code says. Jobs and inventory
updates are run for real, by ansible-runner and ansible-inventory, without containers.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jinja2 import StrictUndefined
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import (
    COLLECTIONS,
    TOOLS,
    TREE,
    Credential,
    Job,
    could_be_playbook,
    environment,
    sliced,
)

Record = dict[str, Any]

ENCRYPTED = "$encrypted$"
REPOSITORY = "https://github.com/originsec/ansible-collection-cloudflare.git"
ADMINISTRATOR, ORGANIZATION_ADMINISTRATOR = "token-of-a-system-administrator", "token-of-an-organization-administrator"

REQUIRED = object()
FIELDS: dict[str, Record] = {
    "organizations": {"name": REQUIRED, "description": ""},
    "credential_types": {
        "name": REQUIRED,
        "description": "",
        "kind": REQUIRED,
        "inputs": {},
        "injectors": {},
        "managed": False,
    },
    "credentials": {
        "name": REQUIRED,
        "description": "",
        "organization": None,
        "credential_type": REQUIRED,
        "inputs": {},
    },
    "execution_environments": {
        "name": REQUIRED,
        "description": "",
        "organization": None,
        "image": REQUIRED,
        "pull": "",
    },
    "projects": {
        "name": REQUIRED,
        "description": "",
        "organization": None,
        "scm_type": "",
        "scm_url": "",
        "scm_branch": "",
        "allow_override": False,
    },
    "inventories": {
        "name": REQUIRED,
        "description": "",
        "organization": REQUIRED,
        "kind": "",
        "host_filter": None,
        "variables": "",
    },
    "inventory_sources": {
        "name": REQUIRED,
        "description": "",
        "inventory": REQUIRED,
        "source": "",
        "source_path": "",
        "source_project": None,
        "credential": None,
        "execution_environment": None,
        "overwrite": False,
        "overwrite_vars": False,
        "update_on_launch": False,
        "update_cache_timeout": 0,
    },
    "hosts": {"name": REQUIRED, "description": "", "inventory": REQUIRED, "enabled": True, "variables": ""},
    "groups": {"name": REQUIRED, "description": "", "inventory": REQUIRED, "variables": ""},
    "job_templates": {
        "name": REQUIRED,
        "description": "",
        "job_type": "run",
        "inventory": None,
        "project": None,
        "playbook": "",
        "execution_environment": None,
        "forks": 0,
        "limit": "",
        "verbosity": 0,
        "extra_vars": "",
        "job_slice_count": 1,
        "survey_enabled": False,
        "use_fact_cache": False,
        **{
            f"ask_{name}_on_launch": False
            for name in ("job_type", "limit", "diff_mode", "variables", "scm_branch", "tags", "skip_tags")
        },
        **{f"ask_{name}_on_launch": False for name in ("verbosity", "inventory", "credential")},
    },
    "schedules": {
        "name": REQUIRED,
        "description": "",
        "unified_job_template": REQUIRED,
        "rrule": REQUIRED,
        "extra_data": {},
        "enabled": True,
        "job_type": None,
        "limit": None,
        "inventory": None,
    },
}
NOT_UNIQUE_ALONE: dict[str, tuple[str, ...]] = {
    "organizations": ("name",),
    "credential_types": ("name", "kind"),
    "credentials": ("organization", "name", "credential_type"),
    "execution_environments": ("name",),  # seen: across organizations
    "projects": ("organization", "name"),
    "inventories": ("organization", "name"),
    "inventory_sources": ("inventory", "name"),
    "hosts": ("inventory", "name"),
    "groups": ("inventory", "name"),
    "job_templates": ("organization", "name"),
    "schedules": ("unified_job_template", "name"),
}
"""What has to be unique together."""
REFERENCES = {
    "organization": "organizations",
    "credential_type": "credential_types",
    "credential": "credentials",
    "execution_environment": "execution_environments",
    "inventory": "inventories",
    "source_project": "projects",
    "project": "projects",
    "unified_job_template": "job_templates",
}
FIELD_KEYS = {
    *("id", "label", "type", "format", "choices", "help_text", "multiline", "secret", "ask_at_runtime", "default"),
}
QUESTION_TYPES: dict[str, type] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": float,
}


@dataclass(frozen=True)
class Setup:
    """What came out of the setup playbook."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        """Of how many tasks the result was a change."""
        return int(re.findall(r"changed=(\d+)", self.output)[-1])


class RefusedError(Exception):
    """An answer that is an error: its status and its body."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


@dataclass
class Awx:
    """The controller; a context manager that serves its API on 127.0.0.1."""

    directory: Path
    """For jobs, and for whoever sets it up."""
    collections: Path
    """Where awx.awx is: the directory above ansible_collections."""
    repositories: dict[str, Path] = field(default_factory=lambda: {REPOSITORY: TREE})
    """By URL, what a project's sync finds; any other URL makes it fail."""

    def __post_init__(self) -> None:
        self.tables: dict[str, dict[int, Record]] = {name: {} for name in FIELDS}
        self.tables.update({name: {} for name in ("project_updates", "inventory_updates", "jobs", "workflow_jobs")})
        self.surveys: dict[int, Record] = {}
        self.links: dict[tuple[str, int, str], list[int]] = {}
        self.from_source: dict[int, tuple[set[int], set[int]]] = {}
        """By inventory source, the hosts and the groups that it found."""
        self.journal: list[tuple[str, str]] = []
        """Method and path of every request."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.pool = ThreadPoolExecutor(4)
        self.add("organizations", name="Default")

    # ------------------------------------------------------------------------------------------------ for tests

    def __enter__(self) -> Awx:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"awx": self}))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.pool.shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def environment(self, token: str = ADMINISTRATOR, **more: str) -> dict[str, str]:
        """For commands that work with this controller."""
        return environment(
            self.directory,
            ANSIBLE_COLLECTIONS_PATH=f"{self.collections}{os.pathsep}{COLLECTIONS}",
            CONTROLLER_HOST=self.url,
            CONTROLLER_OAUTH_TOKEN=token,
            CONTROLLER_REQUEST_TIMEOUT="300",  # updates end within their request here, on a machine that may be busy
            ANSIBLE_PIPELINING="True",
            **more,
        )

    def set_up(
        self, variables: dict[str, Any] | None = None, *arguments: str, token: str = ADMINISTRATOR, **environ: str
    ) -> Setup:
        """Run our playbook with these extra variables."""
        self.journal.clear()
        extra = self.directory / "variables.json"
        extra.write_text(json.dumps(variables or {}))
        finished = subprocess.run(
            [str(TOOLS / "ansible-playbook"), "originsec.cloudflare.awx_setup", "-e", f"@{extra}", *arguments],
            env=self.environment(token, **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Setup(finished.returncode, finished.stdout)

    def add(self, table: str, /, **fields: Any) -> Record:
        """What somebody made by hand."""
        return self.create(table, fields)

    def state(self) -> bytes:
        """Everything that it has, for another one to begin with."""
        return pickle.dumps((self.tables, self.surveys, self.links, self.from_source))

    def restore(self, state: bytes) -> None:
        self.tables, self.surveys, self.links, self.from_source = pickle.loads(state)

    def all(self, kind: str, /, **wanted: Any) -> dict[str, Record]:
        """By name, the objects that have these values."""
        found = [one for one in self.tables[kind].values() if all(one[key] == value for key, value in wanted.items())]
        return {one["name"]: one for one in found}

    def one(self, kind: str, name: str, /, **wanted: Any) -> Record:
        (found,) = (one for one in self.tables[kind].values() if one["name"] == name and wanted.items() <= one.items())
        return found

    def answers(self, template: Record) -> Record:
        """The variables of a job for which nobody changes an answer of the template's survey."""
        return self._answers(template, {})

    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path in self.journal if method not in ("GET", "HEAD")]

    # ----------------------------------------------------------------------------------------------- the objects

    def create(self, kind: str, data: Mapping[str, Any]) -> Record:
        record: Record = {}
        missing = [name for name, default in FIELDS[kind].items() if default is REQUIRED and data.get(name) is None]
        if missing:
            raise RefusedError(400, {name: ["This field is required."] for name in missing})
        for name, default in FIELDS[kind].items():
            given = data.get(name)
            record[name] = given if given is not None else default
        record["id"] = next(self._ids(kind))
        self._check(kind, record, None)
        self.tables[kind][record["id"]] = record
        if kind == "projects" and record["scm_type"]:
            self.sync(record)
        return record

    def change(self, kind: str, record: Record, data: Mapping[str, Any]) -> None:
        changed = {**record, **{name: value for name, value in data.items() if name in FIELDS[kind]}}
        for name, default in FIELDS[kind].items():
            if changed[name] is None and isinstance(default, str):
                changed[name] = default
        self._check(kind, changed, record)
        sync = kind == "projects" and any(changed[name] != record[name] for name in ("scm_url", "scm_branch"))
        record.update(changed)
        if sync:
            self.sync(record)

    def _ids(self, kind: str) -> Any:
        # As in AWX, where these share one sequence
        shared = ("projects", "inventory_sources", "job_templates")
        tables = shared if kind in shared else (kind,)
        yield max((id_ for table in tables for id_ in self.tables[table]), default=0) + 1

    def _check(self, kind: str, record: Record, before: Record | None) -> None:
        for name, table in REFERENCES.items():
            if record.get(name) is not None:
                record[name] = int(record[name])
                if record[name] not in self.tables[table]:
                    raise RefusedError(400, {name: [f'Invalid pk "{record[name]}" - object does not exist.']})
        check: Callable[[Record, Record | None], None] | None = getattr(self, f"_check_{kind}", None)
        if check:
            check(record, before)
        together = NOT_UNIQUE_ALONE[kind]
        for other in self.tables[kind].values():
            if other["id"] != record["id"] and all(other[name] == record[name] for name in together):
                names = " and ".join(name.replace("_", " ").title() for name in together)
                raise RefusedError(400, {"__all__": [f"{kind[:-1]} with this {names} already exists."]})

    def _check_credential_types(self, type_: Record, before: Record | None) -> None:
        used = before and any(one["credential_type"] == before["id"] for one in self.tables["credentials"].values())
        if before and used and type_["inputs"] != before["inputs"]:  # seen: 403, whoever asks
            raise RefusedError(
                403, {"detail": "Modifications to inputs are not allowed for credential types that are in use"}
            )
        if problem := credential_type_problem(type_["inputs"], type_["injectors"]):
            raise RefusedError(400, {"inputs": [problem]})

    def _check_credentials(self, credential: Record, before: Record | None) -> None:
        fields = self._inputs_of(credential)
        inputs = dict(credential["inputs"])  # seen: the whole of it is replaced
        for name, value in inputs.items():
            if name not in fields:
                raise RefusedError(
                    400, {"inputs": [f"Additional properties are not allowed ('{name}' was unexpected)"]}
                )
            if value == ENCRYPTED:
                if not before or not before["inputs"].get(name):  # seen: refused at creation, kept by PATCH
                    raise RefusedError(
                        400, {"inputs": [f"{ENCRYPTED} is a reserved keyword, and cannot be used for {name}."]}
                    )
                inputs[name] = before["inputs"][name]
        credential["inputs"] = inputs

    def _inputs_of(self, credential: Record) -> dict[str, Record]:
        type_ = self.tables["credential_types"][credential["credential_type"]]
        return {one["id"]: one for one in type_["inputs"].get("fields", [])}

    def _check_execution_environments(self, environment_: Record, before: Record | None) -> None:
        if before and environment_["organization"] != before["organization"]:  # seen
            raise RefusedError(403, {"detail": "You do not have permission to perform this action."})

    def _check_inventory_sources(self, source: Record, _before: Record | None) -> None:
        if source["source"] == "scm" and not source["source_project"]:
            raise RefusedError(400, {"source_project": ["Project required for scm type sources."]})
        # seen: whether there is such a source_path shows at the first update only

    def _check_job_templates(self, template: Record, _before: Record | None) -> None:
        if template["project"] is None:
            raise RefusedError(400, {"project": ["This field is required."]})
        project = self.tables["projects"][template["project"]]
        template["organization"] = project["organization"]  # source: read only
        if template["playbook"] not in self.playbooks(project):
            raise RefusedError(400, {"playbook": ["Playbook not found for project."]})

    def _check_schedules(self, schedule: Record, _before: Record | None) -> None:
        if not schedule["rrule"].startswith("DTSTART"):
            start = "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"
            raise RefusedError(400, {"rrule": [start]})
        template = self.tables["job_templates"][schedule["unified_job_template"]]
        self._answers(template, schedule["extra_data"], strict=True)  # seen: a schedule needs them, too

    # ---------------------------------------------------------------------------------------------- its projects

    def sync(self, project: Record) -> Record:
        found = self.repositories.get(project["scm_url"])
        update = {"id": len(self.tables["project_updates"]) + 1, "project": project["id"], "type": "project_update"}
        update |= {
            "status": "successful" if found else "failed",
            "failed": not found,
            "finished": "2026-01-01T00:00:00Z",
        }
        update |= {"scm_revision": "5" * 40 if found else "", "name": project["name"]}
        self.tables["project_updates"][update["id"]] = update
        project |= {"status": update["status"], "last_update": update["id"]}
        if found:
            project["revision"], project["path"] = update["scm_revision"], found
        return update

    def playbooks(self, project: Record) -> list[str]:
        root: Path | None = project.get("path")
        return (
            sorted(str(path.relative_to(root)) for path in _files(root) if could_be_playbook(path, root))
            if root
            else []
        )

    def inventory_files(self, project: Record) -> list[str]:
        root: Path | None = project.get("path")
        # source: no more than 51 are listed
        return sorted(str(path.relative_to(root)) for path in _files(root))[:51] if root else []

    # ----------------------------------------------------------------------------------------------- inventories

    def update_inventory(self, source: Record) -> Record:
        update: Record = {"id": len(self.tables["inventory_updates"]) + 1, "type": "inventory_update"}
        project = self.tables["projects"][source["source_project"]]
        home = self.directory / f"inventory_update_{update['id']}"
        home.mkdir(parents=True)
        path = (project.get("path") or home) / source["source_path"]
        finished = subprocess.run(
            [str(TOOLS / "ansible-inventory"), "-i", str(path), "--list", "--export"],
            env=environment(
                home, ANSIBLE_INVENTORY_UNPARSED_FAILED="True", **self._injected(source["credential"], home)
            ),
            capture_output=True,
            text=True,
            check=False,
        )
        failed = finished.returncode != 0
        update |= {"failed": failed, "status": "failed" if failed else "successful", "finished": "2026-01-01T00:00:00Z"}
        update |= {"result": finished.stderr, "name": source["name"]}
        self.tables["inventory_updates"][update["id"]] = update
        source |= {"status": update["status"], "updated": time.monotonic()}
        if not failed:  # seen: else hosts are kept
            self._import(source, json.loads(finished.stdout))
        return update

    def _import(self, source: Record, found: dict[str, Any]) -> None:
        variables = found["_meta"]["hostvars"]
        groups = {name: one for name, one in found.items() if name not in ("_meta", "all", "ungrouped")}
        groups |= {name: {} for name in found.get("all", {}).get("children", []) if name not in groups}
        groups.pop("ungrouped", None)
        hosts = {*variables, *(host for group in found.values() for host in group.get("hosts", []))}

        def keep(kind: str, name: str, new: Any) -> int:
            existing = self.all(kind, inventory=source["inventory"]).get(name)
            one = existing or self.add(kind, name=name, inventory=source["inventory"])
            old = {} if source["overwrite_vars"] else json.loads(one["variables"] or "{}")  # seen: else merged
            one["variables"] = json.dumps({**old, **new}) if new or old else ""
            return int(one["id"])

        host_ids = {name: keep("hosts", name, variables.get(name, {})) for name in hosts}
        group_ids = {name: keep("groups", name, group.get("vars", {})) for name, group in groups.items()}
        for name, group in groups.items():
            linked = self.links.setdefault(("groups", group_ids[name], "hosts"), [])
            linked.extend(host_ids[host] for host in group.get("hosts", []) if host_ids[host] not in linked)
        before = self.from_source.get(source["id"], (set(), set()))
        if source["overwrite"]:
            for kind, gone in (
                ("hosts", before[0] - set(host_ids.values())),
                ("groups", before[1] - set(group_ids.values())),
            ):
                for id_ in gone:
                    del self.tables[kind][id_]
            for (kind, group_id, _name), linked in self.links.items():
                if kind == "groups":
                    linked[:] = [id_ for id_ in linked if id_ in self.tables["hosts"]]
                    if group_id in group_ids.values():
                        linked[:] = [id_ for id_ in linked if id_ in host_ids.values() or id_ not in before[0]]
        self.from_source[source["id"]] = (set(host_ids.values()), set(group_ids.values()))

    def script(self, inventory: int) -> dict[str, Any]:
        """What a job gets as its inventory."""
        hosts = {one["id"]: one for one in self.tables["hosts"].values() if one["inventory"] == inventory}
        found: dict[str, Any] = {"_meta": {"hostvars": {}}}
        for host in hosts.values():
            found["_meta"]["hostvars"][host["name"]] = json.loads(host["variables"] or "{}")
        for group in self.all("groups", inventory=inventory).values():
            linked = self.links.get(("groups", group["id"], "hosts"), [])
            found[group["name"]] = {
                "hosts": [hosts[id_]["name"] for id_ in linked if id_ in hosts],
                "vars": json.loads(group["variables"] or "{}"),
            }
        grouped = {host for group in found.values() for host in group.get("hosts", [])}
        found["ungrouped"] = {"hosts": [host["name"] for host in hosts.values() if host["name"] not in grouped]}
        return found

    # ------------------------------------------------------------------------------------------------------ jobs

    def _injected(self, credential: int | None, home: Path) -> dict[str, str]:
        if credential is None:
            return {}
        (home / "env").mkdir(exist_ok=True)
        return self._credential(credential).inject(home, home)

    def _credential(self, id_: int) -> Credential:
        record = self.tables["credentials"][id_]
        return Credential(record["inputs"], self.tables["credential_types"][record["credential_type"]]["injectors"])

    def _answers(self, template: Record, given: Mapping[str, Any], *, strict: bool = False) -> Record:
        """The extra variables of a job. source: survey defaults over the template's own, and answers over both.

        strict: whether variables that nobody is asked for are an error, as for schedules, and not only ignored.
        """
        survey = self.surveys.get(template["id"], {}).get("spec", []) if template["survey_enabled"] else []
        problems = [problem for question in survey for problem in answer_problems(question, given)]
        if problems:
            raise RefusedError(400, {"variables_needed_to_start": problems})
        asked = {question["variable"] for question in survey}
        unknown = [name for name in given if name not in asked] if not template["ask_variables_on_launch"] else []
        if unknown and strict:
            text = "are not allowed on launch. Check the Prompt on Launch setting on the Job Template to include Extra"
            raise RefusedError(400, {"extra_vars": [f"Variables {', '.join(unknown)} {text} Variables."]})
        defaults = {
            question["variable"]: question["default"]
            for question in survey
            if "default" in question and not answer_problems(question, {question["variable"]: question["default"]})
        }
        own = json.loads(template["extra_vars"] or "{}")
        return {**own, **defaults, **{name: value for name, value in given.items() if name not in unknown}}

    def launch(self, template: Record, data: Mapping[str, Any]) -> Record:
        """The job, or the workflow job of its slices, which goes on by itself."""
        project = self.tables["projects"][template["project"]]
        if project["status"] == "failed":  # seen
            raise RefusedError(400, {"playbook": ["Missing a revision to run due to failed project update."]})
        if template["inventory"] is None:
            raise RefusedError(400, {"inventory": ["This field is required."]})
        given = data.get("extra_vars", {})
        answers = self._answers(template, json.loads(given) if isinstance(given, str) else given)
        prompts = {
            name: data[name] if name in data and template[f"ask_{name}_on_launch"] else template.get(name)
            for name in ("job_type", "limit")
        }
        hosts = len(self.all("hosts", inventory=template["inventory"]))
        slices = max(1, min(template["job_slice_count"], hosts))  # seen: counted before the launch's own update
        jobs = [self._job(template, answers, prompts, number, slices) for number in range(slices)]
        if slices == 1:
            self.pool.submit(self._run, jobs[0])
            return jobs[0]
        whole = {"id": len(self.tables["workflow_jobs"]) + 1, "type": "workflow_job", "name": template["name"]}
        whole |= {"status": "pending", "failed": False, "finished": None, "jobs": [job["id"] for job in jobs]}
        self.tables["workflow_jobs"][whole["id"]] = whole
        self.pool.submit(self._run_slices, whole, jobs)
        return whole

    def _job(self, template: Record, answers: Record, prompts: Record, number: int, slices: int) -> Record:
        job: Record = {"id": len(self.tables["jobs"]) + 1, "type": "job", "name": template["name"]}
        job |= {"job_template": template["id"], "extra_vars": answers, **prompts, "slice": (number, slices)}
        job |= {"status": "pending", "failed": False, "finished": None, "event_processing_finished": False}
        job |= {"job_explanation": "", "artifacts": {}, "stdout": ""}
        self.tables["jobs"][job["id"]] = job
        return job

    def _run_slices(self, whole: Record, jobs: list[Record]) -> None:
        for job in jobs:
            self._run(job)
        failed = any(job["failed"] for job in jobs)
        whole |= {"status": "failed" if failed else "successful", "failed": failed, "finished": "2026-01-01T00:00:00Z"}

    def _run(self, job: Record) -> None:
        try:
            self._run_now(job)
        except Exception as error:  # what went wrong here is to be seen in the test's job
            job |= {"status": "error", "failed": True, "job_explanation": repr(error)}
        job |= {"finished": "2026-01-01T00:00:00Z", "event_processing_finished": True}

    def _run_now(self, job: Record) -> None:
        template = self.tables["job_templates"][job["job_template"]]
        credentials = self.links.get(("job_templates", template["id"], "credentials"), [])
        if explanation := self._not_filled_in(credentials):
            job |= {"status": "failed", "failed": True, "job_explanation": explanation}
            return
        for source in self.all("inventory_sources", inventory=template["inventory"]).values():
            recent = time.monotonic() - source.get("updated", float("-inf")) < source["update_cache_timeout"]
            if source["update_on_launch"] and not recent and self.update_inventory(source)["failed"]:  # seen
                update = json.dumps({"job_type": "inventory_update", "job_name": source["name"]})
                job |= {"status": "failed", "failed": True, "job_explanation": f"Previous Task Failed: {update}"}
                return
        number, slices = job["slice"]
        inventory = self.script(template["inventory"])
        run = Job(
            self.directory / f"job_{job['id']}",
            sliced(inventory, number + 1, slices) if slices > 1 else inventory,
            [self._credential(id_) for id_ in credentials],
            job["extra_vars"],
            template["playbook"],
            arguments=" ".join(["--check"] * (job["job_type"] == "check") + ["-l", job["limit"]] * bool(job["limit"])),
            id=str(job["id"]),
            project=self.tables["projects"][template["project"]]["path"],
        ).run()
        status, _code = run.status
        job |= {"status": status, "failed": status != "successful", "stdout": run.output}
        # After an error before the first play there are no statistics
        if any(event["event"] == "playbook_on_stats" for event in run.events):
            job["artifacts"] = run.stats.get("artifact_data", {})
        if template["use_fact_cache"] and (run.artifacts / "fact_cache").is_dir():
            for name, facts in run.facts.items():
                host = self.all("hosts", inventory=template["inventory"]).get(name)
                if host is not None:
                    host["ansible_facts"] = facts

    def _not_filled_in(self, credentials: list[int]) -> str:
        for credential in (self.tables["credentials"][id_] for id_ in credentials):
            required = self.tables["credential_types"][credential["credential_type"]]["inputs"].get("required", [])
            missing = sorted(name for name in required if not credential["inputs"].get(name))
            if missing:  # seen
                return (
                    f"Job cannot start because Credential {credential['name']} does not provide one or more "
                    f"required fields ({', '.join(missing)})."
                )
        return ""

    # -------------------------------------------------------------------------------------------------- over HTTP

    def answer(self, method: str, path: str, query: Mapping[str, str], data: Any, token: str) -> tuple[int, Any]:
        if token not in (ADMINISTRATOR, ORGANIZATION_ADMINISTRATOR):
            raise RefusedError(401, {"detail": "Authentication credentials were not provided."})
        parts = [unquote(part) for part in path.removeprefix("/api/v2/").strip("/").split("/")]
        kind = parts[0]
        if kind == "me":
            me = {"id": 1, "username": "somebody", "is_superuser": token == ADMINISTRATOR}
            return 200, {"count": 1, "next": None, "results": [me]}
        if method not in ("GET", "HEAD") and token != ADMINISTRATOR and kind in ("credential_types", "organizations"):
            raise RefusedError(403, {"detail": "You do not have permission to perform this action."})  # seen
        if len(parts) == 1:
            if method == "GET":
                return 200, self._list(kind, query)
            return 201, self.shown(kind, self.create(kind, data))
        record = self._named(kind, parts[1])
        if len(parts) == 2:
            if method == "PATCH":
                self.change(kind, record, data)
            elif method == "DELETE":
                del self.tables[kind][record["id"]]
                return 204, None
            return 200, self.shown(kind, record)
        return self._related(method, kind, record, parts[2], data)

    def _named(self, kind: str, name: str) -> Record:
        """By id, or by its name and, after ++, that of its organization or inventory."""
        table = self.tables.get(kind, {})
        if name.isdigit() and int(name) in table:
            return table[int(name)]
        first, _plus, parent = name.partition("++")
        above = {"hosts": "inventory", "groups": "inventory"}.get(kind, "organization")
        for record in table.values():
            over = self.tables[REFERENCES[above]].get(record.get(above) or 0, {})
            if parent and record.get("name") == first and over.get("name") == parent.partition("++")[0]:
                return record
        raise RefusedError(404, {"detail": "Not found."})

    def _list(self, kind: str, query: Mapping[str, str]) -> Record:
        if kind == "unified_job_templates":
            rows = [("job_templates", one) for one in self.tables["job_templates"].values()]
            rows += [("projects", one) for one in self.tables["projects"].values()]
        elif kind in self.tables:
            rows = [(kind, one) for one in self.tables[kind].values()]
        else:
            raise RefusedError(404, {"detail": "Not found."})
        size, page, filters = int(query.get("page_size", 25)), int(query.get("page", 1)), dict(query)
        filters.pop("page_size", None)
        filters.pop("page", None)
        either = {name.removeprefix("or__"): filters.pop(name) for name in list(filters) if name.startswith("or__")}

        def fits(record: Record) -> bool:
            unknown = [name for name in {*filters, *either} if name not in record]
            if unknown:
                raise RefusedError(400, {"detail": f"{kind} has no field named '{unknown[0]}'"})
            return all(str(record[name]) == value for name, value in filters.items()) and (
                not either or any(str(record[name]) == value for name, value in either.items())
            )

        found = [self.shown(table, record) for table, record in rows if fits(record)]
        start = (page - 1) * size
        more = start + size < len(found)
        rest = "&".join(f"{name}={value}" for name, value in {**query, "page": page + 1}.items())
        next_ = f"/api/v2/{kind}/?{rest}" if more else None
        return {"count": len(found), "next": next_, "results": found[start : start + size]}

    def shown(self, kind: str, record: Record) -> Record:
        url = f"/api/v2/{kind}/{record['id']}/"
        related = dict.fromkeys(
            ("launch", "survey_spec", "credentials", "update", "playbooks", "inventories", "hosts"), ""
        )
        related |= {"children": ""}
        shown = {"type": kind[:-1], **record, "url": url, "related": {name: f"{url}{name}/" for name in related}}
        shown["summary_fields"] = {}
        shown.pop("path", None)
        if kind == "credentials":
            secret = {name for name, one in self._inputs_of(record).items() if one.get("secret")}
            shown["inputs"] = {
                name: ENCRYPTED if name in secret and value else value for name, value in record["inputs"].items()
            }
        if kind == "projects":
            shown |= {"status": record.get("status", "never updated"), "scm_revision": record.get("revision", "")}
            # A sync that this request began, which is over by now
            if record.pop("last_update", None):
                shown["summary_fields"]["current_update"] = {"id": max(self.tables["project_updates"])}
        return shown

    def _related(self, method: str, kind: str, record: Record, name: str, data: Any) -> tuple[int, Any]:
        if name == "survey_spec":
            return self._survey_spec(method, record, data)
        if name == "launch":
            launched = self.launch(record, data or {})
            return 201, {**self.shown(f"{launched['type']}s", launched), launched["type"]: launched["id"]}
        if name == "update":
            if kind == "projects":
                update = self.sync(record)
                record.pop("last_update", None)
            else:
                update = self.update_inventory(record)
            return 202, self.shown(f"{update['type']}s", update)
        if name == "playbooks":
            return 200, self.playbooks(record)
        if name == "inventories":
            return 200, self.inventory_files(record)
        if name == "stdout":
            return 200, {"content": record["stdout"]}
        if name == "ansible_facts":
            return 200, record.get("ansible_facts", {})
        linked = self.links.setdefault((kind, record["id"], name), [])
        table = {"children": "groups"}.get(name, name)
        if method == "GET":
            found = [self.shown(table, self.tables[table][id_]) for id_ in linked]
            return 200, {"count": len(found), "next": None, "results": found}
        if data.get("disassociate"):
            linked.remove(data["id"])
        else:
            if name == "credentials":
                types = [self.tables[table][id_]["credential_type"] for id_ in linked]
                if self.tables[table][data["id"]]["credential_type"] in types:  # source
                    raise RefusedError(400, {"error": "Cannot assign multiple credentials of the same type."})
            linked.append(data["id"])
        return 204, None

    def _survey_spec(self, method: str, template: Record, spec: Any) -> tuple[int, Any]:
        if method == "DELETE":
            self.surveys.pop(template["id"], None)
        elif method == "POST":
            if problem := survey_problem(spec):
                raise RefusedError(400, {"error": problem})
            self.surveys[template["id"]] = spec
        return 200, self.surveys.get(template["id"], {}) if method == "GET" else {}


def _files(root: Path | None) -> list[Path]:
    """Of a project, without what AWX leaves out."""
    found = []
    for top, directories, names in os.walk(root or os.devnull):
        directories[:] = [name for name in directories if not name.startswith(".") and name not in ("tests", "output")]
        found += [Path(top, name) for name in names if name.endswith((".yml", ".yaml", ".ini"))]
    return found


# ------------------------------------------------------------------------------------- what is valid, all "source"


def credential_type_problem(inputs: Record, injectors: Record) -> str:
    """Why AWX would refuse, or not keep as it is, such a credential type."""
    if set(inputs) - {"fields", "required"} or set(injectors) - {"env", "file", "extra_vars"}:
        return "unknown keys"
    ids = [one.get("id", "") for one in inputs.get("fields", [])]
    if len(set(ids)) < len(ids) or "tower" in ids or set(inputs.get("required", [])) - set(ids):
        return "ids of fields"
    for one in inputs.get("fields", []):
        if set(one) - FIELD_KEYS or not isinstance(one.get("label"), str):
            return f"{one}: keys of a field"
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", one["id"]):
            return f"{one['id']}: not a name"
        if one.get("type") not in ("string", "boolean"):
            return f"{one['id']}: without a type, AWX adds one, and the next run would report a change"
        if any(not isinstance(one.get(key, False), bool) for key in ("secret", "multiline", "ask_at_runtime")):
            return f"{one['id']}: not a boolean"
    for label in injectors.get("file", {}):
        if not re.fullmatch(r"template\.[a-zA-Z_][a-zA-Z0-9_]*", label):
            return f"{label}: not a file template with a name"
    for name, template in injectors.get("env", {}).items():
        if name.startswith("ANSIBLE_") or not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) or not template.isascii():
            return f"{name}: not allowed in the environment"
    files = SimpleNamespace(**{label.partition(".")[2]: "x" for label in injectors.get("file", {})})
    namespace = {**dict.fromkeys(ids, "x"), "tower": SimpleNamespace(filename=files)}
    strict = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    for templates in injectors.values():
        for name, template in templates.items():
            try:
                strict.from_string(template).render(namespace)
            except TemplateError as error:
                return f"{name}: {error}"
    return ""


def survey_problem(survey: Any) -> str:
    """Why AWX refuses such a survey; "" if it does not."""
    for key, container in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(survey.get(key), container):
            return f"Field '{key}' is missing from survey spec."
    if not survey["spec"]:
        return "'spec' doesn't contain any items."
    variables: set[str] = set()
    for index, question in enumerate(survey["spec"]):
        if not isinstance(question, dict):
            return f"Survey question {index} is not a json object."
        for key, type_ in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if key not in question:
                return f"'{key}' missing from survey question {index}."
            if not isinstance(question[key], type_):
                return f"'{key}' in survey question {index} expected to be {type_.__name__}."
        if question["variable"] in variables:
            return f"'variable' '{question['variable']}' duplicated in survey question {index}."
        variables.add(question["variable"])
        if question["type"] not in QUESTION_TYPES:
            return f"'{question['type']}' in survey question {index} is not one of the allowed question types."
        if question.get("default", "") != "" and not isinstance(question["default"], QUESTION_TYPES[question["type"]]):
            return f"Default value {question['default']} in survey question {index} has the wrong type."
        for limit in ("min", "max"):
            if question.get(limit) is not None and not isinstance(question[limit], int):
                return f"The {limit} limit in survey question {index} expected to be integer."
        if question["type"].startswith("multi"):
            if "choices" not in question:
                return f"Survey question {index} of type {question['type']} must specify choices."
            defaults = question.get("default", "").split("\n") if question.get("default") else []
            if any(default not in question["choices"] for default in defaults):
                return "Default choice must be answered from the choices listed."
    return ""


def answer_problems(question: Record, answers: Mapping[str, Any]) -> list[str]:
    """What a launch says of the answer to one question."""
    name, type_ = question["variable"], question["type"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] else []
    value = answers[name]
    if type_ in ("text", "textarea", "password"):
        if not isinstance(value, str):
            return [f"Value {value} for '{name}' expected to be a string."]
        size, text = len(value), f"'{name}' value {value} is too"
    elif type_ in ("integer", "float"):
        if type(value) not in ((int,) if type_ == "integer" else (int, float)):
            what = "an integer" if type_ == "integer" else "a numeric type"
            return [f"Value {value} for '{name}' expected to be {what}."]
        size, text = value, f"'{name}' value {value} is too"
    else:
        chosen = value if type_ == "multiselect" else [value]
        choices = question["choices"]
        return [f"Value {one} for '{name}' expected to be one of {choices}." for one in chosen if one not in choices]
    if question.get("min") is not None and size < question["min"]:
        return [f"{text} small (must be at least {question['min']})."]
    if question.get("max") is not None and size > question["max"]:
        return [f"{text} large (must be no more than {question['max']})."]
    return []


class _Handler(BaseHTTPRequestHandler):
    awx: Awx
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        with self.awx.lock:
            self.awx.journal.append((self.command, url.path))
            try:
                data = json.loads(body) if body else None
                status, answer = self.awx.answer(self.command, url.path, dict(parse_qsl(url.query)), data, token)
            except RefusedError as refusal:
                status, answer = refusal.status, refusal.body
        text = b"" if status == 204 else json.dumps(answer, default=str).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
