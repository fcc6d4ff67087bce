#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_info
short_description: Show all settings of the connection between Cloudflare and the origin of a zone
version_added: 1.0.0
description:
  - Shows the SSL mode, automatic key exchange, Origin Post-Quantum Encryption, compliance modes and Authenticated
    Origin Pulls of a zone.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.info
options:
  gather_subset:
    description:
      - What to gather, the SSL mode (V(ssl)), automatic key exchange (V(kex)), Origin Post-Quantum Encryption (V(pqe)),
        the compliance modes (V(compliance)), Authenticated Origin Pulls and their certificates (V(client_auth)),
        whether the edge presents the certificate that all customers share (V(global)), the hostnames that have a
        certificate of their own (V(hostnames)), the zone's name and status (V(zone)), or everything (V(all)).
      - Each subset costs one request, V(client_auth) two, and V(hostnames) two where there are any.
    type: list
    elements: str
    choices:
      - all
      - ssl
      - kex
      - pqe
      - compliance
      - client_auth
      - global
      - hostnames
      - zone
    default:
      - all
  origins:
    description:
      - The origins of the zone, as hosts with a port where it is not 443, such as V(origin.example.com:8443). Each is
        tried as with M(originsec.cloudflare.origin_tls_probe), with the name of the zone and no client certificate.
      - Costs one request, for the name of the zone, and none with the subset V(zone).
    type: list
    elements: str
    default: []
requirements:
  - cryptography >= 42, for the subsets V(client_auth) and V(hostnames)
  - pyOpenSSL >= 26, for O(origins)
notes:
  - The token needs the permission C(Zone Settings Read), C(SSL and Certificates Read) for the subsets V(client_auth)
    and V(hostnames), and C(Zone Read) for V(zone).
seealso:
  - module: originsec.cloudflare.auto_origin_tls_kex
  - module: originsec.cloudflare.origin_pqe
  - module: originsec.cloudflare.origin_tls_compliance_modes
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_client_auth_info
"""

EXAMPLES = r"""
- name: Gather everything
  originsec.cloudflare.origin_tls_info:
    zone_name: example.com
    api_token: "{{ cloudflare_api_token }}"
  register: result

- name: Gather the SSL mode and the compliance modes only
  originsec.cloudflare.origin_tls_info:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    gather_subset:
      - ssl
      - compliance
  register: result

