# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What playbooks/awx_setup.yml is about to create in AWX, and why AWX would refuse it, or not do what was meant.

Everything here is pure: what AWX has is given as its API returned it. AWX would find most of these mistakes itself, but
one at a time, after it has half of the objects, and some of them not before a job runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Union

Object = Mapping[str, Any]
"""An object as AWX's API returns it."""

_MOST_LISTED = 50
"""AWX lists no more inventory files of a project than about this many."""

_FAILED = ("failed", "error", "canceled")

_Type = Union[type, tuple[type, ...]]
_NUMBER = (int, str)
_TEMPLATE_KEYS: dict[str, _Type] = {
    "name": str,
    "description": str,
    "playbook": str,
    "credentials": list,
    "optional_credentials": list,
    "survey": list,
    "schedules": list,
    "job_type": str,
    "extra_vars": dict,
    "forks": _NUMBER,
    "limit": str,
    "job_slice_count": _NUMBER,
}
_SCHEDULE_KEYS: dict[str, _Type] = {
    "name": str,
    "description": str,
    "rrule": str,
    "extra_data": dict,
    "enabled": (bool, str),
    "job_type": str,
    "limit": str,
}
_ANSWERS: dict[str, _Type] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (int, float),
}
"""By the type of a question, that of its default."""


class Template(TypedDict):
    """A job template, with every key that the task needs; what is None is left to AWX."""

    name: str
    description: str
    playbook: str
    credentials: list[str]
    survey: list[dict[str, Any]]
    schedules: list[dict[str, Any]]
    job_type: str
    extra_vars: dict[str, Any] | None
    forks: int | None
    limit: str | None
    job_slice_count: int | None
    exists: bool


class Plan(TypedDict):
    """problems: each a sentence or two for whoever ran the playbook; if there are any, the rest may be incomplete.

    host_variables: those of zones and origins that were given. stored: the inputs of the credentials "api" and
    "certificate". project_id: of the playbooks' project, if it exists.
    update_project: whether its last update has failed.
    """

    problems: list[str]
    zones: list[str]
    origins: list[str]
    host_variables: dict[str, dict[str, Any]]
    stored: dict[str, Object]
    project_id: int | None
    update_project: bool
    job_templates: list[Template]
    credential_ids: dict[str, int]
    creates: list[str]


class Settings(TypedDict):
    """The variables awx_setup_NAME. Of inputs of credentials, only the names of those that are not blank."""

    organization: Any
    inventory: Any
    group: Any
    inventory_source: Any
    inventory_source_path: Any
    inventory_source_project: Any
    zones: Any
    zone_variables: Any
    group_variables: Any
    origins: Any
    origin_variables: Any
    origin_group_variables: Any
    machine_credential: Any
    client_certificate_directory: Any
    project: Any
    scm_url: Any
    scm_branch: Any
    execution_environment: Any
    execution_environment_image: Any
    api_credential: Any
    api_inputs: Sequence[str]
    certificate_credential: Any
    certificate_inputs: Sequence[str]
    missing_files: Sequence[str]
    credential_types: Any
    job_templates: Any


class Found(TypedDict):
    """What AWX has: lists as its API returns them, of what the account may see.

    From projects on, of the organization only, and empty where there is none yet. playbooks: of the project of the
    playbooks. files: of the project of the inventory source. hosts: in check mode only.
    """

    me: Object
    organizations: Sequence[Object]
    credential_types: Sequence[Object]
    execution_environments: Sequence[Object]
    credentials: Sequence[Object]
    projects: Sequence[Object]
    playbooks: Sequence[str]
    files: Sequence[str]
    inventories: Sequence[Object]
    inventory_sources: Sequence[Object]
    job_templates: Sequence[Object]
    hosts: Sequence[Object]
    groups: Sequence[Object]


def plan(settings: Settings, found: Found) -> Plan:
    return _Planner(settings, found).plan()


