# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the emulator: ``python tests/emulator --zone example.com --token …`` prints its base URL and serves."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
import threading

# As a package, whose modules import each other by relative names
sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from emulator.emulator import Emulator  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="emulator", description="Emulates the Cloudflare v4 API on the loopback interface."
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--zone", action="append", default=[], metavar="NAME[=ID]", help="a zone to start with")
    parser.add_argument("--token", help="an API token with every permission (default: one is made up)")
    parser.add_argument("--key", action="append", default=[], metavar="EMAIL=KEY", help="a global API key of a user")
    parser.add_argument("--deployment-delay", type=float, default=0.0, help="seconds until an upload is active")
    parser.add_argument("--ready-file", type=pathlib.Path, help="file to write the base URL into once it listens")
    arguments = parser.parse_args()

    emulator = Emulator(port=arguments.port)
    emulator.deployment_delay = arguments.deployment_delay
    for zone in arguments.zone:
        name, _equals, id_ = zone.partition("=")
        emulator.add_zone(name, **({"id": id_} if id_ else {}))
    token = emulator.add_token(token=arguments.token)
    for pair in arguments.key:
        email, _equals, key = pair.partition("=")
        emulator.add_key(email, key=key)

    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with emulator:
        print(emulator.url, flush=True)
        if not arguments.token:
            print(f"API token: {token}", file=sys.stderr, flush=True)
        if arguments.ready_file:
            # In one step: whoever waits for the file never reads half of it.
            written = arguments.ready_file.with_name(arguments.ready_file.name + ".new")
            written.write_text(emulator.url)
            written.replace(arguments.ready_file)
        over.wait()


if __name__ == "__main__":
    main()
