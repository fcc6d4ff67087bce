# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An extension of Sphinx for `make docs`: guides are written for GitHub, and their links have to work on the site, too.

A link to ``guide_fleet.rst`` leads to the page that is made of it, and ``originsec.cloudflare.origin_tls``, which a
guide may not make a link by a role of Sphinx, leads to the documentation of that plugin or role.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_PLUGIN = re.compile(r"originsec\.cloudflare\.\w+")
_KINDS = ("module", "role", "inventory", "lookup")


def link_guides(_app: Sphinx, document: nodes.document) -> None:
    for reference in document.findall(nodes.reference):
        if reference.get("refuri", "").startswith("guide_"):
            reference["refuri"] = reference["refuri"].replace(".rst", ".html")


def link_plugins(app: Sphinx, document: nodes.document, page: str) -> None:
    """Once all pages are read, and it is known which labels there are."""
    if not page.rpartition("/")[2].startswith("guide_"):
        return
    labels = app.env.domaindata["std"]["anonlabels"]
    for literal in list(document.findall(nodes.literal)):
        name = literal.astext()
        label = next((one for kind in _KINDS if (one := f"ansible_collections.{name}_{kind}") in labels), None)
        if label and _PLUGIN.fullmatch(name) and not isinstance(literal.parent, nodes.reference):
            target, anchor = labels[label]
            uri = f"{app.builder.get_relative_uri(page, target)}#{anchor}"
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=True, refuri=uri))


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("doctree-read", link_guides)
    app.connect("doctree-resolved", link_plugins)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
