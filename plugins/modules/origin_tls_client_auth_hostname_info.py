#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_client_auth_hostname_info
short_description: Show Authenticated Origin Pulls by hostname and their client certificates
version_added: 1.0.0
description:
  - Shows which hostnames of a zone are associated with a client certificate, and the certificates that they share.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.info
options:
  hostnames:
    description:
      - The hostnames to show. Without it, all that have an association, as far as Cloudflare lists them.
    type: list
    elements: str
requirements:
  - cryptography >= 42
notes:
  - The token needs the permission C(SSL and Certificates Read).
  - It takes two requests, or one and one for each of O(hostnames) where Cloudflare does not list associations.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth_hostname
  - module: originsec.cloudflare.origin_tls_info
"""

EXAMPLES = r"""
- name: Look which hostnames are exempted
  originsec.cloudflare.origin_tls_client_auth_hostname_info:
    zone_name: example.com
    api_token: "{{ cloudflare_api_token }}"
  register: result

- name: Show them
  ansible.builtin.debug:
    msg: "{{ result.associations | rejectattr('enabled') | map(attribute='hostname') }}"
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
associations:
  description: The associations, sorted by hostname; those that are void are not there.
  returned: success
  type: list
  elements: dict
  contains:
    hostname:
      description: The hostname.
      returned: always
      type: str
      sample: shop.example.com
    certificate_id:
      description: The id of the certificate.
      returned: always
      type: str
      sample: 2458ce5a-0c35-4c7f-82c7-8e9487d3ff60
    enabled:
      description: Whether the edge presents the certificate.
      returned: always
      type: bool
      sample: true
    status:
      description: The status of the association, V(pending_deployment), V(active), or whatever else Cloudflare answers.
      returned: always
      type: str
      sample: active
certificates:
  description: The certificates that the zone's hostnames have.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The id of the certificate. V(null) in check mode for one that would be uploaded.
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
"""

from ..module_utils._certificates import require_cryptography
from ..module_utils._client import Client
from ..module_utils._hostname_calls import HostnameCalls
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._options import ascii_name, find_zone


def run(params: Params, client: Client, check_mode: bool) -> Result:
    require_cryptography()
    named = params["hostnames"]
    hostnames = None if named is None else [ascii_name(name.strip(), "hostnames") for name in named]
    zone_id = find_zone(client, params)
    state = HostnameCalls(client, zone_id).read(hostnames)
    shown = [one for one in state.result() if hostnames is None or one["hostname"] in hostnames]
    return Result(zone_id, facts={"associations": shown, "certificates": [record.result() for record in state.records]})


MODULE = CloudflareModule({"hostnames": {"type": "list", "elements": "str"}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
