# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guides, followed to the letter against the emulator: their files written, their commands typed in order."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator
from ansible_collections.originsec.cloudflare.tests.unit.awx.awx import TREE, environment
from ansible_collections.originsec.cloudflare.tests.unit.awx.controller import Awx
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, awx_collection

pytestmark = pytest.mark.long

GUIDES = TREE / "docs" / "docsite" / "rst"
README = "../../../README.md"
BLOCK = re.compile(
    r"(?:^ *``(?P<file>\S+)``:\n\n)?"
    r"(?:^(?P<indent> *)\.\. code-block:: (?P<language>\S+)\n(?P<text>(?:(?P=indent)   +\S.*\n|\n)*)"
    r"|^```(?P<md_language>\S+)\n(?P<md_text>(?:.*\n)*?)```$)",
    re.MULTILINE,
)
LOCKDOWN = re.compile(r"^ *\$ (ansible-playbook .*originsec\.cloudflare\.lockdown.*)$", re.MULTILINE)

# What a guide needs that a test has not: package servers, a container engine, origins that are reached by ssh, and the
# token, which is there already. Sites are behind the emulator's edge, to which plain HTTP leads, and what is verified
# there is real. `make demo` runs the commands that install, and test_lockdown.py those of lockdown.
STAND_INS = """\
set -euo pipefail
ansible-builder() { echo "not here: $*"; }
ansible-galaxy() { echo "not here: $*"; }
brew() { echo "not here: $*"; }
curl() { echo "not here: $*"; }
pip() { echo "not here: $*"; }
pipx() { echo "not here: $*"; }
make() { echo "not here: $*"; }
python3() { mkdir -p ~/ansible/bin; touch ~/ansible/bin/activate; }
ansible-playbook() {
    case " $* " in *" originsec.cloudflare.lockdown "*) echo "not here: $*"; return ;; esac
    command ansible-playbook "$@" --extra-vars \
        '{"zone_hardening_verify_urls": ["http://{{ inventory_hostname }}/"], "zone_hardening_verify_settle": 0}'
}
openssl() {
    case $1 in
        s_client) echo "not here: $*" ;;
        x509) case " $* " in *" -enddate "*) cat ;; *) command openssl "$@" 2>/dev/null ;; esac ;;
        *) command openssl "$@" 2>/dev/null ;;
    esac
}
"""


def blocks(page: str) -> list[tuple[str, str | None, str]]:
    """(language, file that it is written to, text) of every block of a guide, or of the README."""
    found = []
    for block in BLOCK.finditer((GUIDES / page).read_text()):
        text = block["md_text"] if block["indent"] is None else textwrap.dedent(block["text"]).strip("\n")
        name = re.match(r"# (\S+\.\w+)\n", text)
        found.append(
            (
                block["language"] or block["md_language"],
                block["file"] or (name[1] if name else None),
                text[name.end() if name else 0 :].strip("\n"),
            )
        )
    return found


def follow(page: str, directory: Path, stand_ins: str = "", **variables: str) -> str:
    """Do what the guide says, and return what came out. stand_ins: further ones."""
    for _language, file, text in blocks(page):
        if file:
            (directory / file).parent.mkdir(exist_ok=True)
            (directory / file).write_text(text + "\n")
    commands = [
        line[2:]
        for language, _file, text in blocks(page)
        for line in text.splitlines()
        if language == "console" and not line.endswith("=...") and not line.startswith("$ git ")
    ]
    assert commands
    script = STAND_INS + stand_ins + "".join(f"echo {shlex.quote(f'$ {command}')}\n{command}\n" for command in commands)
    finished = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env=environment(directory, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@pytest.fixture
def cloudflare(emulator: Emulator, token: str) -> dict[str, str]:
    """The zones of the guides, and how to reach them."""
    emulator.add_zone("shop.example", id="023e105f4ecef8ad9ca31a8372d0c353")
    emulator.add_zone("blog.example")
    return {
        "CLOUDFLARE_BASE_URL": emulator.url,
        "CLOUDFLARE_API_TOKEN": token,
        "http_proxy": emulator.origin,
        "no_proxy": "127.0.0.1",
    }


def test_every_guide_is_listed() -> None:
    sections = yaml.safe_load((GUIDES.parent / "extra-docs.yml").read_text())["sections"]
    listed = [guide for section in sections for guide in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in GUIDES.glob("*.rst"))


@pytest.mark.parametrize("guide", sorted(path.name for path in GUIDES.glob("*.rst")))
def test_yaml_can_be_read(guide: str) -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda _loader, node: node.value)
    for language, _caption, text in blocks(guide):
        if language.startswith("yaml"):
            assert yaml.load(text, Loader)


