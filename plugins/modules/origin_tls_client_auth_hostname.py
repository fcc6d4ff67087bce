#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_client_auth_hostname
short_description: Manage Authenticated Origin Pulls of a hostname and its client certificate
version_added: 1.0.0
description:
  - Manages hostname-level Authenticated Origin Pulls, with which Cloudflare's edge presents a client certificate of
    your own to the origin for one hostname of a zone, and with which a hostname can be exempted from those of the
    zone.
  - The association of a hostname takes precedence over the zone's certificate
    (M(originsec.cloudflare.origin_tls_client_auth)), and that over the one that all customers share
    (M(originsec.cloudflare.origin_tls_client_auth_global)).
  - The certificates are a store of their own, which the zone's hostnames share. A certificate is recognised by the
    fingerprint of its DER, however its PEM is written. It is never uploaded twice.
  - The steps are taken in the order upload, wait until active, associate, remove others, so that the edge always has a
    certificate to present; a run that was cut off converges when it is run again.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
options:
  hostname:
    description:
      - The hostname, for example V(shop.example.com). International names may be given in Unicode or in punycode.
    type: str
    required: true
  state:
    description:
      - With V(present), the hostname is associated with the certificate that O(certificate) or O(certificate_id)
        names, or stays with the one that it has.
      - With V(absent), the association is voided, and the hostname falls back to the zone's level. Cloudflare may
        take minutes for that.
    type: str
    choices: [present, absent]
    default: present
  certificate:
    description:
      - The client certificate in PEM (the text, not a path), uploaded unless the zone's hostnames have it.
        Certificates of the chain may come with it. It must be a leaf (C(CA:FALSE)), valid now, and O(private_key)
        must belong to it.
      - Mutually exclusive with O(certificate_id).
    type: str
  private_key:
    description:
      - The private key of O(certificate) in PEM (the text, not a path), required with O(certificate). It is sent to
        Cloudflare as unencrypted PKCS#8, and never part of a result.
    type: str
  private_key_passphrase:
    description:
      - The passphrase of O(private_key), if it is encrypted. It is decrypted where the module runs.
    type: str
  certificate_id:
    description:
      - The id of a certificate that the zone's hostnames have already.
      - Mutually exclusive with O(certificate).
    type: str
  enabled:
    description:
      - Whether the edge presents the certificate for the hostname. With V(false) it presents none, also where the
        zone's own Authenticated Origin Pulls are enabled.
      - Without it, that is left as it is, and a new association is enabled.
      - Enabling is refused while the certificate is not active, or has expired.
    type: bool
  exclusive:
    description:
      - Whether to remove all certificates of the zone's hostnames that no association uses, once the association is
        as wanted.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until O(certificate) is active, and until the association is deployed or gone.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait at most until O(certificate) is active, until the association is deployed or gone,
        and until a certificate can be removed. Time for which the rate limit holds requests back does not count.
    type: int
    default: 300
requirements:
  - cryptography >= 42
notes:
  - The token needs the permission C(SSL and Certificates Write), or C(SSL and Certificates Read) where nothing is to
    be changed.
  - A zone may have ten certificates for its hostnames, and a certificate a hundred associations.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth_hostname_info
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_client_auth_global
  - module: originsec.cloudflare.origin_tls
  - name: Per-hostname Authenticated Origin Pulls
    description: Cloudflare's documentation.
    link: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/set-up/per-hostname/
"""

EXAMPLES = r"""
- name: Make the edge present a certificate of its own for the shop
  originsec.cloudflare.origin_tls_client_auth_hostname:
    zone_name: example.com
    hostname: shop.example.com
    certificate: "{{ lookup('ansible.builtin.file', 'shop.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'shop.key') }}"
    api_token: "{{ cloudflare_api_token }}"

- name: Rotate to another certificate, and remove the one before once no hostname uses it
  originsec.cloudflare.origin_tls_client_auth_hostname:
    zone_name: example.com
    hostname: shop.example.com
    certificate: "{{ lookup('ansible.builtin.file', 'shop-2027.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'shop-2027.key') }}"
    exclusive: true

- name: Present no certificate to the origin of the status page
  originsec.cloudflare.origin_tls_client_auth_hostname:
    zone_name: example.com
    hostname: status.example.com
    certificate_id: 2458ce5a-0c35-4c7f-82c7-8e9487d3ff60
    enabled: false

