# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this collection is for, in a minute: an origin is locked down, on an emulated Cloudflare (story.py).

On the real one, it works on the zone that is named, in check mode, and changes something only where APPLY is set:

    CLOUDFLARE_API_TOKEN=… make demo ZONE=example.com
    CLOUDFLARE_API_TOKEN=… make demo ZONE=example.com CERTIFICATE=client.pem PRIVATE_KEY=client.key APPLY=yes
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
WORK = TREE / ".demo"
BIN = WORK / "venv" / "bin"
CREDENTIALS = ("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_API_KEY")
PACKAGES = ("ansible-core", "pyOpenSSL>=26", "cryptography>=47")  # the emulated edge takes more than the collection
ALONE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""In namespaces of its own, where no other web server of this machine runs, and nothing is left at the end."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zone", help="a zone of the account that CLOUDFLARE_API_TOKEN belongs to")
    parser.add_argument("--certificate", type=Path, help="the client certificate for that zone, a PEM file")
    parser.add_argument("--private-key", type=Path, help="its private key, a PEM file")
    parser.add_argument("--apply", action="store_true", help="change that zone; without it, only say what would change")
    arguments = parser.parse_args()

    credentials = any(os.environ.get(name, "").strip() for name in CREDENTIALS)
    if arguments.zone and not credentials:
        sys.exit("ZONE is set, but CLOUDFLARE_API_TOKEN is not: export it, or leave ZONE out to use the emulator.")
    if credentials and not arguments.zone:
        sys.exit("CLOUDFLARE_API_TOKEN is set, but no zone: add ZONE=example.com, or unset it to use the emulator.")
    if bool(arguments.certificate) != bool(arguments.private_key):
        sys.exit("CERTIFICATE and PRIVATE_KEY go together.")

    install()
    if arguments.zone:
        on_cloudflare(arguments.zone, arguments.certificate, arguments.private_key, arguments.apply)
    else:
        command = [*alone(), str(BIN / "python"), str(HERE / "story.py"), str(WORK)]
        sys.exit(subprocess.run(command, env=environment(), check=False).returncode)


def install() -> None:
    """A virtual environment with ansible-core, and the collection where it finds it."""
    print("Installing ansible-core into .demo ...", flush=True)
    if not (BIN / "pip").exists():
        venv.create(WORK / "venv", with_pip=True)
    # Only what is run is compiled, when it is: all of it takes as long as the rest of the installation
    options = ("--quiet", "--no-compile", "--disable-pip-version-check")
    command = ["pip", "install", *options, *PACKAGES, "-r", str(TREE / "requirements.txt")]
    finished = subprocess.run(
        [BIN / command[0], *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if finished.returncode:
        sys.exit(f"{shlex.join(command)} failed:\n{finished.stdout}")
    collection = WORK / "collections" / "ansible_collections" / "originsec" / "cloudflare"
    collection.parent.mkdir(parents=True, exist_ok=True)
    collection.unlink(missing_ok=True)
    collection.symlink_to(TREE)


def on_cloudflare(zone: str, certificate: Path | None, private_key: Path | None, apply: bool) -> None:
    options = [f"--extra-vars=zones={zone}"]
    if certificate and private_key:
        os.environ["CLOUDFLARE_CLIENT_CERTIFICATE_FILE"] = str(certificate.resolve())
        os.environ["CLOUDFLARE_CLIENT_KEY_FILE"] = str(private_key.resolve())
    else:
        print("\nThere is no CERTIFICATE and PRIVATE_KEY: Authenticated Origin Pulls are left alone.")
        options.append('--extra-vars={"zone_hardening_client_auth_enabled": null}')
    play("harden", *options, "--diff", *([] if apply else ["--check"]))
    play("audit", *options)
    if not apply:
        print("\nNothing was changed. Set APPLY=yes to change it.")


def play(name: str, *options: str) -> None:
    command = ["ansible-playbook", f"originsec.cloudflare.{name}", *options]
    print(f"\n$ {shlex.join(command)}", flush=True)
    finished = subprocess.run([BIN / command[0], *command[1:]], env=environment(), check=False)
    if finished.returncode:
        sys.exit(f"It failed with exit status {finished.returncode}.")


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(WORK / "collections"),
        "ANSIBLE_HOME": str(WORK / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }


def alone() -> list[str]:
    """What to put in front of a command to run it alone; nothing where this machine does not allow that."""
    for command in (list(ALONE), [*ALONE, "--user", "--map-root-user"]):
        if (
            shutil.which(command[0])
            and not subprocess.run([*command, "true"], capture_output=True, check=False).returncode
        ):
            return command
    return []


if __name__ == "__main__":
    main()
