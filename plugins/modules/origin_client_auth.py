#!/usr/bin/python
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: origin_client_auth
short_description: Configure an origin to request or require client certificates
version_added: 1.0.0
description:
  - Makes nginx, Apache, HAProxy or Caddy ask all clients for a certificate, or refuse those that have none of certain
    authorities, which is the origin's half of Authenticated Origin Pulls. The role
    R(originsec.cloudflare.origin_client_auth, ansible_collections.originsec.cloudflare.origin_client_auth_role) is made
    of it.
  - It writes one file that the configuration includes (nginx, Apache), or adds to the lines C(bind) that speak TLS
    (HAProxy), or adds a line to each site (Caddy), and beside that a file with the authorities. Every other byte stays
    as it is, and O(mode=off) gives back the bytes of before.
  - The server is reloaded, never restarted. Then it is probed, on the origin itself. Where the server's own test, the
    reload or the probe fails, and where the run is interrupted, the files are put back and the server is reloaded once
    more, all of it in this one task.
  - A virtual host that has settings of its own for client certificates keeps them. Those that let everyone in are
    named, see RV(open).
author:
  - The originsec.cloudflare authors (@originsec)
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - The server's own test is then made of the configuration as it is.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - Diffs show subjects and fingerprints of certificates.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
      - This assumes that the system controlled or queried by the module has not changed in a relevant way.
    support: full
  platform:
    description: Target OS or families that can be operated against.
    support: full
    details:
      - Linux, with the servers as Debian packages them. Others are found by how their process was started.
    platforms: posix