def merged_inputs(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """All inputs of a credential, since AWX forgets those that are not sent. What is given and not blank wins.

    stored: as the API returns them, where a secret is ``$encrypted$``, which AWX takes for the one that it has.
    """
    return {**stored, **{name: value for name, value in given.items() if value}}


@dataclass
class _Planner:
    settings: Settings
    found: Found
    problems: list[str] = field(default_factory=list)
    host_variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    _stored_api: Object = field(default_factory=dict)
    _stored_certificate: Object = field(default_factory=dict)

    def plan(self) -> Plan:
        self._names()
        zones = self._hosts("zones", "zone")
        origins = self._hosts("origins", "origin")
        self._lockdown(origins)
        self._organization()
        self._execution_environment()
        self._credential_types()
        filled_in = self._credentials()
        self._inventory_source()
        templates = self._templates(filled_in)
        credential_ids = self._credential_ids(templates)
        return {
            "problems": self.problems,
            "zones": zones,
            "origins": origins,
            "host_variables": self.host_variables,
            "stored": {"api": self._stored_api, "certificate": self._stored_certificate},
            "project_id": (self._project(self.settings["project"]) or {}).get("id"),
            "update_project": (self._project(self.settings["project"]) or {}).get("status") in _FAILED,
            "job_templates": templates,
            "credential_ids": credential_ids,
            "creates": self._creates(zones, origins, templates),
        }

    def _problem(self, variable: str, text: str) -> None:
        self.problems.append(f"awx_setup_{variable}: {text}")

    # -------------------------------------------------------------------------------------------- what is simple

    def _names(self) -> None:
        for variable in (
            *("organization", "inventory", "group", "project", "scm_url", "api_credential", "certificate_credential"),
            *("execution_environment", "inventory_source"),
        ):
            value = self.settings[variable]
            if not isinstance(value, str) or not value.strip():
                self._problem(variable, f"must be text that is not blank, not {value!r}.")

    def _hosts(self, setting: Literal["zones", "origins"], noun: Literal["zone", "origin"]) -> list[str]:
        """The names of the zones, or of the origins; their variables go into host_variables."""
        given = self.settings[setting]
        variables = self.settings["zone_variables" if noun == "zone" else "origin_variables"]
        names = re.split(r"[,\n]", given) if isinstance(given, str) else given or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self._problem(setting, f"must be a list of names, or text with commas, not {given!r}.")
            names = []
        names = list(dict.fromkeys(name.strip() for name in names if name.strip()))
        for name in names:
            if re.search(r"\s|/", name):
                self._problem(setting, f"'{name}' is not the name of {'a zone' if noun == 'zone' else 'a server'}.")
        if not isinstance(variables, Mapping) or not all(isinstance(one, Mapping) for one in variables.values()):
            self._problem(
                f"{noun}_variables", f"must be a dictionary of {setting}, each with a dictionary of variables."
            )
            variables = {}
        for name, of_host in variables.items():
            if name not in names:
                self._problem(
                    f"{noun}_variables", f"{name} is not among awx_setup_{setting}, so nothing would come of it."
                )
            self.host_variables[name] = {**self.host_variables.get(name, {}), **of_host}
        of_group = self.settings["group_variables" if noun == "zone" else "origin_group_variables"]
        if not isinstance(of_group, (Mapping, type(None))):
            prefix = "" if noun == "zone" else "origin_"
            self._problem(f"{prefix}group_variables", "must be a dictionary of variables.")
        return names

    def _lockdown(self, origins: Sequence[str]) -> None:
        """What jobs need that lock origins down."""
        credential, directory = self.settings["machine_credential"], self.settings["client_certificate_directory"]
        for variable in ("machine_credential", "client_certificate_directory"):
            if not isinstance(self.settings[variable], (str, int)):
                self._problem(variable, f"must be text, not {self.settings[variable]!r}.")
        elsewhere = self.settings["inventory_source_path"] or any(
            one["name"] == "origins" for one in self.found["groups"]
        )
        if credential and not origins and not elsewhere:
            self._problem(
                "origins", "is blank, and the inventory has no group origins: name the servers that are locked down."
            )
        if origins and not credential:
            self._problem(
                "machine_credential",
                "is blank: name the machine credential of AWX with which jobs reach awx_setup_origins by ssh.",
            )
        if directory and not credential:
            self._problem(
                "client_certificate_directory",
                "its certificate is for jobs that lock origins down: name their awx_setup_machine_credential, too.",
            )
        if directory and not str(directory).startswith("/"):
            self._problem(
                "client_certificate_directory",
                f"must be the path that jobs see, which begins with a slash, not {directory}.",
            )

    def _organization(self) -> None:
        if self.found["me"].get("is_superuser"):
            return
        types = [one["name"] for one in self.settings["credential_types"]]
        there = [one["name"] for one in self.found["credential_types"]]
        missing = [f"the organization {self.settings['organization']}"] * (not self.found["organizations"])
        missing += [f"the credential type {name}" for name in types if name not in there]
        if missing:
            self.problems.append(
                f"AWX does not have {' and '.join(missing)} yet, and only a system administrator may create what is "
                "not part of an organization: have one run this playbook once. Later runs need no more than an "
                "administrator of the organization."
            )

    def _execution_environment(self) -> None:
        if not self.settings["execution_environment_image"]:
            return
        for one in self.found["execution_environments"]:
            if one["organization"] not in (None, self._organization_id()):
                self._problem(
                    "execution_environment",
                    f"{one['name']} belongs to another organization (id {one['organization']}), and AWX knows each "
                    "name only once: choose another.",
                )

    def _organization_id(self) -> Any:
        return next((one["id"] for one in self.found["organizations"]), None)

    # ---------------------------------------------------------------------------------------------- credentials

    def _credential_types(self) -> None:
        there = {one["name"]: one for one in self.found["credential_types"]}
        for type_ in self.settings["credential_types"]:
            existing = there.get(type_["name"])
            if existing is None or existing["inputs"] == type_["inputs"]:
                continue
            users = [one["name"] for one in self.found["credentials"] if one["credential_type"] == existing["id"]]
            if users:
                self.problems.append(
                    f"The credential type {type_['name']} exists with other fields, and AWX changes none of a type "
                    f"that is in use ({_listed(users)}). Give awx_setup_api_credential_type and "
                    "awx_setup_certificate_credential_type other names, and let the credentials be created anew."
                )

    def _stored(self, credential: str, type_name: str) -> Object:
        types = [one["id"] for one in self.found["credential_types"] if one["name"] == type_name]
        for one in self.found["credentials"]:
            if (one["name"], one["organization"]) == (credential, self._organization_id()) and one[
                "credential_type"
            ] in types:
                stored: Object = one["inputs"]
                return stored
        return {}

    def _credentials(self) -> set[str]:
        """The names of our credentials that hold what a job needs, or will."""
        api_type, certificate_type = (one["name"] for one in self.settings["credential_types"][:2])
        self.problems += self.settings["missing_files"]
        api = set(self.settings["api_inputs"])
        self._stored_api = self._stored(self.settings["api_credential"], api_type)
        self._stored_certificate = self._stored(self.settings["certificate_credential"], certificate_type)
        all_api = api | {name for name, value in self._stored_api.items() if value}
        if "api_key" in api and "api_email" not in all_api:
            self._problem("api_inputs", "api_key needs api_email beside it: set CLOUDFLARE_EMAIL, too.")
        if "api_email" in api and "api_key" not in all_api:
            self._problem("api_inputs", "api_email needs api_key beside it: set CLOUDFLARE_API_KEY, too.")

        given = set(self.settings["certificate_inputs"])
        for variable, names, type_ in zip(
            ("api_inputs", "certificate_inputs"), (api, given), self.settings["credential_types"]
        ):
            fields = [one["id"] for one in type_["inputs"]["fields"]]
            for name in sorted(names.difference(fields)):
                self._problem(
                    variable, f"the credential type {type_['name']} has no field {name}, but {_listed(fields)}."
                )
        pair = {"certificate", "private_key"}
        files = "CLOUDFLARE_CLIENT_CERTIFICATE_FILE and CLOUDFLARE_CLIENT_KEY_FILE"
        # A key that AWX keeps cannot be compared with a new certificate
        if len(given & pair) == 1 and not self.settings["missing_files"]:
            missing = "private_key" if "certificate" in given else "certificate"
            self._problem("certificate_inputs", f"{missing} is missing: give both or neither ({files}).")
        filled_in = {name for name, value in self._stored_certificate.items() if value} | given
        if "private_key_passphrase" in given and "private_key" not in filled_in:
            self._problem("certificate_inputs", f"there is a passphrase, and no key that it is for ({files}).")
        ours = {self.settings["api_credential"]}
        return ours | ({self.settings["certificate_credential"]} if pair <= filled_in else set())

    def _credential_ids(self, templates: Iterable[Template]) -> dict[str, int]:
        """By name, those that templates use. Ours, where they are not there yet, are not in it."""
        ids: dict[str, int] = {}
        ours = (self.settings["api_credential"], self.settings["certificate_credential"])
        for name in dict.fromkeys(name for template in templates for name in template["credentials"]):
            visible = [one for one in self.found["credentials"] if one["name"] == name or str(one["id"]) == name]
            within = [one for one in visible if one["organization"] == self._organization_id()] if visible else []
            found = within or visible
            if name in ours:
                continue
            if len(found) == 1:
                ids[name] = found[0]["id"]
            elif not found:
                self._problem("job_templates", f"AWX has no credential {name}: create it first, or correct the name.")
            else:
                several = ", ".join(str(one["id"]) for one in found)
                self._problem(
                    "job_templates", f"there is more than one credential {name}: give the id instead ({several})."
                )
        return ids

    # ---------------------------------------------------------------------------------------------- the inventory

    def _inventory_source(self) -> None:
        path, project = self.settings["inventory_source_path"], self.settings["inventory_source_project"]
        if not path:
            return
        if self.settings["zone_variables"] or self.settings["group_variables"]:
            given = "zone_variables" if self.settings["zone_variables"] else "group_variables"
            self._problem(
                given,
                "with awx_setup_inventory_source_path, every update of the inventory would undo these. Put them into "
                f"host_vars or group_vars beside {path} in its project.",
            )
        existing = self._project(project)
        if project == self.settings["project"]:
            # This playbook creates and updates it, and asks again after that
            if self._project_is_current():
                self._source_path(path, project)
        elif existing is None:
            self._problem(
                "inventory_source_project",
                f"the organization {self.settings['organization']} has no project {project}. AWX takes none of another "
                "organization for an inventory: create it there first.",
            )
        elif existing["status"] != "successful":
            self._problem(
                "inventory_source_project",
                f"the last update of the project {project} is {existing['status']}: mend that first.",
            )
        else:
            self._source_path(path, project)

    def _source_path(self, path: str, project: str) -> None:
        files = self.found["files"]
        directory = any(file.startswith(f"{path.rstrip('/')}/") for file in files)
        if path not in files and not directory and len(files) < _MOST_LISTED:
            self._problem(
                "inventory_source_path",
                f"the project {project} has no file {path}, but {_listed(files) or 'none at all'}. AWX would only find "
                "out when it looks for the zones.",
            )

    def _project(self, name: Any) -> Object | None:
        return next((one for one in self.found["projects"] if one["name"] == name), None)

    def _project_is_current(self) -> bool:
        """Whether the files that AWX lists are of this URL and branch."""
        project = self._project(self.settings["project"]) or {}
        same = all(project.get(name) == self.settings[name] for name in ("scm_url", "scm_branch"))
        return same and project.get("status") == "successful"

    # --------------------------------------------------------------------------------------------- job templates

    def _templates(self, filled_in: set[str]) -> list[Template]:
        given = self.settings["job_templates"]
        if not isinstance(given, list):
            self._problem("job_templates", "must be a list.")
            return []
        names: list[str] = []
        templates = []
        for index, entry in enumerate(given):
            where = entry.get("name") if isinstance(entry, Mapping) else None
            where = where if isinstance(where, str) and where.strip() else f"entry {index + 1}"
            if where in names:
                self._problem("job_templates", f"{where} is there twice, and the second would replace the first.")
            names.append(where)
            if self._keys(where, entry, _TEMPLATE_KEYS, ("name", "playbook")):
                templates.append(self._template(where, entry, filled_in))
        playbooks = self.found["playbooks"]
        if self._project_is_current():
            for template in templates:
                if template["playbook"] not in playbooks:
                    self._problem(
                        "job_templates",
                        f"{template['name']}: the project {self.settings['project']} has no playbook "
                        f"{template['playbook']}, but {_listed(playbooks) or 'none at all'}.",
                    )
        return templates

    def _template(self, where: str, entry: Mapping[str, Any], filled_in: set[str]) -> Template:
        if entry.get("job_type", "run") not in ("run", "check"):
            self._problem("job_templates", f"{where}: job_type must be run or check, not {entry['job_type']}.")
        for key in ("credentials", "optional_credentials"):
            if not all(isinstance(name, (str, int)) for name in entry.get(key) or []):
                self._problem("job_templates", f"{where}: {key} must be a list of names.")
        there = filled_in | {one["name"] for one in self.found["credentials"]} - {
            self.settings["certificate_credential"]
        }
        optional = [name for name in entry.get("optional_credentials") or [] if name in there]
        survey = [dict(one) for one in entry.get("survey") or [] if isinstance(one, Mapping)]
        self._survey(where, entry.get("survey") or [])
        return {
            "name": entry["name"],
            "description": entry.get("description") or "",
            "playbook": entry["playbook"],
            "credentials": [str(name) for name in [*(entry.get("credentials") or []), *optional]],
            "survey": survey,
            "schedules": self._schedules(where, entry.get("schedules") or [], survey),
            "job_type": entry.get("job_type") or "run",
            "extra_vars": entry.get("extra_vars"),
            "forks": self._number(where, "forks", entry.get("forks")),
            "limit": entry.get("limit"),
            "job_slice_count": self._number(where, "job_slice_count", entry.get("job_slice_count")),
            "exists": any(one["name"] == entry["name"] for one in self.found["job_templates"]),
        }

    def _number(self, where: str, key: str, value: Any) -> int | None:
        if value is None or value == "":
            return None
        if not re.fullmatch("[0-9]+", str(value)):
            self._problem("job_templates", f"{where}: {key} must be a number, not {value}.")
            return None
        return int(value)

    def _keys(self, where: str, entry: Any, types: Mapping[str, _Type], needed: Sequence[str]) -> bool:
        """Whether the entry has what it needs, and nothing that is not known or of another type."""
        if not isinstance(entry, Mapping):
            self._problem("job_templates", f"{where} must be a dictionary, not {entry!r}.")
            return False
        before = len(self.problems)
        for key in needed:
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                self._problem("job_templates", f"{where}: {key} is missing.")
        for key, value in entry.items():
            if key not in types:
                self._problem("job_templates", f"{where}: there is no key {key}, but {_listed(sorted(types))}.")
            elif value is not None and key not in needed and not isinstance(value, types[key]):
                self._problem("job_templates", f"{where}: {key} must be {_described(types[key])}, not {value!r}.")
        return len(self.problems) == before

    def _survey(self, where: str, survey: Sequence[Any]) -> None:
        variables: list[str] = []
        for index, question in enumerate(survey):
            name = question.get("variable") if isinstance(question, Mapping) else None
            at = f"{where}, survey, {name if isinstance(name, str) and name else f'question {index + 1}'}"
            for problem in _question_problems(question):
                self._problem("job_templates", f"{at}: {problem}")
            if name in variables:
                self._problem("job_templates", f"{at}: there are two questions for this variable.")
            variables.append(str(name))

    def _schedules(
        self, where: str, schedules: Sequence[Any], survey: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Those that are not blank, each with every answer that AWX insists on."""
        wanted = []
        required = [one["variable"] for one in survey if one.get("required") is True and "variable" in one]
        defaults = {
            one["variable"]: one["default"]
            for one in survey
            if "variable" in one and one.get("default") not in (None, "")
        }
        for index, entry in enumerate(schedules):
            name = entry.get("name") if isinstance(entry, Mapping) else None
            at = f"{where}, schedule {name or index + 1}"
            if isinstance(entry, Mapping) and not entry.get("rrule"):
                continue
            if not self._keys(at, entry, _SCHEDULE_KEYS, ("name", "rrule")):
                continue
            if not re.match(r"DTSTART[;:].*RRULE:", entry["rrule"], re.DOTALL):
                self._problem(
                    "job_templates",
                    f"{at}: rrule must be like 'DTSTART;TZID=Europe/Berlin:20260101T030000 "
                    f"RRULE:FREQ=DAILY;INTERVAL=1', not '{entry['rrule']}'.",
                )
            answers = {**{key: defaults[key] for key in required if key in defaults}, **(entry.get("extra_data") or {})}
            for variable in required:
                if variable not in answers:
                    self._problem(
                        "job_templates",
                        f"{at}: the survey requires {variable}, so extra_data must have it: nobody will be asked.",
                    )
            wanted.append({**entry, "extra_data": answers})
        return wanted

    # ------------------------------------------------------------------------------------------- what is created

    def _creates(self, zones: Sequence[str], origins: Sequence[str], templates: Sequence[Template]) -> list[str]:
        """What AWX does not have yet, in the order in which it would be created."""
        settings, found = self.settings, self.found

        def missing(kind: str, name: Any, there: Sequence[Object]) -> list[str]:
            return [] if any(one["name"] == name for one in there) else [f"{kind} {name}"]

        credentials = [one for one in found["credentials"] if one["organization"] == self._organization_id()]
        if not found["organizations"]:
            credentials = []
        created = missing("organization", settings["organization"], found["organizations"])
        if settings["execution_environment_image"]:
            created += missing(
                "execution environment", settings["execution_environment"], found["execution_environments"]
            )
        for type_ in settings["credential_types"]:
            created += missing("credential type", type_["name"], found["credential_types"])
        for name in (settings["api_credential"], settings["certificate_credential"]):
            created += missing("credential", name, credentials)
        created += missing("project", settings["project"], found["projects"])
        created += missing("inventory", settings["inventory"], found["inventories"])
        if settings["inventory_source_path"]:
            created += missing("inventory source", settings["inventory_source"], found["inventory_sources"])
        for name in dict.fromkeys([*zones, *origins]):
            created += missing("host", name, found["hosts"])
        for group in [settings["group"], *(["origins"] if origins else [])]:
            created += missing("group", group, found["groups"])
        for template in templates:
            created += missing("job template", template["name"], found["job_templates"])
        return created


def _question_problems(question: Any) -> list[str]:
    if not isinstance(question, Mapping):
        return [f"must be a dictionary, not {question!r}."]
    problems = []
    checks: dict[str, Callable[[Any], bool]] = {
        "question_name": lambda value: isinstance(value, str) and bool(value),
        "variable": lambda value: isinstance(value, str) and bool(re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", value)),
        "required": lambda value: isinstance(value, bool),
        "type": lambda value: isinstance(value, str) and value in _ANSWERS,
    }
    wanted = {"question_name": "text", "variable": "the name of a variable", "required": "true or false"}
    wanted["type"] = _either(list(_ANSWERS))
    for key, is_right in checks.items():
        if key not in question:
            problems.append(f"{key} is missing.")
        elif not is_right(question[key]):
            problems.append(f"{key} must be {wanted[key]}, not {question[key]!r}.")
    if problems:
        return problems
    type_, default = question["type"], question.get("default")
    if default not in (None, "") and (not isinstance(default, _ANSWERS[type_]) or isinstance(default, bool)):
        problems.append(
            f"the default of a question of type {type_} must be {_described(_ANSWERS[type_])}, not {default!r}."
        )
    for limit in ("min", "max"):
        value = question.get(limit)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            problems.append(f"{limit} must be a number, not {value!r}.")
    if type_.startswith("multi"):
        choices = question.get("choices")
        choices = choices.splitlines() if isinstance(choices, str) else choices
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
            problems.append(
                "choices must be a list of texts; YAML takes yes, true and numbers for something else unless quoted."
            )
        elif not problems and any(one not in choices for one in (default or "").splitlines()):
            problems.append(f"the default {default!r} is none of the choices.")
    return problems


def _described(type_: _Type) -> str:
    words = {
        str: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a dictionary",
        bool: "true or false",
    }
    types = type_ if isinstance(type_, tuple) else (type_,)
    return words[types[0]]


def _listed(names: Iterable[Any], most: int = 20) -> str:
    texts = [str(name) for name in names]
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest


def _either(texts: Sequence[str]) -> str:
    return f"{', '.join(texts[:-1])} or {texts[-1]}"
