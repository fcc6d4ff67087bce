# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This plugin utility is private to the collection: it may change at any time.

"""Files of whoever runs a playbook, with paths as they are typed: ``~`` is a home, and relative is to where one is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..module_utils._errors import InputError
from ..module_utils._posture import either, texts


def environment_file(variable: str) -> str:
    """The text of the file that an environment variable names, without blanks around it; none where it names none.

    Raises InputError, with variable and path, for a file that is not there or that cannot be what is meant.
    """
    path = os.environ.get(variable, "").strip()
    if not path:
        return ""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            text = file.read().strip()
    except OSError as error:
        raise InputError(f"{variable} names {path}, which cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{variable} names {path}, which is no text and therefore not PEM.") from None
    if not text:
        raise InputError(f"{variable} names {path}, which is empty.")
    return text


def report_paths(value: Any, option: str) -> list[str]:
    """Absolute paths, once each, of a list, or of text in which commas or line breaks divide."""
    return list(dict.fromkeys(os.path.abspath(os.path.expanduser(path)) for path in texts(value, option) or ()))


def report_format(path: str) -> str:
    """What the end of a path says is to be written; blank where it says nothing."""
    return os.path.splitext(path)[1][1:].lower()


def report_problem(path: str, formats: Sequence[str]) -> str:
    """Why no report of one of these formats can be written to an absolute path, in words; empty where it can."""
    directory = os.path.dirname(path)
    if report_format(path) not in formats:
        return f"{path} must end in {either([f'.{one}' for one in formats])}, which says what to write"
    if not os.path.isdir(directory):
        return f"{path} cannot be written: there is no directory {directory}"
    if os.path.isdir(path):
        return f"{path} cannot be written: it is a directory"
    if not os.access(directory, os.W_OK | os.X_OK):
        return f"{path} cannot be written: there is no permission to write into {directory}"
    return ""
