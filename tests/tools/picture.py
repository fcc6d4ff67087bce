# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of the README: ``python tests/tools/picture.py`` makes docs/connection.svg of docs/connection.txt.

Boxes of the arrows ``->`` stand side by side. A box that only has an arrow ``-x`` stands below the one it points to.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIDTH, HEIGHT, GAP, MARGIN = 190, 66, 210, 20
"""Of a box, between two boxes, and around the picture, in pixels."""
LOWER = 150
"""How far below the others the lower boxes are."""

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" \
text-anchor="middle">
<title>{title}</title>
<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>
<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0 0L10 5L0 10z" fill="#1a7f37"/></marker></defs>
"""


def svg(text: str) -> str:
    """The picture of a text. Raises ValueError where a line is none of its forms."""
    arrows: list[tuple[str, str, str, str]] = []
    notes: dict[str, str] = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        if arrow := re.fullmatch(r"(.+?) (->|-x) (.+?): (.+)", line):
            arrows.append((arrow[1], arrow[2], arrow[3], arrow[4]))
        elif note := re.fullmatch(r"(.+?) \| (.+)", line):
            notes[note[1]] = note[2]
        else:
            raise ValueError(line)
    upper = list(
        dict.fromkeys(box for source, kind, target, _what in arrows if kind == "->" for box in (source, target))
    )
    places = {box: (MARGIN + column * (WIDTH + GAP), MARGIN) for column, box in enumerate(upper)}
    for source, kind, target, _what in arrows:
        if kind == "-x" and source not in places:
            places[source] = (places[target][0], MARGIN + LOWER)
    width = max(x for x, _y in places.values()) + WIDTH + MARGIN
    height = max(y for _x, y in places.values()) + HEIGHT + MARGIN
    title = ". ".join(f"{a} to {b}: {what}" for a, _kind, b, what in arrows)
    lines = [_arrow(places[source], kind, places[target], what) for source, kind, target, what in arrows]
    boxes = [_box(name, place, notes.get(name, "")) for name, place in places.items()]
    return HEAD.format(width=width, height=height, title=escape(title)) + "\n".join([*lines, *boxes, "</svg>"]) + "\n"


def _arrow(source: tuple[int, int], kind: str, target: tuple[int, int], what: str) -> str:
    if kind == "->":
        y, start, end = source[1] + HEIGHT // 2, source[0] + WIDTH, target[0]
        first, _with, rest = what.partition(" with ")
        words = [_text((start + end) // 2, y - 8, first)]
        if rest:
            words.append(_text((start + end) // 2, y + 18, f"with {rest}"))
        line = f'<path d="M{start} {y}H{end - 2}" stroke="#1a7f37" stroke-width="2" marker-end="url(#head)"/>'
        return line + "".join(words)
    x, start, end = source[0] + WIDTH // 2, source[1], target[1] + HEIGHT
    middle = (start + end) // 2
    return (
        f'<path d="M{x} {start}V{middle}M{x - 8} {middle - 8}l16 16m0 -16l-16 16" stroke="#cf222e" stroke-width="2"/>'
        f'<text x="{x - 20}" y="{middle + 5}" font-size="14" fill="#24292f" text-anchor="end">{escape(what)}</text>'
    )


def _box(name: str, place: tuple[int, int], note: str) -> str:
    x, y = place
    middle = x + WIDTH // 2
    rectangle = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#f6f8fa" stroke="#57606a"/>'
    if not note:
        return f"{rectangle}{_text(middle, y + HEIGHT // 2 + 5, name, 16)}"
    role, _colon, does = note.partition(": ")
    words = _text(middle, y + 22, name, 16) + _text(middle, y + 41, role, 12) + _text(middle, y + 57, does, 12)
    return rectangle + words


def _text(x: int, y: int, words: str, size: int = 14) -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="#24292f">{escape(words)}</text>'


if __name__ == "__main__":
    (DOCS / "connection.svg").write_text(svg((DOCS / "connection.txt").read_text()))
