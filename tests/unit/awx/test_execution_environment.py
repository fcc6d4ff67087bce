# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ansible-builder makes of the collection; building an image would need a container engine and the network."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import COLLECTIONS, TOOLS, TREE, environment

pytestmark = pytest.mark.long

DEFINITION = TREE / "docs" / "execution-environment.yml"


def builder(home: Path, *arguments: str) -> str:
    finished = subprocess.run(
        [str(TOOLS / "ansible-builder"), *arguments],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def galaxy() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TREE / "galaxy.yml").read_text())
    return loaded


def test_example_definition(tmp_path: Path) -> None:
    builder(tmp_path, "create", "--file", str(DEFINITION), "--context", "context", "--output-filename", "Containerfile")
    requirements = yaml.safe_load((tmp_path / "context" / "_build" / "requirements.yml").read_text())
    collection, of_the_role = requirements["collections"]
    assert collection["name"] == f"{galaxy()['namespace']}.{galaxy()['name']}"
    assert of_the_role["name"] == "community.crypto"
    assert "openssh-clients" in (tmp_path / "context" / "_build" / "bindep.txt").read_text()
    oldest, newest = re.findall(r"\d+", collection["version"])[::3]
    assert int(oldest) <= int(galaxy()["version"].split(".")[0]) < int(newest)
    containerfile = (tmp_path / "context" / "Containerfile").read_text()
    base = yaml.safe_load(DEFINITION.read_text())["images"]["base_image"]["name"]
    assert f'EE_BASE_IMAGE="{base}"' in containerfile
    assert "ansible-core>=2.16" in containerfile


def test_libraries_are_found(tmp_path: Path) -> None:
    """What the modules import ends up in an execution environment by the collection's own metadata."""
    output = builder(tmp_path, "introspect", str(COLLECTIONS))
    found = yaml.safe_load(output[output.index("---") :])
    ours = [line for line in found["python"] if "originsec.cloudflare" in line]
    needed = [line for line in (TREE / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert sorted(line.partition("#")[0].strip() for line in ours) == sorted(needed)
