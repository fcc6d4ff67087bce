#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: auto_origin_tls_kex
short_description: Manage automatic key exchange between Cloudflare and the origin of a zone
version_added: 1.0.0
description:
  - Turns Cloudflare's automatic choice of the key exchange for connections to the origin on or off.
  - When on, Cloudflare scans the origins of the zone now and then and offers first the key exchange that they prefer,
    so that one that supports post-quantum key agreement (X25519MLKEM768) gets it without an additional round trip.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
options:
  enabled:
    description:
      - Whether the key exchange is chosen automatically.
    type: bool
    required: true
notes:
  - The token needs the permission C(Zone Settings Write), and C(Zone Settings Read) if nothing changes.
seealso:
  - module: originsec.cloudflare.origin_tls_compliance_modes
  - module: originsec.cloudflare.origin_tls_info
  - name: Automatic key exchange
    description: Cloudflare's documentation of the setting.
    link: https://developers.cloudflare.com/ssl/post-quantum-cryptography/pqc-to-origin/
"""

EXAMPLES = r"""
- name: Let Cloudflare choose the key exchange with the origin
  originsec.cloudflare.auto_origin_tls_kex:
    zone_name: example.com
    enabled: true
    api_token: "{{ cloudflare_api_token }}"

- name: Turn it off for a zone by id, with the token from the environment
  originsec.cloudflare.auto_origin_tls_kex:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    enabled: false
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
auto_origin_tls_kex:
  description: The setting as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains: &record
    id:
      description: The name by which Cloudflare knows the setting.
      returned: always
      type: str
      sample: auto_origin_tls_kex
    enabled:
      description: Whether the key exchange is chosen automatically.
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

from ..module_utils._client import Client
from ..module_utils._module import CloudflareModule, Params, Result, ensure_setting
from ..module_utils._setting import AUTO_ORIGIN_TLS_KEX


def run(params: Params, client: Client, check_mode: bool) -> Result:
    return ensure_setting(AUTO_ORIGIN_TLS_KEX, params["enabled"], "auto_origin_tls_kex", params, client, check_mode)


MODULE = CloudflareModule({"enabled": {"type": "bool", "required": True}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
