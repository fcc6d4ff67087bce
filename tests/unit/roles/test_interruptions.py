# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ends a run from outside: a task's timeout, Ctrl-C, signals, another host that fails, no place for files."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Exchange, Zone
from ansible_collections.originsec.cloudflare.tests.unit.roles.role import Ansible
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue


def uploads(emulator: Emulator) -> int:
    return sum(exchange.method == "POST" for exchange in list(emulator.journal))


def is_quiet(emulator: Emulator) -> bool:
    """Whether there is no request for five seconds, while those of a verification are a second apart."""
    number = len(emulator.journal)
    time.sleep(5)
    return len(emulator.journal) == number


def visits(emulator: Emulator) -> int:
    return sum(exchange.path.startswith("//site/") for exchange in list(emulator.journal))


@pytest.mark.parametrize("slow", ["deployment", "site"])
@pytest.mark.long
def test_a_tasks_timeout_puts_everything_back(ansible: Ansible, emulator: Emulator, slow: str) -> None:
    """Also where it waits for the deployment, after which the certificate can be deleted."""
    ansible.environment["ANSIBLE_TASK_TIMEOUT"] = "20"
    if slow == "deployment":
        emulator.deployment_delay = 20
        step = "Wait until the client certificate is active"
    else:
        ansible.variables["zone_hardening_verify_settle"] = 30
        step = "Request each URL through Cloudflare, until the response has held"
    before = ansible.state()
    run = ansible.run()
    assert run.returncode == 2, run.output
    assert f"The task was ended from outside, by its timeout for example. That was the step '{step}'." in run.output
    assert "client certificate, automatic key exchange." in run.output
    assert "answers as before." in run.output
    assert "left for you" not in run.output
    assert ansible.state() == before


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
@pytest.mark.parametrize("moment", ["waiting", "verifying"])
@pytest.mark.long
def test_ctrl_c_puts_everything_back(
    ansible: Ansible, emulator: Emulator, moment: str, signals: tuple[int, ...]
) -> None:
    """To the whole process group, as a terminal sends it; twice, as users do."""
    if moment == "waiting":
        emulator.deployment_delay = 6
    ansible.variables["zone_hardening_verify_settle"] = 30
    before = ansible.state()
    process = ansible.start(start_new_session=True)
    if moment == "waiting":
        ansible.wait(lambda: uploads(emulator), "the upload")
    else:
        ansible.wait(lambda: visits(emulator) > 1, "the verification")
    for one in signals:
        os.killpg(process.pid, one)
    went_on = False
    if len(signals) == 2:
        # The second can end ansible-core before it tells its workers of the first: then the transaction runs to its end
        ansible.wait(lambda: is_quiet(emulator), "the end of the transaction")
        state = ansible.state()
        went_on = state == {**before, "kex": True, "enabled": True, "certificates": state["certificates"]}
    if not went_on:
        ansible.wait(lambda: ansible.state() == before, "everything to be put back")
    run = ansible.finish(process)
    assert run.returncode != 0
    assert all(exchange.active for exchange in emulator.journal if exchange.aop_enabled)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.long
def test_what_became_of_a_zone_is_written_beside_the_report(
    ansible: Ansible, emulator: Emulator, ending: signal.Signals
) -> None:
    """ansible-playbook itself is over before the zone is put back, and shows nothing of it."""
    ansible.playbook = "- import_playbook: originsec.cloudflare.harden\n"
    report = ansible.directory / "report.json"
    ansible.variables |= {"harden_report": str(report), "zones": ["example.com"], "zone_hardening_verify_settle": 30}
    before = ansible.state()
    process = ansible.start("-ilocalhost,", start_new_session=True)
    ansible.wait(lambda: visits(emulator) > 1, "the verification")
    os.killpg(process.pid, ending)
    process.communicate(timeout=300)
    beside = ansible.directory / "report.example.com.json"
    ansible.wait(lambda: beside.exists() and beside.read_text().endswith("}\n"), "what became of the zone")
    assert not report.exists()
    (told,) = json.loads(beside.read_text())["zones"]
    assert (told["zone"], told["zone_id"], told["status"]) == ("example.com", ansible.zone.id, "failed")
    assert told["error"].startswith("The run was interrupted. That was the step 'Request each URL through Cloudflare")
    assert "Put back: Authenticated Origin Pulls" in told["error"]
    assert "answers as before." in told["error"]
    assert beside.stat().st_mode & 0o777 == 0o600
    assert ansible.state() == before


