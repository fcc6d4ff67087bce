# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection awx.awx for the tests, as it was released: from the package ``ansible``, the last on PyPI with it.

    python tests/tools/awx_collection.py tests/output/awx

prints a directory for ANSIBLE_COLLECTIONS_PATH. Only this one collection is unpacked, once (1 MB of 56 MB).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "ansible==13.8.0"  # awx.awx 24.6.1
COLLECTION = "ansible_collections/awx/awx/"


def unpacked(cache: Path) -> Path:
    """The directory above ansible_collections.

    Raises RuntimeError with what pip said, where the package cannot be downloaded.
    """
    tree = cache / PACKAGE.replace("==", "-")
    if tree.is_dir():
        return tree
    cache.mkdir(parents=True, exist_ok=True)
    # In a directory of its own, and renamed in one step: another run may be about the same
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        work = Path(directory)
        # Nothing of it is installed, so it does not matter which Python the package asks for
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
        command += ["--only-binary", ":all:", "--dest", str(work), PACKAGE]
        finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if finished.returncode:
            raise RuntimeError(f"{PACKAGE} cannot be downloaded:\n{finished.stdout}")
        (wheel,) = work.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work / "tree", [name for name in archive.namelist() if name.startswith(COLLECTION)])
        try:
            (work / "tree").rename(tree)
        except OSError:
            if not tree.is_dir():
                raise
    return tree


if __name__ == "__main__":
    print(unpacked(Path(sys.argv[1])))
