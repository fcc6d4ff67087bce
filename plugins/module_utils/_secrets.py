# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What must not be shown, and how it is kept out of what a task or an inventory shows. Knows no AnsibleModule.

It is known from the options as they came and from the environment, so before any option is judged.

Ansible masks each ``no_log`` option in every text, also one of a single letter, and so inside ids that the next task
needs. Here it depends on what it is:

- credentials and private keys are masked in every text;
- what no return value is ever made of (passphrases, passwords of proxies), and whatever has fewer than eight
  characters, is masked in messages and options only; there a short one is masked as a word of its own, never inside
  another word;
- an option that such a passphrase or password of eight characters or more was typed into, as the name of a host, is
  masked wherever a return value repeats it, and nothing else is. A shorter one is shown there, as it may be any word.

Flags, null and an option's choices are never masked.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, Union
from urllib.parse import unquote

from ansible.module_utils.common.validation import check_type_dict

TOKEN_VARIABLES = ("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN")
KEY_VARIABLES = ("CLOUDFLARE_API_KEY",)

# Ansible's own words
WHOLE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
PART = "********"

_SHORT = 8
"""Characters from which on a secret is masked inside other words: fewer are in an id or a fingerprint by chance."""

_TOLD = frozenset(
    {
        *("msg", "error", "exception", "warnings", "deprecations", "invocation"),
        *("steps", "undone", "left_to_do", "not_verified"),  # sentences, of origin_tls
    }
)
"""The parts of a result that quote options: messages, and the options themselves."""

Path = tuple[Union[str, int], ...]
"""Where an option stands: its name, or that of its list, an index, and the name there."""

Spec = Mapping[str, Mapping[str, Any]]
"""An argument spec."""


