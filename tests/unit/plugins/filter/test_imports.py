# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What it takes to import the filters. Ansible imports them all in each process that needs one, once for each zone."""

from __future__ import annotations

import json
import subprocess
import sys

from ansible_collections.originsec.cloudflare.tests.unit.roles.role import COLLECTIONS

IMPORT = """
import json, pkgutil, sys
from importlib import import_module
import ansible.errors, ansible.context
from ansible_collections.originsec.cloudflare.plugins import filter
before = set(sys.modules)
names = [module.name for module in pkgutil.iter_modules(filter.__path__)]
for name in names:
    import_module(f"{filter.__name__}.{name}")
print(json.dumps([names, sorted(set(sys.modules) - before)]))
"""
CHEAP = {"plugins.plugin_utils", "plugins.plugin_utils._awx", "plugins.module_utils", "plugins.module_utils._errors"}


def test_a_filter_imports_what_it_needs_when_it_is_called() -> None:
    command = [sys.executable, "-c", IMPORT]
    out = subprocess.run(command, cwd=COLLECTIONS, check=True, capture_output=True, text=True).stdout
    names, imported = json.loads(out)
    assert len(names) > 10
    here = "ansible_collections.originsec.cloudflare."
    ours = {name.removeprefix(here) for name in imported if name.startswith(here)}
    assert ours == CHEAP | {f"plugins.filter.{name}" for name in names}
    assert not {"requests", "cryptography", "jinja2.ext", "OpenSSL"} & set(imported)
