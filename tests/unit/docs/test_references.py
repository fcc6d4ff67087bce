# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the README and the guides refer to is there, and GitHub shows the guides as the site does. No Ansible is run."""

from __future__ import annotations

import datetime
import json
import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree

from ansible_collections.originsec.cloudflare.plugins.plugin_utils import _audit, _harden, _lockdown_report
from ansible_collections.originsec.cloudflare.tests.tools.picture import DOCS, svg
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TREE

GUIDES = sorted((TREE / "docs" / "docsite" / "rst").glob("*.rst"))
PAGES = [TREE / "README.md", TREE / "CONTRIBUTING.md", *sorted((TREE / "roles").glob("*/README.md")), *GUIDES]
REFERENCE = TREE / "docs" / "docsite" / "rst" / "guide_reference.rst"
OURS = re.compile(
    r"https://(?:github\.com|raw\.githubusercontent\.com)/originsec/ansible-collection-cloudflare/(?:blob/)?main/"
)

# As GitHub's rest2html has them
GITHUB = {"raw_enabled": False, "file_insertion_enabled": False, "syntax_highlight": "none", "doctitle_xform": False}


def id_of(path: Path) -> str:
    return str(path.relative_to(TREE))


@cache
def parsed(guide: Path) -> tuple[nodes.document, list[str]]:
    """A guide as docutils alone reads it, and what it complains about."""
    document = publish_doctree(guide.read_text(), settings_overrides={**GITHUB, "report_level": 5})
    messages = document.findall(nodes.system_message)
    told = [one.astext() for one in [*document.parse_messages, *document.transform_messages, *messages]]
    return document, [one for one in told if "(INFO/1)" not in one]


@cache
def anchors(page: Path) -> frozenset[str]:
    if page.suffix == ".rst":
        return frozenset(id_ for section in parsed(page)[0].findall(nodes.section) for id_ in section["ids"])
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles)


def links(page: Path) -> Iterator[str]:
    if page.suffix == ".rst":
        yield from (one["refuri"] for one in parsed(page)[0].findall(nodes.reference) if "refuri" in one)
    else:
        yield from re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))


@pytest.mark.parametrize("guide", GUIDES, ids=id_of)
def test_github_shows_all_of_a_guide(guide: Path) -> None:
    """It knows neither Sphinx's roles, which it shows as they are typed, nor its directives, which it leaves out."""
    assert parsed(guide)[1] == []


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _hash, anchor = OURS.sub(f"{TREE}/", link).partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target) if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@cache
def specs(kind: str) -> dict[str, dict[str, Any]]:
    """By name: what a module or an inventory plugin documents, or the options of a role."""
    if kind == "roles":
        files = sorted((TREE / "roles").glob("*/meta/argument_specs.yml"))
        return {
            path.parts[-3]: {name: value for one in yaml.safe_load(path.read_text())["argument_specs"].values()
                             for name, value in one["options"].items()}
            for path in files
        }  # fmt: skip
    found = {}
    for path in (TREE / "plugins" / kind).glob("[a-z]*.py"):
        text = re.search(r'DOCUMENTATION = r?"""(.*?)"""', path.read_text(), re.DOTALL)
        found[path.stem] = (yaml.safe_load(text[1]) if text else {}).get("options") or {}
    return found


def variables_of_playbooks() -> dict[str, set[str]]:
    """By playbook, what the comment at its top lists."""
    return {
        path.stem: set(re.findall(r"^#   ([a-z]\w*) {2,}\S", path.read_text(), re.MULTILINE))
        for path in (TREE / "playbooks").glob("*.yml")
    }


def test_plugins_roles_and_playbooks_exist() -> None:
    there = {
        *specs("modules"), *specs("inventory"), *specs("roles"), "cloudflare", "docsite",
        *(path.stem for path in [*(TREE / "plugins" / "lookup").glob("*.py"), *(TREE / "playbooks").glob("*.yml")]),
    }  # fmt: skip
    for page in PAGES:
        named = set(re.findall(r"\boriginsec\.cloudflare\.([a-z]\w+)", page.read_text()))
        assert named <= there, (page.name, named - there)


