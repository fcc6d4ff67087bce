#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls
short_description: Harden the connection from Cloudflare's edge to the origin of a zone, in one transaction
version_added: 1.0.0
description:
  - Brings a zone to the desired state of its SSL mode, automatic key exchange, compliance modes and Authenticated
    Origin Pulls, in the order that keeps the site reachable, and verifies through the edge that it is.
  - Everything that can be judged offline is judged before the first request, and everything that reading tells before
    the first change, in check mode as well.
  - When something fails after the first change, everything is put back in reverse order, also when the task runs into
    its C(timeout) or is interrupted with Ctrl-C. The message says what failed, what was put back, whether the site
    answers again, and what is left to do.
  - Superseded client certificates are removed last, and by default only where the new one has proved itself.
  - A run that was killed converges when it is run again.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
attributes:
  check_mode:
    details:
      - Nothing is requested from O(verify_urls) in check mode. O(origins) are probed.
      - O(certificate) may come without O(private_key) in check mode, so that a plan needs no production secret. A
        warning says what was not checked.
options:
  ssl_mode:
    description:
      - The SSL mode that the zone should have. Without it, the mode is left alone.
      - Where Automatic SSL/TLS is on, it is set to V(custom) first, since it would put the mode back.
    type: str
    choices: ["off", flexible, full, strict, origin_pull]
  required_ssl_modes:
    description:
      - The SSL modes in which the zone may be hardened. In any other, the task fails and changes nothing. An empty list
        allows all of them.
    type: list
    elements: str
    choices: ["off", flexible, full, strict, origin_pull]
    default: [full, strict, origin_pull]
  auto_origin_tls_kex:
    description:
      - Whether automatic key exchange should be on. Without it, that is left alone.
    type: bool
  compliance_modes:
    description:
      - The compliance modes that the zone should have, and no others; an empty list removes all limits. Without it,
        they are left alone.
      - B(V(pqh\) makes a site unreachable whose origin does not support X25519MLKEM768.) O(origins) lets that be tried
        first.
    type: list
    elements: str
    choices: [fips, pqh]
  origin_pqe:
    description:
      - The value that Origin Post-Quantum Encryption should have. Without it, it is left alone. Cloudflare documents
        the setting as one without effect since 2026-07.
    type: str
    choices: [preferred, supported, "off"]
  client_auth_enabled:
    description:
      - Whether zone-level Authenticated Origin Pulls should be enabled. Without it, that is left alone.
    type: bool
  certificate:
    description:
      - The client certificate that the edge should present, in PEM (the text, not a path), perhaps with its chain.
        Without it, certificates are left alone.
    type: str
  private_key:
    description:
      - The private key of O(certificate) in PEM (the text, not a path). It is sent once, and never part of a result.
    type: str
  private_key_passphrase:
    description:
      - The passphrase of O(private_key), if it is encrypted. It is decrypted where the module runs.
    type: str
  exclusive:
    description:
      - Whether all other certificates of the zone should be removed once the new state is verified.
      - By default they are, where every one of O(verify_urls) has proved that the origin takes the new one.
      - With V(true) they are removed as well where there are no O(verify_urls).
    type: bool
  wait_timeout:
    description:
      - How many seconds each wait for Cloudflare may take, until O(certificate) is active, until the list of
        certificates shows it, and until one can be removed. Time for which the rate limit holds requests back does
        not count.
    type: int
    default: 300
  global_client_auth_enabled:
    description:
      - Whether the edge should present the certificate that all Cloudflare customers share (global Authenticated
        Origin Pulls). It proves that a request comes from Cloudflare, and not that it comes from your zone. Without
        it, that is left alone.
    type: bool
  hostnames:
    description:
      - Hostnames that have Authenticated Origin Pulls of their own, or are exempted from those of the zone. Others
        are left alone; M(originsec.cloudflare.origin_tls_client_auth_hostname) can remove them.
      - The certificates of hostnames are a store of their own. One that a change here leaves without a hostname is
        removed as O(exclusive) says.
    type: list
    elements: dict
    default: []
    suboptions:
      hostname:
        description:
          - The hostname. By default it is verified as well, as C(https://) and its name.
        type: str
        required: true
      enabled:
        description:
          - Whether the edge presents a certificate for the hostname. With V(false) it presents none, not even the
            zone's. Without it, that is left as it is, and a new association is enabled.
        type: bool
      certificate:
        description:
          - The client certificate in PEM (the text, not a path). Without it, the hostname keeps the one that it has.
        type: str
      private_key:
        description:
          - The private key of the certificate in PEM (the text, not a path).
        type: str
      private_key_passphrase:
        description:
          - The passphrase of the private key, if it is encrypted.
        type: str
  min_days_remaining:
    description:
      - How many days O(certificate) must be valid for at least. With fewer, the task fails and changes nothing.
    type: int
    default: 30
  origins:
    description:
      - The origins of the zone, as C(host) or C(host:port). The edge's handshake is tried with each, as
        M(originsec.cloudflare.origin_tls_probe) does it, and the task fails and changes nothing where one would not
        answer the edge afterwards.
    type: list
    elements: str
    default: []
  origins_ca:
    description:
      - Certificates in PEM (the text, not a path) of authorities besides the public ones that the edge trusts to
        issue the certificates of O(origins), as in a custom origin trust store. Cloudflare's Origin CA is known.
      - Where O(ssl_mode) raises the mode to V(strict) or V(origin_pull), the task fails and changes nothing if one of
        O(origins) shows a certificate that has expired, is for other names, or was issued by nobody whom the edge
        trusts.
    type: str
  require_enforcement:
    description:
      - Whether the task should fail at its end where one of O(origins) answers without a client certificate. The zone
        stays as it was made.
    type: bool
    default: false
  verify_urls:
    description:
      - URLs that are requested through Cloudflare before the first change and after the last one. By default
        C(https://) and the name of the zone. An empty list verifies nothing.
      - A URL is dark when nothing answers, with the statuses 495, 496, 520 to 527 and 530, with 400 and what nginx
        says of a client certificate, and with any error where there was none before. Redirects are not followed.
      - A response proves something only if it came through Cloudflare (C(CF-Ray)), from the origin
        (C(CF-Cache-Status)), and was no challenge (C(CF-Mitigated)). Else the change stays, nothing is removed, and the
        result says so.
    type: list
    elements: str
  verify_retries:
    description:
      - How often a URL that is dark is requested again at most.
    type: int
    default: 5
  verify_delay:
    description:
      - How many seconds to wait between two requests of the same URL.
    type: int
    default: 5
  verify_settle:
    description:
      - For how many seconds the responses must hold after a change, in two requests at least.
    type: int
    default: 10
  rollback:
    description:
      - Whether to put everything back when something fails after the first change.
    type: bool
    default: true
  allow_inactive_zones:
    description:
      - Whether to harden a zone that is paused, pending or moved. The edge is not in front of such a zone, so nothing
        can be verified.
    type: bool
    default: false
  only:
    description:
      - The aspects to manage; all others are left alone. By default all are managed; an empty list is refused.
    type: list
    elements: str
    choices:
      - ssl_mode
      - auto_origin_tls_kex
      - compliance_modes
      - origin_pqe
      - client_auth
      - certificate
      - superseded
      - global_client_auth
      - hostnames
requirements:
  - cryptography >= 42, for O(certificate)
  - pyOpenSSL >= 26 and cryptography >= 47, for O(origins)
notes:
  - The token needs the permissions C(Zone Settings Write), for O(certificate) and O(client_auth_enabled) C(SSL and
    Certificates Write), and where something is to change C(Zone Read).
  - Without anything to change it takes one request each for the SSL mode and every setting that is given, and two for
    client certificates.
seealso:
  - module: originsec.cloudflare.origin_tls_info
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_probe
  - module: originsec.cloudflare.auto_origin_tls_kex
  - module: originsec.cloudflare.origin_tls_compliance_modes
"""

EXAMPLES = r"""
- name: Let the edge choose the key exchange, and present our certificate to the origin
  originsec.cloudflare.origin_tls:
    zone_name: example.com
    auto_origin_tls_kex: true
    client_auth_enabled: true
    certificate: "{{ lookup('ansible.builtin.file', 'client.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'client.key') }}"
    verify_urls:
      - https://example.com/
      - https://www.example.com/login

- name: Raise the SSL mode, and see first whether the origin's certificate allows it
  originsec.cloudflare.origin_tls:
    zone_name: example.com
    ssl_mode: strict
    origins:
      - origin.example.com

- name: Say what would change, without the private key
  originsec.cloudflare.origin_tls:
    zone_name: example.com
    client_auth_enabled: true
    certificate: "{{ lookup('ansible.builtin.file', 'client.pem') }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success, or failure after the zone was found
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
zone_name:
  description: The name of the zone. V(null) where nothing was to change and O(origins) was not given.
  returned: as RV(zone_id)
  type: str
  sample: example.com
drift:
  description: Where the zone differed from the desired state.
  returned: as RV(zone_id)
  type: list
  elements: dict
  contains: &drift
    aspect:
      description: What differed, one of the choices of O(only).
      returned: always
      type: str
      sample: auto_origin_tls_kex
    found:
      description: What was found, in words.
      returned: always
      type: str
      sample: "off"
    wanted:
      description: What is wanted, in words.
      returned: always
      type: str
      sample: "on"
changes:
  description: The aspects that were changed and not put back, or in check mode would be changed.
  returned: as RV(zone_id)
  type: list
  elements: str
  sample: [auto_origin_tls_kex, client_auth, certificate]
before:
  description:
    - The zone as it was found, as RV(originsec.cloudflare.origin_tls_info#module:origin_tls) without PEM. What was not
      needed was not read.
  returned: as RV(zone_id)
  type: dict
  sample:
    ssl_mode: strict
    auto_origin_tls_kex: false
after:
  description: The zone as it is now, or in check mode would be, in the same form.
  returned: as RV(zone_id)
  type: dict
  sample:
    ssl_mode: strict
    auto_origin_tls_kex: true
certificate:
  description:
    - The record of O(certificate), as RV(originsec.cloudflare.origin_tls_client_auth#module:certificate) without PEM.
      V(null) where none was given, and where the zone has none after a failure.
  returned: as RV(zone_id)
  type: dict
  sample:
    id: 2458ce5a-0c35-4c7f-82c7-8e9487d3ff60
    status: active
    subject: CN=cloudflare-client,O=Example
    days_remaining: 343
origins:
  description:
    - The names of O(origins), by what they make of a request without a client certificate, as C(enforcing),
      C(optional), C(open) and C(unreachable), and as C(accepting) those that took the one that was presented. Empty
      without O(origins).
  returned: as RV(zone_id)
  type: dict
  sample:
    enforcing: ["origin.example.com:443"]
    optional: []
    open: []
    unreachable: []
    accepting: ["origin.example.com:443"]
verified:
  description:
    - By the URL, the status C(before) the first change and C(after) the last one, each V(null) where nothing answered,
      whether the response has C(proved) that the edge and the origin agree, and the C(reason) where it has not. Empty
      where nothing was to change, and in check mode.
  returned: as RV(zone_id)
  type: dict
  sample:
    https://example.com/:
      before: 200
      after: 200
      proved: true
      reason: null
not_verified:
  description: Why a change was not verified. V(null) where it was, and where nothing was changed.
  returned: as RV(zone_id)
  type: str
  sample: there is no URL to verify (verify_urls)
inactive:
  description:
    - V(paused), V(initializing), V(pending) or V(moved), where the zone was refused for that. V(null) in other cases.
  returned: as RV(zone_id)
  type: str
  sample: null
removed:
  description: The ids of the superseded certificates that were removed, or in check mode would be.
  returned: as RV(zone_id)
  type: list
  elements: str
  sample: []
left_over:
  description: The ids of other certificates that remain in the zone, where O(certificate) is given.
  returned: as RV(zone_id)
  type: list
  elements: str
  sample: []
steps:
  description: What was done, in order.
  returned: as RV(zone_id)
  type: list
  elements: dict
  contains:
    what:
      description: The step, in words.
      returned: always
      type: str
      sample: Upload the client certificate
    outcome:
      description: V(done) or V(failed).
      returned: always
      type: str
      sample: done
    seconds:
      description: How long it took.
      returned: always
      type: float
      sample: 0.412
undone:
  description: The aspects that were put back after a failure.
  returned: as RV(zone_id)
  type: list
  elements: str
  sample: []
left_to_do:
  description: What could not be put back, as something for you to do.
  returned: as RV(zone_id)
  type: list
  elements: str
  sample: []
"""

from ..module_utils._client import Client
from ..module_utils._hardening import harden
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._posture import ASPECTS, COMPLIANCE_MODES, PQE_VALUES, SSL_MODES


def run(params: Params, client: Client, check_mode: bool) -> Result:
    report = harden(params, client, check_mode)
    before, after = report.diff
    return Result(report.zone_id, report.result(), report.changed, before=before, after=after, warnings=report.warnings)


MODULE = CloudflareModule(
    {
        "ssl_mode": {"type": "str", "choices": list(SSL_MODES)},
        "required_ssl_modes": {
            "type": "list",
            "elements": "str",
            "choices": list(SSL_MODES),
            "default": ["full", "strict", "origin_pull"],
        },
        "auto_origin_tls_kex": {"type": "bool"},
        "compliance_modes": {"type": "list", "elements": "str", "choices": list(COMPLIANCE_MODES)},
        "origin_pqe": {"type": "str", "choices": list(PQE_VALUES)},
        "client_auth_enabled": {"type": "bool"},
        "certificate": {"type": "str"},
        "private_key": {"type": "str", "no_log": True},
        "private_key_passphrase": {"type": "str", "no_log": True},
        "exclusive": {"type": "bool"},
        "wait_timeout": {"type": "int", "default": 300},
        "global_client_auth_enabled": {"type": "bool"},
        "hostnames": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "hostname": {"type": "str", "required": True},
                "enabled": {"type": "bool"},
                "certificate": {"type": "str"},
                "private_key": {"type": "str", "no_log": True},
                "private_key_passphrase": {"type": "str", "no_log": True},
            },
        },
        "min_days_remaining": {"type": "int", "default": 30},
        "origins": {"type": "list", "elements": "str", "default": []},
        "origins_ca": {"type": "str"},
        "require_enforcement": {"type": "bool", "default": False},
        "verify_urls": {"type": "list", "elements": "str"},
        "verify_retries": {"type": "int", "default": 5},
        "verify_delay": {"type": "int", "default": 5},
        "verify_settle": {"type": "int", "default": 10},
        "rollback": {"type": "bool", "default": True},
        "allow_inactive_zones": {"type": "bool", "default": False},
        "only": {"type": "list", "elements": "str", "choices": list(ASPECTS)},
    },
    run,
)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
