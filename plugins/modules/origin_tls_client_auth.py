#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_client_auth
short_description: Manage Authenticated Origin Pulls of a zone and their client certificates
version_added: 1.0.0
description:
  - Manages zone-level Authenticated Origin Pulls, with which Cloudflare's edge presents a client certificate of your
    own to the origin of a zone (mTLS), and whether they are enabled.
  - Everything that can be judged without asking Cloudflare is judged before the first request, in check mode as well,
    the certificate, its key and its dates among it.
  - A certificate is recognised by the fingerprint of its DER, however its PEM is written. It is never uploaded twice.
  - The steps are taken in the order upload, wait until active, enable, remove others, so that the edge always has a
    certificate to present; a run that was cut off converges when it is run again.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
attributes:
  idempotent:
    support: partial
    details:
      - With O(wait=false) and O(exclusive=true), what is superseded is removed by a later run, once O(certificate) is
        active.
options:
  state:
    description:
      - With V(present), O(certificate) is uploaded unless the zone has it. Without O(certificate), only O(enabled) is
        managed.
      - With V(absent), the certificate that O(certificate) or O(certificate_id) names is removed.
    type: str
    choices:
      - present
      - absent
    default: present
  certificate:
    description:
      - The client certificate in PEM (the text, not a path). Certificates of the chain may come with it.
      - Line endings, indentation, literal C(\n), text around the blocks and a missing final newline do not matter.
      - With O(state=present) it must be a leaf (C(CA:FALSE)), valid now, and O(private_key) must belong to it.
    type: str
  private_key:
    description:
      - The private key of O(certificate) in PEM (the text, not a path), required with O(certificate) and
        O(state=present). It is sent to Cloudflare as unencrypted PKCS#8, and never part of a result.
    type: str
  private_key_passphrase:
    description:
      - The passphrase of O(private_key), if it is encrypted. It is decrypted where the module runs.
    type: str
  certificate_id:
    description:
      - With O(state=absent), the id of the certificate to remove, instead of O(certificate).
    type: str
  enabled:
    description:
      - Whether Authenticated Origin Pulls are to be enabled. Without it, that is left as it is.
      - Enabling is refused while the zone has no active certificate that is valid, and in the SSL modes V(off) and
        V(flexible), in which it has no effect.
      - With O(state=absent), V(false) is applied before anything is removed.
    type: bool
  exclusive:
    description:
      - Whether to remove all other certificates of the zone, once O(certificate) is active. Cloudflare advises to keep
        one, and presents the one that was deployed last.
      - After an upload, Cloudflare's list is read until it shows the upload, since it may lack others as well. A
        certificate that another run uploaded after that is left to that run, with a warning.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until O(certificate) is active. Without waiting, a certificate that is not active yet neither
        allows to enable nor, with O(exclusive), to remove others.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait at most until O(certificate) is active, until Cloudflare's list shows it, until
        Cloudflare lets go of a deleted twin of it, and until a certificate can be removed whose deployment is pending.
      - Time for which the rate limit holds requests back does not count.
    type: int
    default: 300
requirements:
  - cryptography >= 42
notes:
  - The token needs the permission C(SSL and Certificates Write), or C(SSL and Certificates Read) if nothing
    changes. C(Zone Settings Read) is needed to enable, for the SSL mode.
  - Zone-level Authenticated Origin Pulls are independent of those per hostname and of the global ones. They do not
    apply to Cloudflare Tunnel.
  - Removing the last active certificate of a zone while Authenticated Origin Pulls stay enabled is refused, since an
    origin that asks for a certificate would refuse all traffic.
  - Make the origin ask for a certificate (C(ssl_verify_client optional_no_ca) in nginx) before enabling, and require it
    (C(ssl_verify_client on)) after.
  - A certificate with state V(absent) is looked for in Cloudflare's list, which can lag some seconds behind an upload.
    O(certificate_id) finds it in that time, too.
  - A certificate whose algorithm the installed version of cryptography does not know can be used nevertheless, with a
    warning, if its O(private_key) is unencrypted PKCS#8; for ML-DSA, in the encoding that holds the seed only.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth_info
  - module: originsec.cloudflare.origin_tls_info
  - name: community.crypto.x509_certificate
    description: Makes client certificates.
    link: https://docs.ansible.com/ansible/latest/collections/community/crypto/x509_certificate_module.html
  - name: Authenticated Origin Pulls
    description: Cloudflare's documentation, with the configuration of origins.
    link: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/