- name: Fail unless Cloudflare validates the origin's certificate
  ansible.builtin.assert:
    that: result.origin_tls.ssl_mode == 'strict'
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
origin_tls:
  description: What was gathered.
  returned: success
  type: dict
  contains:
    ssl_mode:
      description: The SSL mode of the zone, V(off), V(flexible), V(full), V(strict) or V(origin_pull).
      returned: O(gather_subset) contains V(ssl) or V(all)
      type: str
      sample: strict
    auto_origin_tls_kex:
      description: Whether the key exchange is chosen automatically.
      returned: O(gather_subset) contains V(kex) or V(all)
      type: bool
      sample: true
    origin_pqe:
      description: Origin Post-Quantum Encryption, which has no effect since 2026-07-24.
      returned: O(gather_subset) contains V(pqe) or V(all)
      type: str
      sample: preferred
    compliance_modes:
      description: The compliance modes.
      returned: O(gather_subset) contains V(compliance) or V(all)
      type: list
      elements: str
      sample:
        - pqh
    client_auth:
      description: Authenticated Origin Pulls.
      returned: O(gather_subset) contains V(client_auth) or V(all)
      type: dict
      contains:
        enabled:
          description: Whether they are enabled.
          returned: always
          type: bool
          sample: true
        certificates:
          description: The zone's client certificates.
          returned: always
          type: list
          elements: dict
          contains: &certificate
            id:
              description: The id of the certificate.
              returned: always
              type: str
              sample: 2458ce5a-0c35-4c7f-82c7-8e9487d3ff60
            status:
              description:
                - The status of the certificate, V(initializing), V(pending_deployment), V(active), V(pending_deletion),
                  V(deleted), V(deployment_timed_out), V(deletion_timed_out), or whatever else Cloudflare answers.
              returned: always
              type: str
              sample: active
            fingerprint_sha256:
              description: The SHA-256 fingerprint of the DER, in lower-case hexadecimal digits without colons.
              returned: always
              type: str
              sample: 9b3f0d5a1c2e4f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8
            subject:
              description: The subject, as in RFC 4514.
              returned: always
              type: str
              sample: CN=cloudflare-client,O=Example
            issuer:
              description: The issuer, as in RFC 4514.
              returned: always
              type: str
              sample: CN=Origin Pull CA,O=Example
            serial_number:
              description: The serial number, in decimal digits.
              returned: always
              type: str
              sample: "6743787633689793699141714808227354901"
            signature:
              description: The signature algorithm.
              returned: always
              type: str
              sample: sha256WithRSAEncryption
            not_before:
              description: The time from which the certificate is valid, in UTC.
              returned: always
              type: str
              sample: "2026-11-01T00:00:00Z"
            not_after:
              description: The time until which the certificate is valid, in UTC.
              returned: always
              type: str
              sample: "2027-11-01T00:00:00Z"
            days_remaining:
              description:
                - Whole days until RV(origin_tls.client_auth.certificates[].not_after), rounded down; negative once it
                  has passed.
              returned: always
              type: int
              sample: 343
            expired:
              description: Whether RV(origin_tls.client_auth.certificates[].not_after) has passed.
              returned: always
              type: bool
              sample: false
            key_type:
              description:
                - The type of the public key, such as V(rsa), V(ecdsa) or V(ml-dsa-44), or else the OID of its
                  algorithm.
              returned: always
              type: str
              sample: ecdsa
            key_size:
              description: The size of the public key in bits. V(null) where the type settles it.
              returned: always
              type: int
              sample: 256
            uploaded_on:
              description: When the certificate was uploaded.
              returned: always
              type: str
              sample: "2026-11-02T09:30:00.123456Z"
            expires_on:
              description: Cloudflare's own idea of RV(origin_tls.client_auth.certificates[].not_after).
              returned: always
              type: str
              sample: "2027-11-01T00:00:00Z"
            certificate:
              description: The certificate, in PEM.
              returned: always
              type: str
              sample: |
                -----BEGIN CERTIFICATE-----
                MIIB...
                -----END CERTIFICATE-----
        active_certificate:
          description:
            - The most recently uploaded of the active certificates, which the edge presents;
              V(null) where none is active.
          returned: always
          type: dict
          contains: *certificate
    global_client_auth:
      description: Whether the edge presents the client certificate that all customers of Cloudflare share.
      returned: O(gather_subset) contains V(global) or V(all)
      type: bool
      sample: false
    hostnames:
      description:
        - Authenticated Origin Pulls by hostname. V(null) where Cloudflare does not list them.
      returned: O(gather_subset) contains V(hostnames) or V(all)
      type: dict
      contains:
        associations:
          description:
            - The associations, as
              RV(originsec.cloudflare.origin_tls_client_auth_hostname_info#module:associations).
          returned: always
          type: list
          elements: dict
        certificates:
          description: The certificates of the hostnames. Not read, and empty, where there is no association.
          returned: always
          type: list
          elements: dict
          contains: *certificate
    zone:
      description: The zone itself.
      returned: O(gather_subset) contains V(zone) or V(all)
      type: dict
      contains:
        name:
          description: The name of the zone.
          returned: always
          type: str
          sample: example.com
        status:
          description:
            - V(active), or V(initializing), V(pending) or V(moved), with which the edge is not in front of the origin.
          returned: always
          type: str
          sample: active
        paused:
          description: Whether the zone is paused, so that the edge is not in front of the origin.
          returned: always
          type: bool
          sample: false
origins:
  description: What the origins of O(origins) make of the edge's handshake.
  returned: success
  type: list
  elements: dict
  contains:
    origin:
      description: The origin, with its port.
      returned: always
      type: str
      sample: origin.example.com:443
    enforcement:
      description:
        - V(enforcing) where the origin requires a client certificate, V(optional) where it asks for one, V(open) where
          it does not, V(unreachable) where nobody can tell.
      returned: always
      type: str
      sample: enforcing
    post_quantum:
      description: Whether the origin agrees on X25519MLKEM768. V(null) if that could not be found out.
      returned: always
      type: bool
      sample: true
    error:
      description: What went wrong. V(null) if nothing did.
      returned: always
      type: str
      sample: null
"""

from dataclasses import replace
from typing import Any

from ..module_utils._client import Client
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._options import find_zone, read_zone
from ..module_utils._posture import texts
from ..module_utils._setting import AUTO_ORIGIN_TLS_KEX, COMPLIANCE_MODES, GLOBAL_CLIENT_AUTH, ORIGIN_PQE, SSL_MODE

_SETTINGS = {
    "ssl": ("ssl_mode", SSL_MODE),
    "kex": ("auto_origin_tls_kex", AUTO_ORIGIN_TLS_KEX),
    "pqe": ("origin_pqe", ORIGIN_PQE),
    "compliance": ("compliance_modes", COMPLIANCE_MODES),
}
_OTHERS = ("client_auth", "global", "hostnames", "zone")


def run(params: Params, client: Client, check_mode: bool) -> Result:
    subset = set(params["gather_subset"])
    wanted = {*_SETTINGS, *_OTHERS} if "all" in subset else subset
    if wanted & {"client_auth", "hostnames"}:
        # Only here, since it brings cryptography with it
        from ..module_utils._certificates import require_cryptography
        from ..module_utils._client_auth_calls import ClientAuthCalls
        from ..module_utils._hostname_calls import HostnameCalls

        require_cryptography()
    named, targets = texts(params["origins"], "origins") or (), []
    if named:
        from ..module_utils._probe import Target, enforcement, probe  # only here, since it brings pyOpenSSL with it

        targets = [Target.from_text(one, "origins", None, "") for one in named]
    zone_id = find_zone(client, params)
    origin_tls: dict[str, Any] = {}
    record = read_zone(client, zone_id) if named or "zone" in wanted else {}
    if "zone" in wanted:
        origin_tls["zone"] = {name: record.get(name) for name in ("name", "status", "paused")}
    for name, (key, setting) in _SETTINGS.items():
        if name in wanted:
            origin_tls[key] = setting.read(client, zone_id)[setting.field]
    if "client_auth" in wanted:
        origin_tls["client_auth"] = ClientAuthCalls(client, zone_id).read().facts()
    if "global" in wanted:
        origin_tls["global_client_auth"] = GLOBAL_CLIENT_AUTH.read(client, zone_id)["value"] == "on"
    if "hostnames" in wanted:
        origin_tls["hostnames"] = HostnameCalls(client, zone_id).overview()
    origins = []
    for target in targets:
        probed = probe(replace(target, server_name=str(record.get("name") or target.host)))
        told = {name: probed[name] for name in ("post_quantum", "error")}
        origins.append({"origin": str(target), "enforcement": enforcement(probed), **told})
    return Result(zone_id, facts={"origin_tls": origin_tls, "origins": origins})


MODULE = CloudflareModule(
    {
        "gather_subset": {
            "type": "list",
            "elements": "str",
            "choices": ["all", *_SETTINGS, *_OTHERS],
            "default": ["all"],
        },
        "origins": {"type": "list", "elements": "str", "default": []},
    },
    run,
)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
