# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job from end to end, as a user would do it: install, harden, run again, look.

Without anything else it works on an emulated Cloudflare with three zones. On the real one, it works on the zone that is
named, in check mode, and changes something only where APPLY is set:

    CLOUDFLARE_API_TOKEN=… make demo ZONE=example.com
    CLOUDFLARE_API_TOKEN=… make demo ZONE=example.com CERTIFICATE=client.pem PRIVATE_KEY=client.key APPLY=yes
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
WORK = TREE / ".demo"
EMULATED_ZONES = ("shop.example", "blog.example", "api.example")
CREDENTIALS = ("CLOUDFLARE_API_TOKEN", "CF_API_TOKEN", "CLOUDFLARE_API_KEY")


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
        on_the_emulator()


def install() -> None:
    title("A virtual environment with ansible-core, and the collection built and installed")
    if not tool("pip").exists():
        venv.create(WORK / "venv", with_pip=True)
    run("pip", "install", "--quiet", "ansible-core", "--requirement", str(TREE / "requirements.txt"))
    run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(WORK), str(TREE))
    (artifact,) = WORK.glob("originsec-cloudflare-*.tar.gz")
    run("ansible-galaxy", "collection", "install", "--force", "-p", str(WORK / "collections"), str(artifact))


def on_the_emulator() -> None:
    certificate, private_key = WORK / "client.pem", WORK / "client.key"
    title("A client certificate, for the edge to present to the origins")
    run("python", str(HERE / "make_certificate.py"), str(certificate), str(private_key))
    with emulator():
        title("First run: hardens the zones")
        harden(EMULATED_ZONES, certificate, private_key, "--diff")
        title("Second run: nothing changes")
        harden(EMULATED_ZONES, certificate, private_key)
        title("The zones as they are now")
        play("show.yml", EMULATED_ZONES)


def on_cloudflare(zone: str, certificate: Path | None, private_key: Path | None, apply: bool) -> None:
    if not certificate:
        title("No CERTIFICATE and PRIVATE_KEY: Authenticated Origin Pulls are left alone")
    title(f"{'Hardening' if apply else 'What hardening would change in'} {zone}")
    harden([zone], certificate, private_key, "--diff", *([] if apply else ["--check"]))
    if apply:
        title("Second run: nothing changes")
        harden([zone], certificate, private_key)
    title("The zone as it is now")
    play("show.yml", [zone])
    if not apply:
        title("Nothing was changed. Set APPLY=yes to do it.")


def harden(
    zones: tuple[str, ...] | list[str], certificate: Path | None, private_key: Path | None, *options: str
) -> None:
    files = {"certificate_file": certificate, "private_key_file": private_key}
    variables = [f"--extra-vars={name}={path.resolve()}" for name, path in files.items() if path]
    play("harden.yml", zones, *variables, *options)


def play(playbook: str, zones: tuple[str, ...] | list[str], *options: str) -> None:
    run("ansible-playbook", "--inventory", ",".join(zones) + ",", str(HERE / playbook), *options)


@contextmanager
def emulator() -> Iterator[None]:
    """The emulator while it lasts, as CLOUDFLARE_BASE_URL and CLOUDFLARE_API_TOKEN."""
    token = secrets.token_urlsafe(30)
    zones = [f"--zone={name}" for name in EMULATED_ZONES]
    command = [sys.executable, str(TREE / "tests" / "emulator"), "--token", token, "--deployment-delay", "1", *zones]
    title("An emulated Cloudflare with three zones")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            os.environ["CLOUDFLARE_BASE_URL"] = process.stdout.readline().strip() if process.stdout else ""
            os.environ["CLOUDFLARE_API_TOKEN"] = token
            print(os.environ["CLOUDFLARE_BASE_URL"], flush=True)
            yield
        finally:
            process.terminate()


def tool(name: str) -> Path:
    return WORK / "venv" / "bin" / name


def run(name: str, *arguments: str) -> None:
    """Run a command of the virtual environment, and show it as one would type it."""
    shown = shlex.join([name, *arguments]).replace(f"{TREE}/", "")
    print(f"$ {shown}", flush=True)
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(WORK / "collections"),
        "ANSIBLE_HOME": str(WORK / "ansible"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
        "ANSIBLE_LOCALHOST_WARNING": "false",
    }
    finished = subprocess.run([tool(name), *arguments], env={**os.environ, **settings}, check=False)
    if finished.returncode:
        sys.exit(f"{name} failed with exit status {finished.returncode}.")


def title(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)


if __name__ == "__main__":
    main()
