# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""What the reports of audit and harden have in common: CSV, Prometheus' text format, JUnit's XML, and pages."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..module_utils._client import VERSION

_TEMPLATES = Path(__file__).with_name("templates")


# -------------------------------------------------------------------------------------------------------------- text

_MOST_NAMES = 4
"""Of the zones in a line on a terminal."""


def names(zones: Sequence[str], limited: bool) -> str:
    shown = zones if not limited or len(zones) <= _MOST_NAMES + 1 else zones[:_MOST_NAMES]
    rest = len(zones) - len(shown)
    return f"{', '.join(shown)}{f' and {rest} more zones' if rest else ''}"


def grouped(title: str, told: Iterable[tuple[str, str]], most: int | None) -> Iterator[str]:
    """A line for each text and the zones that it is true of, those of most zones first; nothing where there is none.

    told: zones and texts. most: lines on a terminal, None for a file, which has all of them.
    """
    zones_by_text: dict[str, list[str]] = {}
    first: dict[str, str] = {}
    for zone, text in told:
        key = re.sub(r"\b[0-9a-f]{32}\b", "", text.replace(zone, ""))  # but for the zone, it may be the same
        first.setdefault(key, text)
        zones_by_text.setdefault(key, []).append(zone)
    groups = sorted(zones_by_text.items(), key=lambda group: -len(group[1]))
    if groups:
        yield title
    for key, zones in groups[:most]:
        yield f"  {names(zones, most is not None)}: {first[key]}"
    rest = sum(len(zones) for _key, zones in groups[most:]) if most is not None else 0
    if rest:
        yield f"  and {rest} more {'zone' if rest == 1 else 'zones'}, which the reports have"


# --------------------------------------------------------------------------------------------------------------- CSV


def table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows may have more than the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _no_formula(row.get(name)) for name in columns})
    return text.getvalue()


def _no_formula(value: Any) -> Any:
    """What no spreadsheet takes for a formula. Numbers stay numbers, also below zero."""
    if isinstance(value, str) and value.lstrip()[:1] in tuple("=+-@|%\uff1d\uff0b\uff0d\uff20"):
        return f"'{value}"
    return value


# -------------------------------------------------------------------------------------------------------- Prometheus

Samples = Sequence[tuple[Mapping[str, Any], float]]
"""Labels, of which those that are None are left out, and a value."""

Family = tuple[str, str, Samples]
"""The name of a metric, its help, and its samples."""


def metrics(families: Iterable[Family]) -> str:
    """Gauges in Prometheus' text format."""
    lines = []
    for name, described, samples in families:
        lines += [f"# HELP {name} {described}", f"# TYPE {name} gauge"]
        for labels, value in samples:
            told = ",".join(f'{label}="{_quoted(str(text))}"' for label, text in labels.items() if text is not None)
            lines.append(f"{name}{{{told}}} {value}" if told else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ------------------------------------------------------------------------------------------------------------- JUnit


@dataclass(frozen=True)
class Case:
    """A zone, or what else may fail. outcome: passed, failure, error or skipped. message, text: why, short and long."""

    group: str
    name: str
    outcome: str = "passed"
    kind: str = ""
    message: str = ""
    text: str = ""


def junit(suite: str, timestamp: str, properties: Mapping[str, Any], cases: Sequence[Case]) -> str:
    """As Jenkins, GitLab and others read it."""
    outcomes = [case.outcome for case in cases]
    counted = {"tests": len(cases), "failures": outcomes.count("failure"), "errors": outcomes.count("error")}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{_attributes(name=suite, **counted)}>"]
    counted["skipped"] = outcomes.count("skipped")
    lines += [f"  <testsuite{_attributes(name=suite, timestamp=timestamp, **counted)}>", "    <properties>"]
    lines += [f"      <property{_attributes(name=name, value=value)}/>" for name, value in properties.items()]
    lines.append("    </properties>")
    for case in cases:
        opening = f"    <testcase{_attributes(classname=case.group, name=case.name)}"
        if case.outcome == "passed":
            lines.append(f"{opening}/>")
            continue
        kind = {"type": case.kind} if case.kind else {}
        lines += [
            f"{opening}>",
            f"      <{case.outcome}{_attributes(**kind, message=case.message)}>{_escaped(case.text)}</{case.outcome}>",
            "    </testcase>",
        ]
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def _attributes(**attributes: Any) -> str:
    return "".join(f' {name}="{_escaped(str(value))}"' for name, value in attributes.items())


def _escaped(text: str) -> str:
    """As XML, without the characters that XML knows no way to write."""
    text = re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    return re.sub('[<>&"\n\r\t]', lambda found: f"&#{ord(found[0])};", text)


# -------------------------------------------------------------------------------------------------------------- HTML


def page(template: str, filters: Mapping[str, Callable[..., Any]], values: Mapping[str, Any]) -> str:
    """One file that loads nothing, and in which nothing but its own script runs."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template(template).render(
        **values, version=VERSION, style=style, script=script, hash=_content_security_hash
    )


def _content_security_hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
