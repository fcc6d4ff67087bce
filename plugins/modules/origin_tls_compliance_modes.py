#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_compliance_modes
short_description: Manage the TLS compliance modes between Cloudflare and the origin of a zone
version_added: 1.0.0
description:
  - Sets the compliance modes that limit which key-exchange algorithms Cloudflare uses towards the origin.
  - Several modes are combined to what all of them allow. Cloudflare refuses modes that leave nothing.
  - B(A mode that the origin does not support makes the site unreachable) (error 525). V(pqh) allows post-quantum
    hybrids only, so that the origin must support X25519MLKEM768; try it with
    C(openssl s_client -groups X25519MLKEM768 -connect host:443) of OpenSSL 3.5 first.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
options:
  modes:
    description:
      - The compliance modes; their order does not matter. All others are removed, and an empty list, V([]), removes
        every limit. A blank text is refused.
      - Cloudflare knows V(fips) (algorithms approved by FIPS) and V(pqh) (post-quantum hybrids). Others may come, so
        the module leaves it to Cloudflare to refuse what it does not know.
    type: list
    elements: str
    required: true
notes:
  - The token needs the permission C(Zone Settings Write), and C(Zone Settings Read) if nothing changes.
seealso:
  - module: originsec.cloudflare.auto_origin_tls_kex
  - module: originsec.cloudflare.origin_tls_info
  - name: Post-quantum cryptography between Cloudflare and origin servers
    description: Cloudflare's documentation of key exchange with origins.
    link: https://developers.cloudflare.com/ssl/post-quantum-cryptography/pqc-to-origin/
"""

EXAMPLES = r"""
- name: Allow post-quantum hybrids that FIPS approves, and nothing else
  originsec.cloudflare.origin_tls_compliance_modes:
    zone_name: example.com
    modes:
      - fips
      - pqh
    api_token: "{{ cloudflare_api_token }}"

- name: Remove every limit
  originsec.cloudflare.origin_tls_compliance_modes:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    modes: []
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
origin_tls_compliance_modes:
  description: The setting as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains: &record
    id:
      description: The name by which Cloudflare knows the setting, which differs from the one in its reference.
      returned: always
      type: str
      sample: origin_tls_cmpl
    value:
      description: The compliance modes.
      returned: always
      type: list
      elements: str
      sample:
        - fips
        - pqh
    editable:
      description: Whether the setting may be changed in this zone, or V(null) where Cloudflare does not say.
      returned: always
      type: bool
      sample: true
    modified_on:
      description:
        - When the setting was changed last, or V(null) where Cloudflare does not say. Not known in check mode.
      returned: always
      type: str
      sample: "2026-11-23T05:00:00.123456Z"
previous:
  description: The setting as it was before.
  returned: success
  type: dict
  contains: *record
"""

import re

from ..module_utils._client import Client
from ..module_utils._errors import InputError
from ..module_utils._module import CloudflareModule, Params, Result, ensure_setting
from ..module_utils._setting import COMPLIANCE_MODES


def run(params: Params, client: Client, check_mode: bool) -> Result:
    modes = sorted({mode.strip() for mode in params["modes"]} - {""})
    if params["modes"] and not modes:
        raise InputError("modes is blank: give a list of names such as fips and pqh, or [] to clear all modes.")
    for mode in modes:
        if not re.fullmatch("[A-Za-z0-9_-]+", mode):
            raise InputError(f"modes takes a list of names such as fips and pqh, of which {mode!r} is none.")
    return ensure_setting(COMPLIANCE_MODES, modes, "origin_tls_compliance_modes", params, client, check_mode)


MODULE = CloudflareModule({"modes": {"type": "list", "elements": "str", "required": True}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
