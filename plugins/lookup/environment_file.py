# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_file
short_description: Read a file that an environment variable names
version_added: 1.0.0
description:
  - Returns the text of a file whose path is in an environment variable, without blanks around it, and empty text where
    the variable is unset or blank.
  - A path that begins with C(~) is one in a home directory. A relative path is relative to the directory in which the
    command was typed, and not to the playbook's.
  - A file that cannot be read, or is empty, is an error that names the variable and the path.
author:
  - The originsec.cloudflare authors (@originsec)
options:
  _terms:
    description:
      - The names of the environment variables.
    type: list
    elements: str
    required: true
seealso:
  - plugin: ansible.builtin.file
    plugin_type: lookup
  - plugin: ansible.builtin.env
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Present the client certificate that the environment names
  originsec.cloudflare.origin_tls_client_auth:
    zone_name: example.com
    certificate: "{{ lookup('originsec.cloudflare.environment_file', 'CLOUDFLARE_CLIENT_CERTIFICATE_FILE') }}"
    private_key: "{{ lookup('originsec.cloudflare.environment_file', 'CLOUDFLARE_CLIENT_KEY_FILE') }}"
    enabled: true
"""

RETURN = r"""
_raw:
  description: The text of each file.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._errors import InputError
from ..plugin_utils._files import environment_file


class LookupModule(LookupBase):
    def run(self, terms: list[str], variables: Any = None, **_options: Any) -> list[str]:
        try:
            return [environment_file(str(term)) for term in terms]
        except InputError as error:
            raise AnsibleLookupError(str(error)) from error
