# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From any state, to anything that may be wanted, with trouble at any request: what has to hold in the end.

- The state is the old one, the wanted one, or one that the message describes.
- A second run gets where a run without trouble gets.
- There is no moment without a certificate that works while the edge is to present one, for the zone or for a hostname,
  unless it began so.
- An undo never deletes what was there before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import CloudflareError
from ansible_collections.originsec.cloudflare.plugins.module_utils._posture import COMPLIANCE_MODES
from ansible_collections.originsec.cloudflare.tests.unit.in_process import (
    Killed,
    Lab,
    TaskTimeout,
    Trouble,
    check_end,
)
from ansible_collections.originsec.cloudflare.tests.unit.support import Issued, issue

CERTIFICATES = {"first": issue("first"), "second": issue("second"), "expired": issue("expired", ends=-1)}
LONG_AGO = 1_000_000
SHOP, STATUS = "shop.example.com", "status.example.com"


@dataclass(frozen=True)
class Held:
    """A certificate of the zone. state: where it is in its life."""

    name: str
    state: str

    @property
    def issued(self) -> Issued:
        return CERTIFICATES[self.name]


@dataclass(frozen=True)
class Start:
    """A zone as it is found. by_hostnames: what its hostnames have, beside the zone. associations: by hostname, the
    name of the certificate, and whether it is enabled; without one that is there, there is none. site: how it answers.
    """

    held: tuple[Held, ...]
    by_hostnames: tuple[Held, ...]
    associations: dict[str, tuple[str, bool] | None]
    attributes: dict[str, Any]
    site: dict[str, Any]
    emulator: dict[str, Any]

    def make(self, lab: Lab) -> None:
        lab.reset()
        for target, values in ((lab.zone, self.attributes), (lab.site, self.site), (lab.emulator, self.emulator)):
            for name, value in values.items():
                setattr(target, name, value if not isinstance(value, (list, dict)) else type(value)(value))
        self._hold(lab, self.held)
        self._hold(lab, self.by_hostnames, hostname_level=True)
        usable = {
            lab.fingerprint(id_): one
            for id_, one in lab.zone.hostname_certificates.items()
            if one.deleted_at is None  # Cloudflare deletes none that is in use
        }
        for hostname, association in self.associations.items():
            certificate = usable.get(CERTIFICATES[association[0]].fingerprint) if association else None
            if association and certificate:
                lab.emulator.associate(lab.zone, hostname, certificate, association[1])

    def _hold(self, lab: Lab, certificates: tuple[Held, ...], hostname_level: bool = False) -> None:
        for number, held in enumerate(sorted(certificates, key=lambda held: held.state in FRESH)):
            certificate = lab.upload(held.issued, year=2020 + number, hostname_level=hostname_level)
            if held.state in FRESH:
                certificate.uploaded_on = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 5 + number))
            if held.state == "pending":
                certificate.uploaded_at += LONG_AGO
            elif held.state == "not listed":
                certificate.uploaded_at = lab.emulator.now() - self.emulator["deployment_delay"]
            elif held.state == "deployment_timed_out":
                certificate.deployment_times_out = True
            elif held.state == "pending_deletion":
                certificate.deleted_at = lab.emulator.now()
            elif held.state == "deletion_timed_out":
                certificate.deleted_at, certificate.deletion_times_out = lab.emulator.now() - LONG_AGO, True


FRESH = ("pending", "not listed")
OLD = ("active", "active", "active", "deployment_timed_out", "pending_deletion", "deletion_timed_out")
STATES = {name: OLD if name == "expired" else (*OLD, *FRESH) for name in CERTIFICATES}
names = st.lists(st.sampled_from(list(CERTIFICATES)), unique=True, max_size=3)
certificates = names.flatmap(
    lambda names: st.tuples(*(st.builds(Held, st.just(name), st.sampled_from(STATES[name])) for name in names))
)
starts = st.builds(
    Start,
    held=certificates,
    by_hostnames=certificates,
    associations=st.fixed_dictionaries(
        {
            name: st.none() | st.tuples(st.sampled_from(["first", "second", "second", "expired"]), st.booleans())
            for name in (SHOP, STATUS)
        }
    ),
    attributes=st.fixed_dictionaries(
        {
            "ssl_mode": st.sampled_from(["full", "strict", "full", "strict", "flexible"]),
            "ssl_automatic_mode": st.sampled_from(["custom", "auto"]),
            "kex_enabled": st.booleans(),
            "compliance_modes": st.sampled_from([[], ["fips"]]),
            "pqe_value": st.sampled_from(["supported", "off"]),
            "aop_enabled": st.booleans(),
            "global_aop_enabled": st.booleans(),
        }
    ),
    site=st.sampled_from(
        [
            {},
            {},
            {},
            {"cache_status": "HIT"},
            {"dark_while": {"aop_enabled": True}},
            {"dark_while": {"kex_enabled": True}},
        ]
    ),
    emulator=st.fixed_dictionaries(
        {
            "deployment_delay": st.sampled_from([0, 2, 30]),
            "list_lag": st.sampled_from([0, 5, 40]),
            "deletion_delay": st.sampled_from([0, 3]),
            "edge_delay": st.sampled_from([0, 8]),
            "association_delay": st.sampled_from([0, 3]),
            "association_list": st.sampled_from(["full", "short", "404"]),
        }
    ),
)