def test_getting_started(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str]) -> None:
    output = follow("guide_getting_started.rst", tmp_path, **cloudflare)
    assert output.count("localhost | CHANGED =>") == 2  # in check mode, and then in earnest
    assert "SSL mode full, Authenticated Origin Pulls off" in output
    assert emulator.count()["PATCH"] == 1


def test_readme(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str]) -> None:
    emulator.add_zone("example.com")
    output = follow(README, tmp_path, **cloudflare)
    assert '"ssl_mode": "full"' in output
    assert set(emulator.count()) == {"GET"}
    assert set(yaml.safe_load((tmp_path / "inventory.yml").read_text())) == {"origins", "zones"}


@pytest.mark.parametrize("page", [README, "guide_undo.rst", "guide_troubleshooting.rst"])
def test_commands_of_lockdown_are_those_of_its_guide(page: str) -> None:
    """Which test_lockdown.py runs, with real servers."""
    there = LOCKDOWN.findall((GUIDES / "guide_lockdown.rst").read_text())
    named = LOCKDOWN.findall((GUIDES / page).read_text())
    assert named
    assert set(named) <= set(there)


def test_hardening(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str]) -> None:
    output = follow("guide_hardening.rst", tmp_path, **cloudflare)
    assert "failed=1" not in output
    assert "not verified" not in output
    for zone in emulator.zones.values():
        assert (zone.kex_enabled, zone.aop_enabled, len(emulator.active(zone))) == (True, True, 1)


def hardened(
    directory: Path, emulator: Emulator, certificate: Issued, name: str = "client", present: Issued | None = None
) -> None:
    """Zones that present a certificate, the inventory of the guides, and a certificate with its key as files."""
    files = {file: text for _language, file, text in blocks("guide_hardening.rst")}
    (directory / "inventory.yml").write_text(files["inventory.yml"])
    (directory / f"{name}.pem").write_text(certificate.pem)
    (directory / f"{name}.key").write_text(certificate.key_pem)
    for zone in emulator.zones.values():
        emulator.upload(zone, (present or certificate).pem)
        zone.aop_enabled = zone.kex_enabled = True


def test_undo(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str], client_certificate: Issued) -> None:
    hardened(tmp_path, emulator, client_certificate)
    output = follow("guide_undo.rst", tmp_path, **cloudflare)
    assert "not verified" not in output
    shop, blog = emulator.zones.values()
    assert (shop.aop_enabled, shop.kex_enabled, emulator.active(shop)) == (False, False, [])
    assert (blog.aop_enabled, blog.kex_enabled, len(emulator.active(blog))) == (False, True, 1)


def test_rotation(
    tmp_path: Path,
    emulator: Emulator,
    cloudflare: dict[str, str],
    client_certificate: Issued,
    other_certificate: Issued,
) -> None:
    hardened(tmp_path, emulator, other_certificate, "client-2027", present=client_certificate)
    follow("guide_rotation.rst", tmp_path, **cloudflare)
    for zone in emulator.zones.values():
        (id_,) = emulator.active(zone)
        assert zone.certificates[id_].parsed.der == other_certificate.certificate.public_bytes(Encoding.DER)
    assert all(exchange.active for exchange in emulator.journal if re.match("/zones/[^/]+/", exchange.path))


