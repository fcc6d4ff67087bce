# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections of others for the tests, out of the package ansible of the Python index: Galaxy is not needed.

    python tests/tools/ansible_collection.py tests/output/collections community.crypto

prints the directory to search from. It is downloaded once, 55 MB, of which the one collection is kept.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "ansible==13.8.0"


def collection(name: str, cache: Path) -> Path:
    """The directory that has ``ansible_collections`` with it. Raises CalledProcessError without an index."""
    root = cache / name
    if root.is_dir():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    # Of its own, and renamed in one step: another run may be about the same
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        work = Path(directory)
        # It need not run on this Python: only files are taken out of it
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work)]
        command += ["--only-binary=:all:", "--python-version=3.13", PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = work.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            prefix = f"ansible_collections/{name.replace('.', '/')}/"
            archive.extractall(work / "root", [one for one in archive.namelist() if one.startswith(prefix)])
        try:
            (work / "root").rename(root)
        except OSError:
            if not root.is_dir():
                raise
    return root


if __name__ == "__main__":
    print(collection(sys.argv[2], Path(sys.argv[1])))
