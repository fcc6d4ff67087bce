#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssl_mode
short_description: Manage the SSL mode of a zone
version_added: 1.0.0
description:
  - Sets how Cloudflare's edge connects to the origin of a zone, without TLS, or with TLS and with or without checking
    the origin's certificate.
  - Where Automatic SSL/TLS is on, it is set to V(custom) first, since it would put the mode back. It is left alone
    where the zone has the wanted mode already.
  - B(A mode that the origin is not ready for makes the site unreachable) (525, 526). The module
    M(originsec.cloudflare.origin_tls) tries the origins first, verifies through the edge, and puts the mode back.
author:
  - The originsec.cloudflare authors (@originsec)
extends_documentation_fragment:
  - originsec.cloudflare._api
  - originsec.cloudflare._api.zone
  - originsec.cloudflare._attributes
  - originsec.cloudflare._attributes.manages
options:
  mode:
    description:
      - The SSL mode. With V(off) and V(flexible) the edge speaks plain HTTP to the origin, and Authenticated Origin
        Pulls have no effect. With V(full) it does not check the origin's certificate, with V(strict) it does.
        V(origin_pull), strict also for visitors without TLS, needs an Enterprise plan.
      - YAML's bare C(off) may be written without quotes.
    type: str
    required: true
    choices: ["off", flexible, full, strict, origin_pull]
notes:
  - The token needs the permission C(Zone Settings Write), and C(Zone Settings Read) if nothing changes.
  - A configuration rule of the zone may override the mode for some hostnames.
seealso:
  - module: originsec.cloudflare.origin_tls
  - module: originsec.cloudflare.origin_tls_probe
  - module: originsec.cloudflare.origin_tls_info
  - name: SSL/TLS encryption modes
    description: Cloudflare's documentation of the modes.
    link: https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
"""

EXAMPLES = r"""
- name: Make the edge check the origin's certificate
  originsec.cloudflare.ssl_mode:
    zone_name: example.com
    mode: strict
    api_token: "{{ cloudflare_api_token }}"
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
ssl_mode:
  description: The setting as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains: &record
    id:
      description: The name by which Cloudflare knows the setting.
      returned: always
      type: str
      sample: ssl
    value:
      description: The SSL mode.
      returned: always
      type: str
      sample: strict
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
from ..module_utils._posture import SSL_MODES
from ..module_utils._setting import SSL_MODE, stop_automatic_ssl


def run(params: Params, client: Client, check_mode: bool) -> Result:
    planned = ensure_setting(SSL_MODE, params["mode"], "ssl_mode", params, client, check_mode=True)
    if check_mode or not planned.changed:
        return planned
    stop_automatic_ssl(client, planned.zone_id)
    current = SSL_MODE.write(client, planned.zone_id, params["mode"])
    return replace(planned, facts={**planned.facts, "ssl_mode": current})


MODULE = CloudflareModule({"mode": {"type": "str", "required": True, "choices": list(SSL_MODES)}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
