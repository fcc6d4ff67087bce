#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_probe
short_description: Check how an origin responds to the TLS handshake of Cloudflare's edge
version_added: 1.0.0
description:
  - Connects to an origin as Cloudflare's edge does, and tells what it agreed on, whether the origin speaks the
    post-quantum key exchange X25519MLKEM768, and what it makes of a client certificate. It does not speak to Cloudflare
    and needs no token.
  - It is for the time before a switch is turned, before the compliance mode C(pqh), which takes an origin off the net
    that speaks no X25519MLKEM768, and before Authenticated Origin Pulls, where an origin has to trust the certificate
    that is about to be presented.
  - An origin that cannot be reached, or that refuses, is a result and not a failure, see RV(reachable) and RV(error).
    The module fails only where an option cannot be right, or a Python library is missing.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._attributes.info
attributes:
  platform:
    description: Target OS or families that can be operated against.
    support: full
    platforms: posix
options:
  host:
    description:
      - The name or IP address of the origin, as seen from where the module runs. It is the address of the origin
        itself, not the name of the site, which leads to Cloudflare.
    type: str
    required: true
  port:
    description:
      - The port of the origin.
    type: int
    default: 443
  server_name:
    description:
      - The name of the site, which the handshake asks for (SNI), which the C(Host) header has, and which
        RV(server_certificate.matches_server_name) is about. An IP address is not sent as SNI.
      - Without it, O(host) is used.
    type: str
  certificate:
    description:
      - A client certificate to present, in PEM (the text, not a path), as in
        M(originsec.cloudflare.origin_tls_client_auth). Certificates of the chain may come with it.
      - It must be a leaf (C(CA:FALSE)), valid now, and O(private_key) must belong to it.
    type: str
  private_key:
    description:
      - The private key of O(certificate) in PEM (the text, not a path), required with it. It is not sent anywhere.
    type: str
  private_key_passphrase:
    description:
      - The passphrase of O(private_key), if it is encrypted.
    type: str
  timeout:
    description:
      - How many seconds each connection may take, from its beginning to the response of the origin.
    type: int
    default: 10
requirements:
  - pyOpenSSL >= 26
  - cryptography >= 47, built with OpenSSL >= 3.5, as the wheels on PyPI are
notes:
  - Up to three connections are made, one after the other and to the same address. The first offers both X25519MLKEM768
    and classical groups, with a key share for each, and no client certificate. The second offers the kind of group that
    the origin did not choose, or, where the first came to nothing, classical groups only. It is left out with TLS 1.2,
    which has no post-quantum groups. The third presents O(certificate), if the origin asks for one.
  - The module takes at most three times O(timeout), besides the resolution of O(host).
  - TLS 1.3 lets a client finish the handshake before the origin judges its certificate, and nginx judges it over HTTP.
    So an origin that asks for a client certificate is sent C(GET /), once without and once with O(certificate), and the
    response is waited for. Others are sent no request.
  - X25519MLKEM768 makes a ClientHello too large for one packet, which some firewalls and load balancers drop. Then the
    origin answers the second connection and not the first, and RV(error) says so.
  - The edge reaches an origin over other networks than the module does. Run it where the way to the origin is most like
    that of the edge.
  - A certificate that the origin asks for later than in the handshake, for some paths only, is not seen. The edge does
    not present one then, either.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_compliance_modes
  - name: Post-quantum between Cloudflare and origin servers
    description: Cloudflare's documentation.
    link: https://developers.cloudflare.com/ssl/post-quantum-cryptography/pqc-to-origin/
"""

EXAMPLES = r"""
- name: See how the origin answers
  originsec.cloudflare.origin_tls_probe:
    host: 192.0.2.10
    server_name: shop.example.com
  register: probe

- name: See from a bastion whether it accepts the certificate that is about to be presented
  originsec.cloudflare.origin_tls_probe:
    host: origin.example.com
    server_name: shop.example.com
    certificate: "{{ lookup('ansible.builtin.file', 'client.pem') }}"
    private_key: "{{ lookup('ansible.builtin.file', 'client.key') }}"
  delegate_to: bastion.example.com
  register: probe

- name: Stop before the site goes dark
  ansible.builtin.assert:
    that:
      - probe.reachable
      - probe.post_quantum
      - probe.client_certificate_accepted is not false
    fail_msg: "{{ probe.error | default('The origin is not ready.', true) }}"
"""

RETURN = r"""
reachable:
  description: Whether a TLS handshake is possible, be it one that the origin ends for want of a client certificate.
  returned: success
  type: bool
  sample: true
