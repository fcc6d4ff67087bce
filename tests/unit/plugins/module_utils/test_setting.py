# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.originsec.cloudflare.plugins.module_utils._client import Client
from ansible_collections.originsec.cloudflare.plugins.module_utils._errors import CloudflareError, ResponseError
from ansible_collections.originsec.cloudflare.plugins.module_utils._setting import (
    AUTO_ORIGIN_TLS_KEX,
    CLIENT_AUTH_ENABLEMENT,
    COMPLIANCE_MODES,
    ORIGIN_PQE,
    SSL_MODE,
    Setting,
)
from ansible_collections.originsec.cloudflare.tests.emulator.emulator import Emulator, Fault, Zone

WRITABLE = [
    (AUTO_ORIGIN_TLS_KEX, False, True),
    (ORIGIN_PQE, "supported", "off"),
    (COMPLIANCE_MODES, [], ["fips", "pqh"]),
    (CLIENT_AUTH_ENABLEMENT, False, True),
]


@pytest.mark.parametrize(("setting", "before", "after"), WRITABLE)
def test_read_and_write(
    client: Client, emulator: Emulator, zone: Zone, setting: Setting, before: object, after: object
) -> None:
    assert setting.read(client, zone.id)[setting.field] == before
    written = setting.write(client, zone.id, after)
    assert emulator.count() == {"GET": 1, setting.method: 1}
    assert written == setting.read(client, zone.id)
    assert written[setting.field] == after


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        (AUTO_ORIGIN_TLS_KEX, {"id", "enabled", "modified_on"}),
        (ORIGIN_PQE, {"id", "value", "editable", "modified_on"}),
        (COMPLIANCE_MODES, {"id", "value", "editable", "modified_on"}),
        (SSL_MODE, {"id", "value", "editable", "modified_on"}),
        (CLIENT_AUTH_ENABLEMENT, {"enabled"}),
    ],
)
def test_the_record_of_a_setting(
    client: Client, emulator: Emulator, zone: Zone, setting: Setting, names: set[str]
) -> None:
    everything = {name: setting.kind() if name == setting.field else name for name in (*names, "more")}
    emulator.faults.append(Fault(body={"success": True, "result": everything}))
    assert setting.read(client, zone.id) == {name: everything[name] for name in names}
    emulator.faults.append(Fault(body={"success": True, "result": {setting.field: None}}))
    assert setting.read(client, zone.id) == {**dict.fromkeys(names), setting.field: setting.null}


def test_no_compliance_modes_are_an_empty_list() -> None:
    assert COMPLIANCE_MODES.null == []


def test_ssl_mode(client: Client, zone: Zone) -> None:
    zone.ssl_mode = "strict"
    assert SSL_MODE.read(client, zone.id)["value"] == "strict"


@pytest.mark.parametrize(("setting", "before", "after"), WRITABLE)
def test_another_value_in_the_answer_is_read_back_once(
    client: Client, emulator: Emulator, zone: Zone, setting: Setting, before: object, after: object
) -> None:
    emulator.faults.append(Fault(method="PUT|PATCH", stale=True))
    assert setting.write(client, zone.id, after)[setting.field] == after
    assert emulator.count() == {setting.method: 1, "GET": 1}


@pytest.mark.parametrize(("setting", "before", "after"), WRITABLE)
def test_a_write_without_effect_is_an_error_that_says_both_values(
    client: Client, emulator: Emulator, zone: Zone, setting: Setting, before: object, after: object
) -> None:
    emulator.faults.append(Fault(method="PUT|PATCH", ignore=True))
    with pytest.raises(CloudflareError) as caught:
        setting.write(client, zone.id, after)
    assert f"accepted {setting.field} {after!r}" in str(caught.value)
    assert f"is {before!r} when read back" in str(caught.value)
    assert emulator.count() == {setting.method: 1, "GET": 1}


@pytest.mark.parametrize("result", [None, [], "on", {}, {"value": True}])
def test_an_answer_without_the_field(client: Client, emulator: Emulator, zone: Zone, result: object) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": result}))
    with pytest.raises(ResponseError, match="the answer has no field 'enabled'"):
        AUTO_ORIGIN_TLS_KEX.read(client, zone.id)


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        (AUTO_ORIGIN_TLS_KEX, ["on", 1, []]),
        (ORIGIN_PQE, [True, 5, ["off"]]),
        (COMPLIANCE_MODES, ["fips", {"fips": True}, [["fips"]], [None]]),
    ],
)
def test_a_value_of_another_type(
    client: Client, emulator: Emulator, zone: Zone, setting: Setting, values: list[object]
) -> None:
    for value in values:
        emulator.faults.append(Fault(body={"success": True, "result": {setting.field: value}}))
        with pytest.raises(ResponseError, match=f"the answer's field '{setting.field}' is .*, which is no value of it"):
            setting.read(client, zone.id)


def test_a_value_that_nobody_set(client: Client, emulator: Emulator, zone: Zone) -> None:
    emulator.faults.append(Fault(body={"success": True, "result": {"enabled": None}}))
    assert AUTO_ORIGIN_TLS_KEX.read(client, zone.id)["enabled"] is None


@pytest.mark.parametrize(
    ("value", "wanted", "same"),
    [
        (["pqh", "fips"], ["fips", "pqh"], True),
        (["fips"], [], False),
        ("off", "off", True),
        (None, False, False),
        ("on", True, False),
    ],
)
def test_same(value: object, wanted: object, same: bool) -> None:
    assert Setting.same(value, wanted) is same
