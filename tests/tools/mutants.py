# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Break a file of the plugins in every small way, one at a time, and show what its tests do not notice.

    python tests/tools/mutants.py _setting _client_auth
    python tests/tools/mutants.py --sample 50 --own _client

A name is that of a utility; its tests are those in tests/unit/plugins that import it, and first of all those that bear
its name. Nothing is written: a mutant lives in a fork of a process that has imported the libraries. Some changes make
no difference, so not every survivor is a gap.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

UTILITIES = ("_setting", "_client_auth", "_client", "_certificates", "_audit")
TREE = Path(__file__).resolve().parents[2]
AT_ONCE = os.cpu_count() or 1

PAIRS: list[tuple[Any, Any]] = [
    (ast.Eq, ast.NotEq),
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),
]
PAIRS += [(ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div), (ast.BitOr, ast.BitAnd)]
OPPOSITES = {**dict(PAIRS), **{second: first for first, second in PAIRS}}


def mutations(node: Any) -> Iterator[tuple[str, Any]]:
    """(field, what to put there). Texts for people are left alone."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPPOSITES:
        yield "ops", [OPPOSITES[type(node.ops[0])](), *node.ops[1:]]
    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in OPPOSITES:
        yield "op", OPPOSITES[type(node.op)]()
    if isinstance(node, ast.BoolOp):
        yield from (("values", node.values[:-1]), ("values", node.values[1:]))
    if isinstance(node, (ast.If, ast.IfExp)):
        yield from (("test", ast.Constant(value)) for value in (True, False))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "operand", ast.UnaryOp(ast.Not(), node.operand)
    if isinstance(node, ast.Return) and node.value:
        yield "value", ast.Constant(None)
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        yield "value", not node.value if isinstance(node.value, bool) else node.value + 1
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w/-]+", node.value):
        yield "value", f"{node.value}x"
    body = node.body if isinstance(getattr(node, "body", None), list) else []
    for place, statement in enumerate(body):
        call = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
        if call or isinstance(statement, (ast.Raise, ast.AugAssign, ast.Continue, ast.Break)):
            yield "body", [*body[:place], ast.copy_location(ast.Pass(), statement), *body[place + 1 :]]


def start(path: Path, tree: ast.Module, tests: list[str], seconds: int = 0) -> int:
    """Run the tests with this tree in place of the file, in a process that fails where they do, or after so long."""
    if child := os.fork():
        return child
    try:
        signal.alarm(seconds)
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        code: Any = compile(ast.fix_missing_locations(tree), str(path), "exec")
        of_file = SourceFileLoader.get_code

        def get_code(self: Any, name: str) -> Any:
            return code if self.path == str(path) else of_file(self, name)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
        os._exit(int(importlib.import_module("pytest").main(["-xqp", "no:cacheprovider", *tests])))
    finally:
        os._exit(1)


def survivors(name: str, sample: int, own: bool) -> Iterator[str]:
    """sample: how many mutants to try, chosen by chance, and the same each time; 0 for all. own: only own tests."""
    (path,) = (TREE / "plugins").glob(f"*_utils/{name}.py")
    candidates = (TREE / "tests" / "unit" / "plugins").glob(f"**/test{name}*.py" if own else "**/test_*.py")
    imports = re.compile(rf"\.{name} import|import {name}\b")
    tests = [str(one) for one in candidates if own or imports.search(one.read_text())]
    tests.sort(key=lambda test: (f"test{name}" not in test, test))  # most mutants end at their first failure
    tree = ast.parse(path.read_text())
    started = time.monotonic()
    if os.waitpid(start(path, tree, tests), 0)[1]:
        sys.exit(f"Without any change there are failures: pytest {' '.join(tests)}")
    longest = 30 + round(10 * (time.monotonic() - started))  # what takes longer has hung, which is noticed as well
    running: dict[int, str] = {}
    hints = [getattr(node, field, None) for node in ast.walk(tree) for field in ("annotation", "returns")]
    skipped = {id(part) for hint in hints if hint for part in ast.walk(hint)}
    skipped |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings

    def finished() -> Iterator[str]:
        child, status = os.wait()
        what = running.pop(child)
        if not status:
            yield what

    nodes = [node for node in ast.walk(tree) if id(node) not in skipped]
    mutants = [(node, field, value) for node in nodes for field, value in mutations(node)]
    chosen = random.Random(name).sample(mutants, min(sample, len(mutants))) if sample else mutants
    for node, field, value in chosen:
        before = getattr(node, field)
        old, new = (
            next((pair for pair in zip(before, value) if pair[0] is not pair[1]), (node, node))
            if field == "body"
            else (node, node)
        )
        line = f"{path.name}:{getattr(old, 'lineno', '')}: {ast.unparse(old).splitlines()[0]}"
        setattr(node, field, value)
        what = f"{line} -> {ast.unparse(new).splitlines()[0]} ({field})"
        running[start(path, tree, tests, longest)] = what
        setattr(node, field, before)
        if len(running) >= AT_ONCE:
            yield from finished()
    while running:
        yield from finished()
    print(f"{path.name}: {len(chosen)} of {len(mutants)} mutants tried", flush=True)


if __name__ == "__main__":
    for library in ("ansible.module_utils.basic", "cryptography.x509", "hypothesis", "pytest", "requests", "yaml"):
        importlib.import_module(library)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sample", type=int, default=0, help="how many mutants of each to try; 0, the default, for all"
    )
    parser.add_argument("--own", action="store_true", help="run only the tests that bear the utility's name")
    parser.add_argument("utilities", nargs="*", default=UTILITIES)
    arguments = parser.parse_args()
    os.chdir(TREE)
    for utility in arguments.utilities:
        for survivor in survivors(utility, arguments.sample, arguments.own):
            print(survivor, flush=True)