tls_version:
  description: The version of TLS that the origin chose. V(null) if none.
  returned: success
  type: str
  sample: TLSv1.3
cipher:
  description: The cipher suite that the origin chose, as OpenSSL calls it. V(null) if none.
  returned: success
  type: str
  sample: TLS_AES_256_GCM_SHA384
group:
  description:
    - The group of the key exchange that the origin chose when it was offered all of them. V(null) if none, and where
      the key exchange is RSA.
  returned: success
  type: str
  sample: X25519MLKEM768
post_quantum:
  description:
    - Whether the origin agrees on X25519MLKEM768, also if it prefers another group. It is the only hybrid group that
      Cloudflare offers to origins, and no other counts. V(false) as well where the way to the origin does not let it
      pass, see RV(error).
    - V(null) if that could not be found out.
  returned: success
  type: bool
  sample: true
classical_supported:
  description:
    - Whether the origin agrees on X25519, P-256, P-384 or P-521, or with TLS 1.2 on any other key exchange.
    - V(null) if that could not be found out.
  returned: success
  type: bool
  sample: true
server_certificate:
  description:
    - The certificate that the origin shows. That it has expired, is self-signed or is for another name is no error
      here, since Cloudflare accepts that in the SSL mode V(full).
    - V(null) if the origin showed none.
  returned: success
  type: dict
  contains:
    subject:
      description: The subject, as in RFC 4514.
      returned: always
      type: str
      sample: CN=shop.example.com
    issuer:
      description: The issuer, as in RFC 4514.
      returned: always
      type: str
      sample: CN=CloudFlare Origin Certificate Authority,O=CloudFlare\, Inc.
    not_after:
      description: The time until which the certificate is valid, in UTC.
      returned: always
      type: str
      sample: "2027-11-01T00:00:00Z"
    days_remaining:
      description: Whole days until RV(server_certificate.not_after), rounded down; negative once it has passed.
      returned: always
      type: int
      sample: 343
    names:
      description: The DNS names and IP addresses that the certificate is for; its common name if it has none of them.
      returned: always
      type: list
      elements: str
      sample:
        - example.com
        - "*.example.com"
    matches_server_name:
      description: Whether O(server_name) is one of RV(server_certificate.names), wildcards included.
      returned: always
      type: bool
      sample: true
    trusted:
      description:
        - Whether a public authority has issued the certificate and it has not expired, or it is named as one of
          Cloudflare's Origin CA, so that the edge accepts it in the SSL mode V(strict), too.
      returned: always
      type: bool
      sample: true
client_certificate_requested:
  description:
    - Whether the origin asks for a client certificate.
    - V(null) if it could not be reached, as in RV(client_certificate_required) and RV(client_certificate_accepted).
  returned: success
  type: bool
  sample: true
client_certificate_required:
  description:
    - Whether the origin refuses who presents none, by a TLS alert, by closing the connection, or over HTTP, with the
      status 495, 496 or 400 as nginx does, or with any other 4xx that O(certificate) turns into 2xx or 3xx.
  returned: success
  type: bool
  sample: false
client_certificate_accepted:
  description:
    - Whether the origin accepted O(certificate). V(null) if it was not given, not asked for, or if that could not be
      found out.
    - V(true) as well where the origin answers 401 or 403 with O(certificate) and without, which may be about anything;
      RV(error) says so.
  returned: success
  type: bool
  sample: true
error:
  description: What went wrong, in one or more sentences. V(null) if nothing did.
  returned: success
  type: str
  sample: origin.example.com:443 refused with the TLS alert 'unknown ca' when the client certificate was presented.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..module_utils._module import MakeClient, Module, Params
from ..module_utils._probe import Target, probe

SPEC = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 443},
    "server_name": {"type": "str"},
    "certificate": {"type": "str"},
    "private_key": {"type": "str", "no_log": True},
    "private_key_passphrase": {"type": "str", "no_log": True},
    "timeout": {"type": "int", "default": 10},
}


@dataclass(frozen=True)
class ProbeModule(Module):
    """One that speaks to an origin, and not to Cloudflare."""

    def work(
        self, params: Params, check_mode: bool, diff: bool, make_client: MakeClient
    ) -> tuple[Mapping[str, Any], Sequence[str]]:
        target = Target.from_options(params)
        return {"changed": False, **probe(target)}, target.client.warnings if target.client else ()


MODULE = ProbeModule(SPEC)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
