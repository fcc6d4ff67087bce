# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the get-pip.py that ansible-test would download, where only a package index can be reached.

ansible-test finds it in its cache as ``get_pip_25_2.py`` and never asks the network; the wheel
``pip-25.2-py3-none-any.whl`` lies beside it.
"""

import runpy
import sys
from pathlib import Path

script = Path(__file__)
version = script.stem.removeprefix("get_pip_").replace("_", ".")
sys.path.insert(0, str(script.with_name(f"pip-{version}-py3-none-any.whl")))

# As in the original: --force-reinstall, or pip finds the wheel on sys.path and considers itself installed.
options = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.argv[1:] = ["install", "--force-reinstall", *options]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
