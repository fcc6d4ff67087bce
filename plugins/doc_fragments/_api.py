# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This doc fragment is private to the collection: it may change at any time.

from __future__ import annotations


class ModuleDocFragment:
    """The options of module_utils/_options.py."""

    DOCUMENTATION = r"""
options:
  api_token:
    description:
      - A Cloudflare API token, see U(https://developers.cloudflare.com/fundamentals/api/get-started/create-token/).
        White space around it is ignored.
      - Without O(api_token) and O(api_key), the environment variables E(CLOUDFLARE_API_TOKEN), then E(CF_API_TOKEN),
        then E(CLOUDFLARE_API_KEY) are used.
      - Mutually exclusive with O(api_key).
    type: str
  api_email:
    description:
      - The e-mail address of the user that O(api_key) belongs to.
      - Without it, the environment variable E(CLOUDFLARE_EMAIL) is used.
    type: str
  api_key:
    description:
      - The global API key of a user, the legacy way to authenticate. Prefer O(api_token), which can be limited to the
        permissions and zones that a task needs.
      - Needs O(api_email).
      - Mutually exclusive with O(api_token).
    type: str
  api_base_url:
    description:
      - The base URL of the API.
      - Without it, the environment variable E(CLOUDFLARE_BASE_URL) is used, if set.
      - Unencrypted V(http) is refused unless the host is a loopback address.
    type: str
    default: https://api.cloudflare.com/client/v4
  validate_certs:
    description:
      - Whether to validate the certificate of the API's server. V(false) exposes the credentials to anybody on the way.
    type: bool
    default: true
  ca_path:
    description:
      - The path of a file of trusted certificate authorities in PEM, or of a directory prepared with C(openssl rehash),
        on the host from which the API is reached.
      - Without it, the environment variables E(REQUESTS_CA_BUNDLE) and E(CURL_CA_BUNDLE), else the authorities that
        come with the Python library requests are used. E(SSL_CERT_FILE) is not.
    type: path
  timeout:
    description:
      - How many seconds to wait for a connection and for an answer, for each try of a request; at most V(600).
    type: int
    default: 30
  retries:
    description:
      - How often a request is repeated at most when the connection fails, Cloudflare is in trouble (HTTP status 5xx),
        another change is under way (409) or the rate limit is reached (429, after the time that Cloudflare demands).
      - After 600 seconds no further try of a request begins, and none waits longer for a connection or an answer than
        is left of them. A pause that would go on for longer is not begun.
      - V(0) makes each request once.
    type: int
    default: 5
requirements:
  - python >= 3.9
  - requests, with urllib3 >= 1.26
notes:
  - Proxies are taken from the environment (E(HTTPS_PROXY), E(NO_PROXY)). Redirects are not followed, and C(~/.netrc) is
    not read.
  - Cloudflare allows a user 1,200 requests per five minutes, and blocks every call for five minutes after that. Once
    only a tenth is left, tasks therefore wait until the count starts anew, and say so in a warning. All forks, jobs and
    machines go by Cloudflare's own count, so nothing has to be configured. A task waits after its last request, too,
    since the next task, which may run elsewhere, cannot know how little is left before it has made a request.
seealso:
  - name: Cloudflare API
    description: Reference of the API.
    link: https://developers.cloudflare.com/api/
"""

    ZONE = r"""
options:
  zone_id:
    description:
      - The id of the zone, 32 hexadecimal characters. It is shown on the zone's overview page.
      - Exactly one of O(zone_id) and O(zone_name) must be set. O(zone_id) saves a request.
    type: str
  zone_name:
    description:
      - The name of the zone, for example V(example.com). It must match exactly, but for case; international names may
        be given in Unicode or in punycode.
      - The token needs the permission C(Zone Read) to look up a name.
      - Exactly one of O(zone_id) and O(zone_name) must be set.
    type: str
    aliases:
      - zone
notes:
  - The module is meant to run on the controller, with C(connection=local) or C(delegate_to=localhost), or on any host
    that reaches the API.
"""