"""

EXAMPLES = r"""
- name: Make the edge present our certificate, and enable Authenticated Origin Pulls
  originsec.cloudflare.origin_tls_client_auth:
    zone_name: example.com
    certificate: "{{ lookup('ansible.builtin.file', 'client.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'client.key') }}"
    enabled: true
    api_token: "{{ cloudflare_api_token }}"

- name: Rotate to another certificate, and remove the one before once this one is active
  originsec.cloudflare.origin_tls_client_auth:
    zone_name: example.com
    certificate: "{{ lookup('ansible.builtin.file', 'client-2027.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'client-2027.key') }}"
    private_key_passphrase: "{{ client_key_passphrase }}"
    exclusive: true

- name: Disable Authenticated Origin Pulls, and keep the certificates
  originsec.cloudflare.origin_tls_client_auth:
    zone_name: example.com
    enabled: false

- name: Remove one certificate
  originsec.cloudflare.origin_tls_client_auth:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    state: absent
    certificate_id: 2458ce5a-0c35-4c7f-82c7-8e9487d3ff60
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
enabled:
  description: Whether Authenticated Origin Pulls are enabled now, or in check mode would be.
  returned: success
  type: bool
  sample: true
certificate:
  description:
    - The certificate that was wanted. V(null) where none was given, and with O(state=absent).
    - When a later step failed, the certificate as far as it is known.
  returned: success, or failure after the zone was read
  type: dict
  contains: &certificate
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
        - Whole days until RV(certificate.not_after), rounded down; negative once it has passed.
      returned: always
      type: int
      sample: 343
    expired:
      description: Whether RV(certificate.not_after) has passed.
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
      description: Cloudflare's own idea of RV(certificate.not_after).
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
certificates:
  description: All certificates that remain in the zone, or in check mode would remain.
  returned: success
  type: list
  elements: dict
  contains: *certificate
removed:
  description: The ids of the certificates that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
previous:
  description: The state before.
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether Authenticated Origin Pulls were enabled.
      returned: always
      type: bool
      sample: false
    certificates:
      description: The certificates of the zone.
      returned: always
      type: list
      elements: dict
      contains: *certificate
"""

from ..module_utils._client import Client
from ..module_utils._client_auth import Wanted, warnings
from ..module_utils._client_auth_calls import ClientAuthCalls, apply
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._options import find_zone


def run(params: Params, client: Client, check_mode: bool) -> Result:
    wanted = Wanted.from_options(params)  # judged before the first request
    calls = ClientAuthCalls(client, find_zone(client, params), params["wait_timeout"])
    change = apply(calls, wanted, check_mode)
    certificate = next((one.result() for one in change.after.records if wanted.present and wanted.matches(one)), None)
    return Result(
        calls.id,
        facts={
            **change.after.result(),
            "certificate": certificate,
            "removed": change.removed,
            "previous": change.before.result(),
        },
        changed=change.changed,
        before=change.before.diff(),
        after=change.after.diff(),
        warnings=list(warnings(wanted, change.after)),
    )


MODULE = CloudflareModule(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "certificate": {"type": "str"},
        "private_key": {"type": "str", "no_log": True},
        "private_key_passphrase": {"type": "str", "no_log": True},
        "certificate_id": {"type": "str"},
        "enabled": {"type": "bool"},
        "exclusive": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": 300},
    },
    run,
)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