wishes = st.fixed_dictionaries(
    {
        "auto_origin_tls_kex": st.sampled_from([True, False, None]),
        "client_auth_enabled": st.sampled_from([True, True, False, None]),
        "ssl_mode": st.sampled_from([None, None, "full", "strict"]),
        "compliance_modes": st.none() | st.lists(st.sampled_from(COMPLIANCE_MODES), unique=True),
        "origin_pqe": st.sampled_from([None, "preferred"]),
        "global_client_auth_enabled": st.sampled_from([None, True, False]),
        "exclusive": st.sampled_from([None, None, True, False]),
        "certificate": st.sampled_from(["first", "first", None]),
        "verifies": st.sampled_from([True, True, False]),
        # Of each, the certificate and whether it is enabled; both null leave it out
        "hostnames": st.none()
        | st.fixed_dictionaries(
            {
                name: st.tuples(
                    st.sampled_from(["first", "first", "second", None]), st.sampled_from([True, False, None])
                )
                for name in (SHOP, STATUS)
            }
        ),
    }
)

troubles = st.builds(
    Trouble,
    kind=st.sampled_from(["refused", "error", "drop", "timeout", "interrupt", "kill"]),
    at=st.integers(3, 36),
    after_work=st.booleans(),
    lasting=st.booleans(),
    forever=st.sampled_from([False, False, True]),
).filter(lambda trouble: not (trouble.kind == "refused" and trouble.after_work))


def pair(name: str | None) -> dict[str, str]:
    certificate = CERTIFICATES[name] if name else None
    return {"certificate": certificate.pem, "private_key": certificate.key_pem} if certificate else {}


def options_of(wish: dict[str, Any]) -> dict[str, Any]:
    hostnames = [
        {"hostname": hostname, "enabled": enabled, **pair(certificate)}
        for hostname, (certificate, enabled) in (wish["hostnames"] or {}).items()
        if certificate or enabled is not None
    ]
    return {
        **{name: value for name, value in wish.items() if name not in ("certificate", "verifies", "hostnames")},
        **({} if wish["verifies"] else {"verify_urls": []}),
        **pair(wish["certificate"]),
        **({"hostnames": hostnames} if hostnames else {}),
    }


def outcome(lab: Lab, options: dict[str, Any]) -> str:
    """The message of a run, and nothing where it succeeded."""
    try:
        lab.harden(**options)
    except CloudflareError as error:
        return str(error) or "failed"
    return ""


@settings(max_examples=150)
@given(starts, wishes, troubles)
def test_whatever_happens(lab: Lab, start: Start, wish: dict[str, Any], trouble: Trouble) -> None:
    options = options_of(wish)
    start.make(lab)
    clean = outcome(lab, options)
    clean_state = lab.look_by_fingerprint()

    start.make(lab)
    began_dark, began_bare = not lab.works(), lab.bare()
    before, useless = lab.look(), lab.useless()
    lab.trouble.append(replace(trouble))
    try:
        lab.harden(**options)
    except (CloudflareError, TaskTimeout, KeyboardInterrupt) as error:
        note(f"{type(error).__name__}: {error}")
        event("failed" if lab.trouble[0].hit else "refused")
        check_end(lab, before, useless, error)
    except Killed:
        event("killed")
    assert began_dark or lab.never_dark()
    assert lab.were_bare <= began_bare

    lab.trouble.clear()
    lab.emulator.advance(100)
    again = outcome(lab, options)
    note(f"Clean: {clean}. Again: {again}")
    assert began_dark or lab.never_dark()
    assert lab.were_bare <= began_bare
    if not clean:
        assert not again
        state = lab.look_by_fingerprint()
        kept = state.pop("certificates")
        # What was pending then may be settled by now, and removed
        assert set(kept) <= set(clean_state.pop("certificates"))
        # Which of those that no hostname uses it has superseded, only the run itself knew that was killed
        superseded = {lab.fingerprint(id_) for id_ in before["hostname_certificates"]}
        assert set(state.pop("hostname_certificates")) <= {*clean_state.pop("hostname_certificates"), *superseded}
        assert state == clean_state
        if wish["certificate"]:
            assert CERTIFICATES[wish["certificate"]].fingerprint in kept


@pytest.mark.parametrize("name", CERTIFICATES)
def test_the_certificates_are_what_they_are_called(lab: Lab, name: str) -> None:
    assert lab.is_useless(lab.upload(CERTIFICATES[name]).id) == (name == "expired")
