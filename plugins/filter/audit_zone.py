# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: audit_zone
short_description: Compare a zone with its desired state
version_added: 1.0.0
description:
  - Compares what the module M(originsec.cloudflare.origin_tls_info) found in a zone with the variables of the role
    P(originsec.cloudflare.zone_hardening#role).
  - A failed result makes a row that says why the zone could not be read, and a skipped one that of a zone that is not
    managed.
author:
  - The originsec.cloudflare authors (@originsec)
positional: zone, posture, about
options:
  _input:
    description:
      - The result of M(originsec.cloudflare.origin_tls_info), with the subsets V(ssl), V(kex), V(compliance) and
        V(client_auth), and V(pqe), V(global) and V(hostnames) if they matter.
    type: dict
    required: true
  zone:
    description:
      - The name of the zone.
    type: str
    required: true
  posture:
    description:
      - The desired state, the variables of the role P(originsec.cloudflare.zone_hardening#role) without the prefix
        C(zone_hardening_). What is not there, V(null) or blank is left alone.
      - These count, C(required_ssl_modes), C(ssl_mode), C(auto_origin_tls_kex), C(compliance_modes), C(origin_pqe),
        C(client_auth_enabled), C(certificate), C(exclusive), C(global_client_auth_enabled), C(hostnames),
        C(require_enforcement), C(only), C(waivers), C(allow_inactive_zones), and C(min_days_remaining), below which the
        certificate that the edge presents counts as drift.
    type: dict
    required: true
  about:
    description:
      - What is known of the zone besides, as C(account), C(owner), C(status) and C(paused), the latter two as
        Cloudflare has them and only for results without the subset V(zone).
    type: dict
    default: {}
seealso:
  - plugin: originsec.cloudflare.audit_fleet
    plugin_type: filter
  - ref: ansible_collections.originsec.cloudflare.docsite.guide_audit
    description: A guide to audits.
"""

EXAMPLES = r"""
- name: Look
  originsec.cloudflare.origin_tls_info:
    zone_name: example.com
  register: result

- name: Fail unless Authenticated Origin Pulls are on, with a certificate that lasts another month
  ansible.builtin.assert:
    that: row.status == 'compliant'
    fail_msg: "{{ row.drift }}"
  vars:
    row: "{{ result | originsec.cloudflare.audit_zone('example.com', posture) }}"
    posture:
      client_auth_enabled: true
      min_days_remaining: 30
"""

RETURN = r"""
_value:
  description: The row of the zone. What was not read is V(null).
  type: dict
  contains:
    zone:
      description: The name of the zone.
      type: str
      sample: example.com
    zone_id:
      description: The id of the zone.
      type: str
      sample: 023e105f4ecef8ad9ca31a8372d0c353
    account:
      description: The account of the zone.
      type: str
      sample: Example
    owner:
      description: Who is responsible for the zone.
      type: str
      sample: web team
    status:
      description:
        - V(compliant), V(drift), V(unreadable), V(waived) (it differs only where that is waived), V(not managed)
          (nothing is desired of it), or V(inactive) (Cloudflare's edge is not in front of it).
      type: str
      sample: drift
    state:
      description: V(active), V(paused), V(initializing), V(pending) or V(moved). V(null) where nobody knows.
      type: str
      sample: active
    error:
      description: Why the zone could not be read.
      type: str
      sample: null
    ssl_mode:
      description: The SSL mode.
      type: str
      sample: strict
    auto_origin_tls_kex:
      description: Whether the key exchange is chosen automatically.
      type: bool
      sample: true
    compliance_modes:
      description: The compliance modes, sorted.
      type: list
      elements: str
      sample:
        - pqh
    origin_pqe:
      description: Origin Post-Quantum Encryption.
      type: str
      sample: null
    client_auth_enabled:
      description: Whether Authenticated Origin Pulls are enabled.
      type: bool
      sample: false
    global_client_auth:
      description: Whether the edge presents the certificate that all customers share. V(null) where it was not read.
      type: bool
      sample: false
    hostnames:
      description:
        - By the name of each hostname that overrides the zone, whether the edge presents a certificate for it. V(null)
          where that was not read, or Cloudflare does not list them.
      type: dict
      sample:
        status.example.com: false
    origins:
      description:
        - By the name of each origin, its C(enforcement), C(post_quantum) and C(error), as of
          M(originsec.cloudflare.origin_tls_info).
      type: dict
      sample: {}
    certificate:
      description:
        - The client certificate that the edge presents, as C(subject), C(fingerprint_sha256), C(not_after) and
          C(days_remaining). V(null) where none is active.
      type: dict
      sample: null
    drift:
      description:
        - What differs from the desired state, the worst first, as C(kind), C(aspect), C(found) and C(wanted), the
          latter two in words.
        - The kinds are V(certificate_expired), V(hostname_off) (a hostname is exempted, and nobody asked for it),
          V(hostname_certificate_expired), V(hostname_certificate_expiring), V(hostnames), V(global_client_auth),
          V(client_auth), V(certificate) (none is active, or another one than the wanted is presented), V(ssl_mode),
          V(certificate_expiring), V(superseded), V(compliance_modes), V(auto_origin_tls_kex), V(origin_pqe), and of
          origins V(origin_open), V(origin_optional), V(origin_unreachable) and V(origin_classical).
      type: list
      elements: dict
      sample:
        - kind: client_auth
          aspect: client_auth
          found: "off"
          wanted: "on"
        - kind: certificate
          aspect: certificate
          found: none is active
          wanted: an active one
    waived:
      description: What differs and is waived, as in RV(_value.drift), and C(reason) and C(until).
      type: list
      elements: dict
      sample: []
    wanted:
      description: The desired state in words, by the kinds of drift. V(null) where nothing is known of that.
      type: dict
      sample:
        client_auth: "on"
        certificate_expiring: at least 30 days
"""

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils._errors import InputError

if TYPE_CHECKING:
    from ..plugin_utils._audit import Row


def audit_zone(
    result: Mapping[str, Any], zone: str, posture: Mapping[str, Any], about: Mapping[str, Any] | None = None
) -> Row:
    # Only here, since Ansible imports every filter in each process that needs one
    from ..module_utils._posture import Posture
    from ..plugin_utils._audit import About, audit

    today = datetime.datetime.now(datetime.timezone.utc).date()
    try:
        known = About.from_variables(about or {}, posture, today)
        return audit(zone, result, Posture.from_options(posture, "zone_hardening_"), known)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error
    except KeyError as missing:
        raise AnsibleFilterError(f"The result has no {missing}: gather more subsets.") from missing


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_zone": audit_zone}
