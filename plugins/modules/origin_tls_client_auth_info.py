#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_client_auth_info
short_description: Show Authenticated Origin Pulls of a zone and their client certificates
version_added: 1.0.0
description:
  - Shows whether zone-level Authenticated Origin Pulls are enabled, the zone's client certificates, and which of them
    Cloudflare's edge presents to the origin.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.info
options:
  certificate_id:
    description:
      - Show only the certificate with this id. It is also found where it is so fresh that Cloudflare does not list it
        yet, and after its deletion.
    type: str
requirements:
  - cryptography >= 42
notes:
  - The token needs the permission C(SSL and Certificates Read).
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_info
  - name: Authenticated Origin Pulls
    description: Cloudflare's documentation, with the configuration of origins.
    link: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/
"""

EXAMPLES = r"""
- name: Look at the client certificates of a zone
  originsec.cloudflare.origin_tls_client_auth_info:
    zone_name: example.com
    api_token: "{{ cloudflare_api_token }}"
  register: client_auth

- name: Fail when the certificate that the edge presents is about to expire
  ansible.builtin.assert:
    that:
      - client_auth.active_certificate is not none
      - client_auth.active_certificate.days_remaining >= 30
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
enabled:
  description: Whether Authenticated Origin Pulls are enabled.
  returned: success
  type: bool
  sample: true
certificates:
  description: The certificates of the zone, or the one with O(certificate_id), if there is one.
  returned: success
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
        - Whole days until RV(certificates[].not_after), rounded down; negative once it has passed.
      returned: always
      type: int
      sample: 343
    expired:
      description: Whether RV(certificates[].not_after) has passed.
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
      description: Cloudflare's own idea of RV(certificates[].not_after).
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
    - The most recently uploaded of the zone's active certificates, which the edge presents;
      V(null) where none is active.
  returned: success
  type: dict
  contains: *certificate
"""

from ..module_utils._certificates import require_cryptography
from ..module_utils._client import Client
from ..module_utils._client_auth import checked_id
from ..module_utils._client_auth_calls import ClientAuthCalls
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._options import find_zone


def run(params: Params, client: Client, check_mode: bool) -> Result:
    require_cryptography()
    certificate_id = checked_id(params["certificate_id"])
    calls = ClientAuthCalls(client, find_zone(client, params))
    state = calls.read()
    facts = state.facts()
    if certificate_id:
        listed = next((record for record in state.records if record.id == certificate_id), None)
        record = listed or calls.find(certificate_id)
        facts["certificates"] = [record.result()] if record else []
    return Result(calls.id, facts=facts)


MODULE = CloudflareModule({"certificate_id": {"type": "str"}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
