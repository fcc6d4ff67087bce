# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_credential_inputs
short_description: Complete the inputs of a credential in AWX
version_added: 1.0.0
description:
  - AWX replaces the inputs of a credential as a whole, so that whoever sends one field erases all others, secrets
    included. This filter adds those that are to stay.
author:
  - The originsec.cloudflare authors (@originsec)
positional: stored
options:
  _input:
    description:
      - The inputs that are to be set. Those that are blank stay as they are.
    type: dict
    required: true
  stored:
    description:
      - The inputs that the credential has, as AWX's API returns them. A secret is V($encrypted$), which AWX takes for
        the one that it has.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Set another base URL, and keep the token
  awx.awx.credential:
    name: Cloudflare API
    organization: Web
    credential_type: Cloudflare API
    inputs: "{{ {'api_base_url': base_url} | originsec.cloudflare.awx_credential_inputs(credential.inputs) }}"
    update_secrets: false
"""

RETURN = r"""
_value:
  description: All inputs.
  type: dict
  sample:
    api_token: $encrypted$
    api_base_url: https://api.cloudflare.com/client/v4
"""

from typing import Any, Callable

from ..plugin_utils._awx import merged_inputs


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"awx_credential_inputs": merged_inputs}