def test_fleet(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str], client_certificate: Issued) -> None:
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    tokens = dict.fromkeys(("SHOPS_TOKEN", "BLOGS_TOKEN"), cloudflare["CLOUDFLARE_API_TOKEN"])
    output = follow("guide_fleet.rst", tmp_path, **tokens, **cloudflare)
    assert "@canaries:\n  |  |--blog.example" in output
    assert output.count("@zones:") == 5
    assert output.count("2 zones: 8 requests if nothing is to change") == 7
    assert output.count("2 zones: 2 with drift") == 1
    assert "max_fail_percentage with the free strategy" not in output, "where none was given"
    paths = [exchange.path for exchange in emulator.journal]
    assert paths.count("/zones") == 5 + 7 + 4, "one from the cache"
    assert all(zone.aop_enabled and zone.kex_enabled for zone in emulator.zones.values())


def test_zones_an_hour() -> None:
    """What the requests of each zone, to which other tests hold role and audit, make of the limit less its tenth."""
    rows = re.findall(r"\n     - (\d+)\n     - (\d+)\n     - ([\d,]+)\n", (GUIDES / "guide_fleet.rst").read_text())
    figures = {int(requests): (int(zones), int(hourly.replace(",", ""))) for requests, zones, hourly in rows}
    assert figures == {requests: (1080 // requests, 12 * 1080 // requests) for requests in (4, 7, 9, 10)}


def test_awx(tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str], client_certificate: Issued) -> None:
    """With the modules of awx.awx, and a stand-in for AWX that runs the jobs."""
    (tmp_path / "client.pem").write_text(client_certificate.pem)
    (tmp_path / "client.key").write_text(client_certificate.key_pem)
    inventories = tmp_path / "inventories"
    inventories.mkdir()
    fleet = {caption: text for _language, caption, text in blocks("guide_fleet.rst")}
    (inventories / "our.cloudflare.yml").write_text(fleet["our.cloudflare.yml"])
    with Awx(tmp_path / "awx", awx_collection()) as awx:
        awx.repositories["ours"] = inventories
        web = awx.add("organizations", name="Web")["id"]
        awx.add("projects", name="Our inventories", organization=web, scm_type="git", scm_url="ours")
        machine = awx.add("credential_types", name="Machine", kind="ssh")
        awx.add("credentials", name="Web servers", organization=web, credential_type=machine["id"])
        output = follow("guide_awx.rst", tmp_path, **{**awx.environment(), **cloudflare})
    lines = {line.strip() for line in output.splitlines()}
    shown = [
        line for language, _caption, text in blocks("guide_awx.rst") if language == "text" for line in text.splitlines()
    ]
    assert [line for line in shown if line not in lines and f"{line}," not in lines] == []

    harden, audit = awx.tables["jobs"].values()
    assert (harden["status"], audit["status"]) == ("successful", "successful"), harden["stdout"] + audit["stdout"]
    (forecast,) = harden["artifacts"]["zone_hardening"].values()
    assert (forecast["zone_name"], forecast["changed"], forecast["check_mode"]) == ("shop.example", True, True)
    assert set(emulator.count()) == {"GET"}
    assert audit["artifacts"]["zone_audit"]["drift"] == len(audit["artifacts"]["zone_audit_report"]["zones"]) == 2
    found = awx.script(awx.one("inventories", "Zones that were found")["id"])
    assert set(found["zones"]["hosts"]) == {"shop.example", "blog.example"}
    named = awx.script(awx.one("inventories", "Cloudflare zones")["id"])
    assert named["zones"]["vars"] == {"zone_hardening_verify_urls": ["https://{{ inventory_hostname }}/"]}
    assert set(awx.all("job_templates", organization=web)) == {
        *("Harden zones", "Harden the key exchange of zones", "Audit zones", "Audit all zones", "Lock origins down"),
    }
    assert named["origins"]["hosts"] == ["web1.example"]
    assert [one["name"] for one in awx.tables["schedules"].values()] == ["Lock origins down"]


def test_troubleshooting(
    tmp_path: Path, emulator: Emulator, cloudflare: dict[str, str], client_certificate: Issued
) -> None:
    hardened(tmp_path, emulator, client_certificate)
    for zone in emulator.zones.values():
        zone.aop_enabled, zone.compliance_modes = False, ["pqh"]
    output = follow("guide_troubleshooting.rst", tmp_path, **cloudflare)
    assert "not verified" not in output
    shop = next(iter(emulator.zones.values()))
    assert (shop.aop_enabled, shop.compliance_modes) == (True, [])
