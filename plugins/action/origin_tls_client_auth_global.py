# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..modules.origin_tls_client_auth_global import MODULE
from ..plugin_utils._in_process import InProcessAction


class ActionModule(InProcessAction):
    module = MODULE
