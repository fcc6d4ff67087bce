#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_tls_client_auth_global
short_description: Manage the client certificate that all zones of Cloudflare share
version_added: 1.0.0
description:
  - Sets whether Cloudflare's edge presents to the origin of a zone the client certificate that all of its customers
    share (global Authenticated Origin Pulls).
  - B(It proves that a request comes from Cloudflare, and not that it comes from your zone.) Anybody can point a zone of
    their own at your origin. M(originsec.cloudflare.origin_tls_client_auth) manages certificates of your own.
  - The certificate authority of the shared certificate ends on 2029-11-01.
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
      - Whether the edge presents the shared certificate.
      - Certificates of the zone and of a hostname take precedence over it, and are independent of this setting.
    type: bool
    required: true
notes:
  - The token needs the permission C(Zone Settings Write), and C(Zone Settings Read) if nothing changes.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_client_auth_hostname
  - module: originsec.cloudflare.origin_tls_info
  - name: Authenticated Origin Pulls
    description: Cloudflare's documentation, with the levels and the shared certificate.
    link: https://developers.cloudflare.com/ssl/origin-configuration/authenticated-origin-pull/
"""

EXAMPLES = r"""
- name: Make the edge present a certificate of the zone's own only
  originsec.cloudflare.origin_tls_client_auth_global:
    zone_name: example.com
    enabled: false
    api_token: "{{ cloudflare_api_token }}"

- name: Make the edge present the shared certificate
  originsec.cloudflare.origin_tls_client_auth_global:
    zone_id: 023e105f4ecef8ad9ca31a8372d0c353
    enabled: true
"""

RETURN = r"""
zone_id:
  description: The id of the zone.
  returned: success
  type: str
  sample: 023e105f4ecef8ad9ca31a8372d0c353
origin_tls_client_auth_global:
  description: The setting as it is now, or in check mode as it would be.
  returned: success
  type: dict
  contains: &record
    id:
      description: The name by which Cloudflare knows the setting.
      returned: always
      type: str
      sample: tls_client_auth
    value:
      description: V(on) or V(off).
      returned: always
      type: str
      sample: "off"
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

from ..module_utils._client import Client
from ..module_utils._module import CloudflareModule, Params, Result, ensure_setting
from ..module_utils._setting import GLOBAL_CLIENT_AUTH


def run(params: Params, client: Client, check_mode: bool) -> Result:
    value = "on" if params["enabled"] else "off"
    return ensure_setting(GLOBAL_CLIENT_AUTH, value, "origin_tls_client_auth_global", params, client, check_mode)


MODULE = CloudflareModule({"enabled": {"type": "bool", "required": True}}, run)


def main() -> None:
    MODULE.main()


if __name__ == "__main__":
    main()