- name: Let the shop fall back to the zone's certificate
  originsec.cloudflare.origin_tls_client_auth_hostname:
    zone_name: example.com
    hostname: shop.example.com
    state: absent
    exclusive: true
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
hostname:
  description: The hostname, as DNS has it.
  returned: success
  type: str
  sample: shop.example.com
enabled:
  description:
    - Whether the edge presents a certificate for the hostname now, or in check mode would. V(null) without an
      association.
  returned: success
  type: bool
  sample: true
association:
  description: The association as it is now, or in check mode would be. V(null) where there is none.
  returned: success, or failure after the zone was read
  type: dict
  contains: &association
    hostname:
      description: The hostname.
      returned: always
      type: str
      sample: shop.example.com
    certificate_id:
      description: The id of the certificate. V(null) in check mode for one that would be uploaded.
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
certificate:
  description: The certificate of the association. V(null) where there is none, and with O(state=absent).
  returned: success
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
  description:
    - All certificates that the zone's hostnames have, or in check mode would have. Not read with O(state=absent) unless
      O(exclusive=true).
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
    association:
      description: The association. V(null) where there was none.
      returned: always
      type: dict
      contains: *association
    certificates:
      description: The certificates that the zone's hostnames had.
      returned: always
      type: list
      elements: dict
      contains: *certificate
"""

from typing import Any

from ..module_utils._certificates import require_cryptography
from ..module_utils._client import Client
from ..module_utils._client_auth import certificate_with_key, checked_id
from ..module_utils._errors import InputError
from ..module_utils._hostname_calls import HostnameCalls, apply_hostname
from ..module_utils._hostnames import HostnameState, WantedHostname
from ..module_utils._module import CloudflareModule, Params, Result
from ..module_utils._options import ascii_name, find_zone


def run(params: Params, client: Client, check_mode: bool) -> Result:
    wanted = _wanted(params)  # judged before the first request
    zone_id = find_zone(client, params)
    calls = HostnameCalls(client, zone_id, params["wait_timeout"])
    change = apply_hostname(calls, wanted, params["exclusive"], params["wait"], check_mode)
    association = change.after.associations.get(wanted.hostname)
    record = change.after.record_of(association) if association else None
    return Result(
        zone_id,
        facts={
            "hostname": wanted.hostname,
            "enabled": association.enabled if association else None,
            "association": association.result() if association else None,
            "certificate": record.result() if record else None,
            "certificates": change.after.store.result()["certificates"],
            "removed": change.removed,
            "previous": _previous(change.before, wanted.hostname),
        },
        changed=change.changed,
        before=_diff(change.before, wanted.hostname),
        after=_diff(change.after, wanted.hostname),
        warnings=wanted.certificate.warnings if wanted.certificate else (),
    )


def _wanted(params: Params) -> WantedHostname:
    """What the options ask for; raises InputError for all that can be judged offline."""
    require_cryptography()
    hostname = ascii_name(str(params["hostname"]).strip(), "hostname")
    certificate_id = checked_id(params["certificate_id"])
    if params["wait_timeout"] < 0:
        raise InputError(f"wait_timeout must not be negative, as {params['wait_timeout']} is.")
    if params["state"] == "absent":
        for option in ("certificate", "private_key", "certificate_id", "enabled"):
            if params[option] is not None and params[option] != "":
                raise InputError(
                    f"{option} goes with state: present; with absent, the association goes, whatever it is."
                )
        return WantedHostname(hostname, present=False)
    certificate = certificate_with_key(params)
    if certificate and certificate_id:
        raise InputError("Set either certificate or certificate_id, not both.")
    if not (certificate or certificate_id or params["exclusive"]) and params["enabled"] is None:
        raise InputError("There is nothing to manage: give certificate with private_key, certificate_id, or enabled.")
    return WantedHostname(hostname, True, certificate, certificate_id, params["enabled"])


def _previous(state: HostnameState, hostname: str) -> dict[str, Any]:
    association = state.associations.get(hostname)
    return {
        "association": association.result() if association else None,
        "certificates": state.store.result()["certificates"],
    }


def _diff(state: HostnameState, hostname: str) -> dict[str, Any]:
    return {"association": state.diff().get(hostname), "certificates": state.store.diff()["certificates"]}


MODULE = CloudflareModule(
    {
        "hostname": {"type": "str", "required": True},
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