class Secrets:
    """Those of one task or inventory. registered: what Ansible is to mask itself, wherever it has it from."""

    def __init__(self, spec: Spec, options: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        everywhere = {text for text in _texts(options) if "PRIVATE KEY-----" in text}
        everywhere.update(environment.get(name, "") for name in (*TOKEN_VARIABLES, *KEY_VARIABLES))
        told = {*_of_proxies(environment), *_of_urls([*_texts(options), environment.get("CLOUDFLARE_BASE_URL", "")])}
        for path, value in _no_log(spec, options):
            (told if str(path[-1]).endswith("passphrase") else everywhere).update(_texts(value))
        everywhere, told = ({text.strip() for text in texts} - {"", WHOLE} for texts in (everywhere, told))
        told |= everywhere
        repeated = _repeated(_shown(spec, options), {text.lower() for text in told if len(text) >= _SHORT})
        self._everywhere = _hider({*repeated, *(text for text in everywhere if len(text) >= _SHORT)})
        self._told = _hider(told)
        self.registered = frozenset(form for text in told if len(text) >= _SHORT for form in _forms(text))

    def hide(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The result without them."""
        return {
            name: _rewritten(value, self._told if name in _TOLD else self._everywhere) for name, value in result.items()
        }

    def hide_in(self, message: str) -> str:
        """The message without them."""
        return self._told(message)


def parsed(spec: Spec, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the dictionaries that Ansible makes of text, so that what is secret in them is known."""
    meant = dict(options)
    for name in spec:
        if spec[name].get("elements") == "dict" and isinstance(meant.get(name), (str, list)):
            items = meant[name].split(",") if isinstance(meant[name], str) else meant[name]
            meant[name] = [_dictionary(item) for item in items]
    return meant


def _dictionary(item: Any) -> Any:
    try:
        return check_type_dict(item)
    except (TypeError, ValueError):  # which Ansible says better
        return item


def withhold(spec: Spec, options: dict[str, Any]) -> dict[Path, str]:
    """Take out of the options what Ansible must not know as a secret, as it would mask it inside other words.

    Such an option is left with the text that Ansible shows in the place of one.
    """
    short = {}
    for path, value in list(_no_log(spec, options)):
        if isinstance(value, (str, int, float)) and 0 < len(str(value).strip()) < _SHORT:
            short[path] = str(value)
            _put(options, path, WHOLE)
    return short


def restored(params: Mapping[str, Any], withheld: Mapping[Path, str]) -> dict[str, Any]:
    """The validated options, with what was withheld from the validation."""
    whole = copy.deepcopy(dict(params)) if withheld else dict(params)
    for path, value in withheld.items():
        _put(whole, path, value)
    return whole


def _put(options: Any, path: Path, value: str) -> None:
    for step in path[:-1]:
        options = options[step]
    options[path[-1]] = value


def _no_log(spec: Spec, options: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Those that the argument spec hides, and where they stand."""
    for name, definition in spec.items():
        value = options.get(name)
        if value is not None and definition.get("no_log"):
            yield (name,), value
        items: list[tuple[Path, Any]] = [((name,), value)]  # one where a list belongs, which is refused later
        if isinstance(value, list):
            items = [((name, index), item) for index, item in enumerate(value)]
        for path, item in items:
            if isinstance(item, dict):
                for below, inner in _no_log(definition.get("options") or {}, item):
                    yield (*path, *below), inner


def _shown(spec: Spec, options: Mapping[str, Any]) -> Iterator[str]:
    """The texts that return values may repeat: options that the argument spec does not hide, and no choices."""
    for name, value in options.items():
        definition = spec.get(name, {})
        if definition.get("no_log"):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                yield from _shown(definition.get("options") or {}, item)
            elif isinstance(item, str) and item not in definition.get("choices", ()):
                yield item


def _repeated(shown: Iterable[str], secrets: set[str]) -> Iterator[str]:
    """The options that hold one of the secrets, which are in lower case, and their parts that do, as names of hosts."""
    for text in shown:
        for part in {text.strip(), *(part.strip(".") for part in re.split(r"[\s,/:@?#\[\]]+", text))}:
            if any(secret in part.lower() for secret in secrets):
                yield part


def _texts(value: Any) -> Iterator[str]:
    """What a value is made of, as texts; flags are none."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _of_proxies(environment: Mapping[str, str]) -> Iterator[str]:
    """The passwords in the URLs of proxies, however they are written, and what a parser may take for another part."""
    for name, url in environment.items():
        if name.lower().endswith("_proxy") and "@" in url:
            user = re.sub(r"^\s*(\w[\w+.-]*:)?//", "", url.rpartition("@")[0])
            password = user.partition(":")[2] or user
            for text in (password, unquote(password)):
                yield text
                yield from (part for part in re.split(r"[\s@/?#:\\]+", text) if len(part) > 3)


def _of_urls(texts: Iterable[str]) -> Iterator[str]:
    """The passwords in other URLs."""
    for text in texts:
        for password in re.findall(r"://[^/?#@\s]*?:([^/?#\s]+)@", text):
            yield from (password, unquote(password))


def _forms(secret: str) -> set[str]:
    """As it is, and as JSON and Python quote it."""
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}


def _hider(secrets: set[str]) -> Callable[[str], str]:
    """A function that takes them out of a text."""
    forms = sorted((form for secret in secrets for form in _forms(secret)), key=len, reverse=True)
    # The expression would take longer to compile than a key takes to be replaced
    blocks = [form for form in forms if len(form) > 200]
    # Whatever the case, as the names of hosts are shown in lower case
    words = re.compile("|".join(map(_expression, forms[len(blocks) :])) or "(?!)", re.IGNORECASE)

    def hide(text: str) -> str:
        if text.strip() in secrets:
            return WHOLE
        for block in blocks:
            text = text.replace(block, PART)
        return words.sub(PART, text)

    return hide


def _expression(form: str) -> str:
    before, after = ("(?<![^\\W_])" if form[0].isalnum() else "", "(?![^\\W_])" if form[-1].isalnum() else "")
    return f"{before}{re.escape(form)}{after}" if len(form) < _SHORT else re.escape(form)


def _rewritten(value: Any, hide: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {_rewritten(name, hide): _rewritten(item, hide) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rewritten(item, hide) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if hide(str(value)) == str(value) else WHOLE
    return value