@pytest.mark.long
def test_the_report_tells_of_a_tasks_timeout(ansible: Ansible) -> None:
    ansible.playbook = "- import_playbook: originsec.cloudflare.harden\n"
    ansible.environment["ANSIBLE_TASK_TIMEOUT"] = "20"
    report = ansible.directory / "report.json"
    ansible.variables |= {"harden_report": str(report), "zones": ["example.com"], "zone_hardening_verify_settle": 30}
    before = ansible.state()
    run = ansible.finish(ansible.start("-ilocalhost,"))
    assert run.returncode == 2
    assert report.exists(), run.output
    (told,) = json.loads(report.read_text())["zones"]
    assert told["error"].startswith("The task was ended from outside, by its timeout for example. ")
    assert "Put back: " in told["error"]
    assert ansible.state() == before


def killed_after(ansible: Ansible, number: int) -> list[Exchange]:
    """Start a run, and kill it once it has made so many requests; return them."""
    process = ansible.start(start_new_session=True)
    ansible.wait(lambda: len(ansible.emulator.journal) >= number or process.poll() is not None, "the request")
    workers = children(process.pid)
    for pid in (process.pid, *workers):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    return list(ansible.emulator.journal)


def children(pid: int) -> list[int]:
    """Of a process, also those that are in a session of their own, as workers of ansible-core >= 2.19 are."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [one for child in found for one in (int(child), *children(int(child)))]


@pytest.mark.long
def test_a_run_that_is_killed_converges(
    ansible: Ansible, emulator: Emulator, zone: Zone, other_certificate: Issued
) -> None:
    """At three moments, which the requests that were made until then choose."""
    emulator.upload(zone, other_certificate.pem)
    zone.aop_enabled = True
    for number in random.sample(range(3, 16), 3):
        print(f"killed after request {number}")
        issued = issue()
        ansible.variables["zone_hardening_certificate"] = issued.pem
        ansible.variables["zone_hardening_private_key"] = issued.key_pem
        killed = killed_after(ansible, number)
        run = ansible.run()
        assert run.returncode == 0, run.output
        assert all(exchange.active for exchange in [*killed, *emulator.journal] if exchange.aop_enabled)
        assert len(emulator.active(zone)) == 1


def test_without_a_place_for_temporary_files(ansible: Ansible, zone: Zone) -> None:
    """It made the host unreachable in the middle of the old role's tasks, and everything stayed as it was then."""
    ansible.variables["ansible_remote_tmp"] = "/proc/nowhere"
    ansible.playbook = "[{hosts: all, gather_facts: false, roles: [originsec.cloudflare.zone_hardening]}]"
    run = ansible.run()
    assert run.returncode == 0, run.output
    assert zone.aop_enabled


def test_any_errors_fatal_and_another_host_that_fails(ansible: Ansible, emulator: Emulator, zone: Zone) -> None:
    """The zone's own transaction is one task, which ends before the play does."""
    emulator.add_zone("flexible.example", ssl_mode="flexible")
    emulator.deployment_delay = 2
    del ansible.variables["zone_hardening_zone_id"]
    ansible.playbook = """
- hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - ansible.builtin.include_role:
        name: originsec.cloudflare.zone_hardening
"""
    run = ansible.run("-iexample.com,flexible.example")
    assert run.returncode == 2
    assert "The SSL mode is flexible" in run.output
    assert "is undefined" not in run.output
    assert zone.aop_enabled
    assert len(emulator.active(zone)) == 1


def test_a_caller_that_loops_over_the_role(ansible: Ansible, emulator: Emulator) -> None:
    """The caller's item is not the role's."""
    ansible.playbook = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: originsec.cloudflare.zone_hardening
      vars:
        zone_hardening_zone_name: "{{ item }}"
      loop: [example.com, example.org]
"""
    del ansible.variables["zone_hardening_zone_id"]
    other = emulator.add_zone("example.org", ssl_mode="off")
    run = ansible.run("-ilocalhost,")
    assert run.returncode == 2
    assert "The SSL mode is off" in run.output
    assert "Nothing was changed." in run.output
    assert (ansible.zone.aop_enabled, other.aop_enabled) == (True, False)


@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.long
def test_a_passphrase_of_one_letter(
    ansible: Ansible, emulator: Emulator, client_certificate: Issued, in_process: bool
) -> None:
    """It is part of almost every id, and the rollback needs ids."""
    ansible.variables |= {
        "zone_hardening_private_key": client_certificate.encoded_key(passphrase="a"),
        "zone_hardening_private_key_passphrase": "a",
        "originsec_cloudflare_in_process": in_process,
    }
    emulator.site("example.com").dark_while = {"aop_enabled": True}
    before = ansible.state()
    run = ansible.run()
    assert run.returncode == 2
    assert ansible.state() == before
    assert "answers as before" in run.output

    emulator.site("example.com").dark_while = {}
    run = ansible.run()
    assert run.returncode == 0, run.output
    report: dict[str, Any] = run.reports["example.com"]
    assert report["certificate"]["id"] in ansible.zone.certificates
    assert report["zone_id"] == ansible.zone.id