def test_variables_exist() -> None:
    """Those whose name begins as one of ours does."""
    ours = {name for options in specs("roles").values() for name in options}
    ours |= {name for variables in variables_of_playbooks().values() for name in variables}
    ours |= set(re.findall(r"^#? ?(awx_setup_\w+):", (TREE / "playbooks/vars/awx_setup.yml").read_text(), re.MULTILINE))
    ours |= {"zone_hardening_report", "origin_client_auth_report", "client_certificate_report"}  # results
    ours |= {*specs("modules"), *specs("roles")} | set(variables_of_playbooks())
    prefix = re.compile(
        r"\b(?:zone_hardening|origin_client_auth|client_certificate|lockdown|harden|audit|awx_setup)_\w+"
    )
    for page in PAGES:
        # What AWX calls an artifact, a playbook's own file, and the variable of a play in a guide
        others = r"\b(?:zone_audit\w*|survey_\w+|harden_canary|audit_status|zone_hardening_\.\.\.)"
        text = re.sub(others, "", page.read_text())
        assert set(prefix.findall(text)) <= ours, (page.name, set(prefix.findall(text)) - ours)


def test_options_of_ad_hoc_commands_exist() -> None:
    modules = specs("modules")
    fragment = (TREE / "plugins" / "doc_fragments" / "_api.py").read_text()
    common = set(re.findall(r"^  (\w+):$", fragment, re.MULTILINE))
    for page in PAGES:
        for module, quoted, plain in re.findall(
            r"-m originsec\.cloudflare\.(\w+) -a (?:'([^']*)'|(\S+))", page.read_text()
        ):
            if quoted.startswith('{"'):
                named = set(json.loads(quoted))
            else:
                named = {argument.partition("=")[0] for argument in re.sub(r"{{.*?}}", "", quoted or plain).split()}
            assert named <= {*modules[module], *common}, (page.name, module, named)


def rows(title: str) -> list[list[str]]:
    """The cells of the table of a chapter of the reference, without the head."""
    (section,) = (
        one for one in parsed(REFERENCE)[0].findall(nodes.section) if one.next_node(nodes.title).astext() == title
    )
    table = section.next_node(nodes.tbody)
    assert table
    return [[entry.astext() for entry in row.findall(nodes.entry)] for row in table.findall(nodes.row)]


def test_reference_lists_everything() -> None:
    assert {row[0].rpartition(".")[2] for row in rows("Modules")} == set(specs("modules"))
    others = {
        *specs("inventory"),
        *specs("roles"),
        *(path.stem for path in (TREE / "plugins/lookup").glob("[a-z]*.py")),
    }
    assert {row[0].rpartition(".")[2] for row in rows("Other plugins and roles")} == others
    playbooks = variables_of_playbooks()
    assert {row[0] for row in rows("harden and harden_canary")} == playbooks["harden"]
    assert {row[0] for row in rows("audit")} == playbooks["audit"]
    assert {row[0] for row in rows("lockdown")} == playbooks["lockdown"]


def test_reference_lists_the_environment_variables_that_are_read() -> None:
    sources = [*(TREE / "plugins").rglob("*.py"), *(TREE / "playbooks").rglob("*.yml")]
    read = {name for path in sources for name in re.findall(r"\b(?:CLOUDFLARE|CF)_[A-Z_]+[A-Z]\b", path.read_text())}
    assert {row[0] for row in rows("Environment variables")} == read


def fields(of: Any, name: str = "") -> Iterator[str]:
    """What is in a TypedDict, as the reference writes it: a[].b in a list, a.*.b in a dictionary."""
    for key, value in typing.get_type_hints(of).items():
        yield f"{name}{key}"
        for one in typing.get_args(value) if isinstance(value, types.UnionType) else [value]:
            container = {list: "[]", dict: ".*"}.get(typing.get_origin(one) or one, "")
            inner = typing.get_args(one)[-1] if container else one
            if typing.is_typeddict(inner):
                yield from fields(inner, f"{name}{key}{container}.")


def test_fields_of_reports_are_documented() -> None:
    assert {row[0] for row in rows("The report of harden")} == set(fields(_harden.Fleet))
    assert {row[0] for row in rows("The report of audit")} == {*fields(_audit.Fleet), "generated", "scope"}
    lockdown = {name for name in fields(_lockdown_report.Fleet) if not name.startswith("zones[].hardening.")}
    assert {row[0] for row in rows("The report of lockdown")} == lockdown
    totals = {"zones", "not_verified", *(status.replace(" ", "_") for status in _harden.STATUSES)}
    assert set(_harden.fleet({}, False, [], datetime.datetime(2026, 1, 1))["totals"]) == totals


def test_picture_is_that_of_its_text() -> None:
    assert (DOCS / "connection.svg").read_text() == svg((DOCS / "connection.txt").read_text())
