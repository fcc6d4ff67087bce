#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_pqe
short_description: Manage Origin Post-Quantum Encryption of a zone
version_added: 1.0.0
description:
  - Sets whether Cloudflare offers post-quantum key agreement to the origin, as the setting Origin Post-Quantum
    Encryption has it.
  - B(Cloudflare documents this setting as a no-op since 2026-07-24.) The API keeps the value, but connections to the
    origin no longer depend on it. The settings that have effect are managed by
    M(originsec.cloudflare.auto_origin_tls_kex) and M(originsec.cloudflare.origin_tls_compliance_modes).
    The module warns of this whenever it changes the value.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
options:
  value:
    description:
      - V(preferred) sends the post-quantum key share at once, V(supported) advertises it and sends it when the origin
        asks for it, and with V(off) it is not offered.
      - YAML's bare C(off) may be written without quotes.
    type: str
    required: true
    choices:
      - preferred
      - supported
      - "off"
notes:
  - The token needs the permission C(Zone Settings Write), and C(Zone Settings Read) if nothing changes.
seealso:
  - module: originsec.cloudflare.auto_origin_tls_kex
  - module: originsec.cloudflare.origin_tls_compliance_modes
  - module: originsec.cloudflare.origin_tls_info
  - name: Post-quantum cryptography between Cloudflare and origin servers
    description: Cloudflare's documentation of the setting.
    link: https://developers.cloudflare.com/ssl/post-quantum-cryptography/pqc-to-origin/
"""

EXAMPLES = r"""
- name: Prefer post-quantum key agreement
  originsec.cloudflare.origin_pqe:
    zone_name: example.com
    value: preferred
    api_token: "{{ cloudflare_api_token }}"

- name: Turn it off for a zone by id, with the token from the environment
  originsec.cloudflare.origin_pqe:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    value: "off"
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
origin_pqe:
  description: The setting as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains: &record
    id:
      description: The name by which Cloudflare knows the setting.
      returned: always
      type: str
      sample: origin_pqe
    value:
      description: The value of the setting.
      returned: always
      type: str
      sample: preferred
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

from dataclasses import replace

from ..module_utils._client import Client
from ..module_utils._module import CloudflareModule, Params, Result, ensure_setting
from ..module_utils._setting import ORIGIN_PQE

_NO_OP = (
    "Cloudflare documents origin_pqe as a no-op since 2026-07-24: the value is kept, but has no effect on connections "
    "to the origin. Use originsec.cloudflare.auto_origin_tls_kex and originsec.cloudflare.origin_tls_compliance_modes."
)


def run(params: Params, client: Client, check_mode: bool) -> Result:
    outcome = ensure_setting(ORIGIN_PQE, params["value"], "origin_pqe", params, client, check_mode)
    return replace(outcome, warnings=[_NO_OP]) if outcome.changed else outcome


MODULE = CloudflareModule(
    {"value": {"type": "str", "required": True, "choices": ["preferred", "supported", "off"]}}, run
)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