options:
  server:
    description:
      - What serves the sites. Without it, the one that runs; where several run, it has to be named.
    type: str
    choices:
      - nginx
      - apache
      - haproxy
      - caddy
  mode:
    description:
      - With V(ask), the server asks for a certificate and lets everyone in, with any certificate and with none. It is
        what to begin with, since nobody is locked out by it.
      - With V(require), it refuses who has none that O(ca) issued.
      - With V(off), what the module wrote is removed.
    type: str
    required: true
    choices:
      - "off"
      - ask
      - require
  ca:
    description:
      - The certificates of the authorities to trust in PEM (the text, not a path), as one text or as a list. A
        certificate that signed itself may be given in place of an authority.
      - To rotate to another authority, give the old and the new one, and later the new one alone.
      - Each needs its issuer beside it, up to one that signed itself.
      - Required unless O(mode=off).
    type: list
    elements: str
  check:
    description:
      - What to probe. By default each virtual host that speaks TLS, 50 at most, on its own addresses.
    type: dict
    suboptions:
      host:
        description:
          - The name or address to connect to, as seen from the origin.
        type: str
      port:
        description:
          - The port to connect to.
        type: int
      server_names:
        description:
          - The names of the sites to ask for. HAProxy's configuration does not tell them. With V([]), nothing is
            probed.
        type: list
        elements: str
      timeout:
        description:
          - Within how many seconds after the reload the answers have to be right.
        type: int
        default: 10
  reload_command:
    description:
      - What reloads the server, in place of C(systemctl reload) where systemd runs it, and of the server's own way
        where not. It is not run in a shell.
    type: str
  allow_open:
    description:
      - Names of virtual hosts that may stay open, see RV(open_allowed).
    type: list
    elements: str
    default: []
  verify_urls:
    description:
      - URLs that the controller requests through Cloudflare before the change and after it. Where one goes dark, the
        origin is put back to the mode and the authorities of before, in the same task. A URL that is dark already keeps
        the origin from being changed, unless the mode becomes less strict.
      - What dark means is as in O(originsec.cloudflare.origin_tls#module:verify_urls). In check mode they are requested
        once.
      - By default none.
    type: list
    elements: str
  verify_retries:
    description:
      - How often a URL that is dark is requested again at most.
    type: int
    default: 5
  verify_delay:
    description:
      - How many seconds to wait between two requests of the same URL.
    type: int
    default: 5
  verify_settle:
    description:
      - For how many seconds the responses must hold after a change, in two requests at least.
    type: int
    default: 10
requirements:
  - cryptography >= 42 on the controller, and requests for O(verify_urls); nothing besides Python on the origin
notes:
  - It has to be root on the origin.
  - The probe connects without a certificate. That the edge gets in with its own is seen through the edge only, which
    O(verify_urls) is for, or with M(originsec.cloudflare.origin_tls_probe).
  - While they ask, nginx and Apache refuse a certificate of a known authority nevertheless that is for servers only
    (C(extendedKeyUsage) without C(clientAuth)), or has expired.
  - nginx takes certificates of the authorities in C(ssl_trusted_certificate) as well, which the module warns of.
  - A run that was killed leaves a file C(.originsec-client-auth.pending) beside the configuration, after which the next
    run reloads the server, whatever it finds.
seealso:
  - module: originsec.cloudflare.origin_tls_client_auth
  - module: originsec.cloudflare.origin_tls_probe
"""

EXAMPLES = r"""
- name: Ask for client certificates, and refuse nobody
  originsec.cloudflare.origin_client_auth:
    mode: ask
    ca: "{{ lookup('ansible.builtin.file', 'authority.pem') }}"
  become: true

- name: Refuse who has no certificate of the old or the new authority
  originsec.cloudflare.origin_client_auth:
    server: haproxy
    mode: require
    ca:
      - "{{ lookup('ansible.builtin.file', 'old-authority.pem') }}"
      - "{{ lookup('ansible.builtin.file', 'new-authority.pem') }}"
    check:
      server_names:
        - shop.example.com
  become: true
  register: report

- name: Require it only if the site stays there
  originsec.cloudflare.origin_client_auth:
    mode: require
    ca: "{{ lookup('ansible.builtin.file', 'authority.pem') }}"
    verify_urls:
      - https://shop.example.com/
  become: true

- name: Stop where a site would be left open
  ansible.builtin.assert:
    that: report.open | length == 0
    fail_msg: "{{ report.open | join(', ') }} would answer anyone."

- name: Go back to how it was
  originsec.cloudflare.origin_client_auth:
    mode: "off"
  become: true
"""

RETURN = r"""
server:
  description: The server, as in O(server).
  returned: when it was found
  type: str
  sample: nginx
version:
  description: The version that it tells.
  returned: when it was found
  type: str
  sample: 1.22.1
mode:
  description: The mode that is in force at the end, also where the task failed.
  returned: when it was found
  type: str
  sample: require
previous_mode:
  description: The mode that was in force before, as far as the module wrote it.
  returned: when it was found
  type: str
  sample: ask
previous_ca:
  description: The authorities that the module's own files had before, in PEM, each below a comment.
  returned: when it was found
  type: list
  elements: str
  sample: []
verified:
  description:
    - By the URL in O(verify_urls), the status C(before) the change and C(after) it, each V(null) where nothing
      answered, whether the response has C(proved) that it came through Cloudflare and from the origin, and the
      C(reason) where it has not. Where nothing was to change, both are of the same request.
  returned: with O(verify_urls)
  type: dict
  sample:
    https://shop.example.com/:
      before: 200
      after: 200
      proved: true
      reason: null
dark:
  description: Those in O(verify_urls) that are dark at the end.
  returned: with O(verify_urls)
  type: list
  elements: str
  sample: []
hosts:
  description:
    - The virtual hosts, in the order of the configuration. For HAProxy, a C(frontend) or C(listen), and each entry of a
      C(crt-list) that verifies otherwise.
  returned: when it was found
  type: list
  elements: dict
  contains:
    names:
      description: Its names, which may be patterns.
      returned: always
      type: list
      elements: str
      sample:
        - shop.example.com
    where:
      description: The file and line where it begins.
      returned: always
      type: str
      sample: /etc/nginx/sites-enabled/shop:1
    state:
      description:
        - V(covered) if the module's settings are in force for it, V(open) if it speaks TLS and lets everyone in
          whatever the module writes, V(own) if it requires a certificate by settings of its own, V(plain) if it speaks
          no TLS.
        - With O(mode=off), V(covered) is V(open).
      returned: always
      type: str
      sample: covered
    why:
      description: Why it is not covered. V(null) if it is.
      returned: always
      type: str
      sample: it has its own ssl_verify_client optional (/etc/nginx/sites-enabled/shop:7)
    tls:
      description: The addresses on which it speaks TLS.
      returned: always
      type: list
      elements: str
      sample:
        - "*:443"
    plain:
      description: The addresses on which it does not.
      returned: always
      type: list
      elements: str
      sample:
        - "*:80"
covered:
  description: The names of the virtual hosts in this state, of each the first; the file and line where it has none.
  returned: when it was found
  type: list
  elements: str
  sample:
    - shop.example.com
open:
  description: As RV(covered), without those in O(allow_open).
  returned: when it was found
  type: list
  elements: str
  sample: []
open_allowed:
  description: Those that are open and in O(allow_open).
  returned: when it was found
  type: list
  elements: str
  sample: []
own:
  description: As RV(covered).
  returned: when it was found
  type: list
  elements: str
  sample: []
plain:
  description:
    - The virtual hosts that can be reached without TLS, also where they can be reached with it. RV(probes) tells
      whether they redirect.
  returned: when it was found
  type: list
  elements: str
  sample:
    - shop.example.com
files:
  description: The files that were written or removed; in check mode, those that would be.
  returned: when it was found
  type: list
  elements: str
  sample:
    - /etc/nginx/originsec-client-auth.pem
    - /etc/nginx/conf.d/originsec-client-auth.conf
probes:
  description: What the server answered at the end, without a client certificate.
  returned: when it was found
  type: list
  elements: dict
  contains:
    host:
      description: The address that was connected to.
      returned: always
      type: str
      sample: 127.0.0.1
    port:
      description: The port.
      returned: always
      type: int
      sample: 443
    server_name:
      description: The name that was asked for. V(null) if none.
      returned: always
      type: str
      sample: shop.example.com
    tls:
      description: Whether TLS was spoken.
      returned: always
      type: bool
      sample: true
    asked:
      description: Whether the server asked for a client certificate. V(null) if that could not be seen.
      returned: always
      type: bool
      sample: true
    refused:
      description: Whether it refused the client, which had none. V(null) if there was no answer.
      returned: always
      type: bool
      sample: true
    status:
      description: The status of HTTP. V(null) if there was none.
      returned: always
      type: int
      sample: 400
    post_quantum:
      description: Whether this address agrees on X25519MLKEM768. V(null) if that could not be seen.
      returned: always
      type: bool
      sample: false
    error:
      description: Why there was no answer. V(null) if there was one.
      returned: always
      type: str
      sample: Connection refused
post_quantum:
  description:
    - Whether all addresses agree on X25519MLKEM768. Servers do by themselves where their OpenSSL is 3.5 or newer,
      unless the settings in RV(groups) leave it out.
    - V(null) if that could not be seen.
  returned: when it was found
  type: bool
  sample: false
groups:
  description: Settings that limit the groups of the key exchange, with file and line.
  returned: when it was found
  type: list
  elements: str
  sample:
    - "/etc/nginx/sites-enabled/shop:9: ssl_ecdh_curve X25519"
ca:
  description: The certificates in O(ca), as M(originsec.cloudflare.origin_tls_client_auth) describes one.
  returned: success
  type: list
  elements: dict
put_back:
  description: Whether something failed after the first change, and everything was put back. The message tells whether
    that worked.
  returned: when it was found
  type: bool
  sample: false
"""

import shlex
import ssl
from collections.abc import Mapping
from typing import Any

from ..module_utils._core import asks_for_diff
from ..module_utils._masking import MaskingModule
from ..module_utils._origin_apache import Apache
from ..module_utils._origin_caddy import Caddy
from ..module_utils._origin_change import Change, Check, Wanted
from ..module_utils._origin_haproxy import HAProxy
from ..module_utils._origin_nginx import Nginx
from ..module_utils._origin_server import OriginError, Server
from ..module_utils._origin_system import System

SPEC: dict[str, dict[str, Any]] = {
    "server": {"type": "str", "choices": ["nginx", "apache", "haproxy", "caddy"]},
    "mode": {"type": "str", "required": True, "choices": ["off", "ask", "require"]},
    "ca": {"type": "list", "elements": "str"},
    "check": {
        "type": "dict",
        "options": {
            "host": {"type": "str"},
            "port": {"type": "int"},
            "server_names": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 10},
        },
    },
    "reload_command": {"type": "str"},
    "allow_open": {"type": "list", "elements": "str", "default": []},
    # Of the action, on the controller
    "verify_urls": {"type": "list", "elements": "str"},
    "verify_retries": {"type": "int", "default": 5},
    "verify_delay": {"type": "int", "default": 5},
    "verify_settle": {"type": "int", "default": 10},
}

SERVERS: tuple[type[Server], ...] = (Nginx, Apache, HAProxy, Caddy)


def find_server(system: System, kind: str | None) -> Server:
    """The one that runs. Raises OriginError where it is none, or not clear which."""
    processes = system.processes()
    running = [(one, master) for one in SERVERS for master in one.masters(processes) if kind in (None, one.kind)]
    if not running:
        which = next((one.title for one in SERVERS if one.kind == kind), "none of nginx, Apache, HAProxy and Caddy")
        verb = "does not run" if kind else "runs"
        raise OriginError(f"Here {which} {verb}, and nothing can be reloaded: start it first.")
    if len(running) > 1:
        told = ", ".join(f"{one.title} (process {master.pid})" for one, master in running)
        what = "name the one that serves the sites in origin_client_auth_server"
        raise OriginError(f"Several servers run here: {told}. " + (f"End all but one: {what}." if kind else f"{what}."))
    one, master = running[0]
    return one(system, master)


def wanted(params: Mapping[str, Any]) -> Wanted:
    """Raises OriginError for options that cannot be, and for authorities that OpenSSL cannot read here."""
    authorities = tuple(params["ca"] or ())
    if params["mode"] != "off":
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata="".join(authorities))
        except (ssl.SSLError, ValueError) as error:
            raise OriginError(f"ca cannot be read on the origin by {ssl.OPENSSL_VERSION}: {error}.") from None
    try:
        shlex.split(params["reload_command"] or "")
    except ValueError as error:
        raise OriginError(f"reload_command cannot be divided into words: {error}. Nothing was changed.") from None
    check = {name: value for name, value in (params["check"] or {}).items() if value not in (None, "")}
    if not 0 < check.get("port", 1) < 65536:
        raise OriginError(f"check: port must be from 1 to 65535, not {check['port']}. Nothing was changed.")
    if "server_names" in check:
        check["server_names"] = tuple(check["server_names"])
    return Wanted(
        params["mode"], authorities, Check(**check), params["reload_command"], tuple(params["allow_open"] or ())
    )


def run(params: Mapping[str, Any], check_mode: bool, system: System) -> dict[str, Any]:
    """The result, with ``failed`` and ``msg`` where it failed."""
    try:
        change = Change(system, find_server(system, params["server"]), wanted(params))
        return change.make(check_mode)
    except OriginError as error:
        return {"changed": False, **error.facts, "failed": True, "msg": str(error)}
    except PermissionError as error:
        message = f"{error.filename}: {error.strerror}. It has to be root on the origin: set 'become: true'."
        return {"changed": False, "failed": True, "msg": message}


def main() -> None:
    module = MaskingModule(argument_spec=SPEC, supports_check_mode=True)
    result = run(module.options, module.check_mode, System())
    for warning in result.pop("warnings", []):
        module.warn(module.secrets.hide_in(warning))
    if not asks_for_diff(module):
        result.pop("diff", None)
    finish = module.fail_json if "failed" in result else module.exit_json
    finish(**result)


if __name__ == "__main__":
    main()
