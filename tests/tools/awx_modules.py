# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write down which options the modules of awx.awx take, for tests that have no AWX.

    pip download --no-deps ansible==13.8.0
    python tests/tools/awx_modules.py ansible-13.8.0-py3-none-any.whl > tests/unit/awx/modules.json

It reads the argument specs without importing anything, and takes only the modules that this collection uses.
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from typing import Any

COLLECTION = "ansible_collections/awx/awx"
MODULES = (
    *("credential", "credential_type", "execution_environment", "group", "host", "inventory"),
    *("inventory_source", "job_template", "organization", "project"),
)


def main() -> None:
    (wheel,) = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        manifest = json.loads(archive.read(f"{COLLECTION}/MANIFEST.json"))["collection_info"]
        modules = {}
        for name in MODULES:
            tree = ast.parse(archive.read(f"{COLLECTION}/plugins/modules/{name}.py"))
            spec = assigned(tree, "argument_spec")
            exclusive = assigned(tree, "mutually_exclusive")
            modules[name] = {
                "argument_spec": value(spec),
                "mutually_exclusive": [list(names) for names in value(exclusive)] if exclusive else [],
            }
    written = {
        "source": f"awx.awx {manifest['version']} ({manifest['license'][0]}), from {wheel.rpartition('/')[2]}",
        "written_by": "tests/tools/awx_modules.py",
        "modules": modules,
    }
    json.dump(written, sys.stdout, indent=1, sort_keys=True)
    print()


def assigned(tree: ast.Module, name: str) -> ast.expr | None:
    """What main() assigns to this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return node.value
    return None


def value(node: ast.AST | None) -> Any:
    """A literal, in which dict(…) may stand for {…}. What is worked out at run time is left out, as None."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {str(keyword.arg): value(keyword.value) for keyword in node.keywords if value(keyword.value) is not None}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [value(element) for element in node.elts]
    try:
        return ast.literal_eval(node) if isinstance(node, ast.expr) else None
    except ValueError:
        return None


if __name__ == "__main__":
    main()
