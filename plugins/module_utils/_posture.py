# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module utility is private to the collection: it may change at any time.

"""What is wanted of a zone, compared with what was found: one vocabulary and one judgement for hardening and audit.

Pure: no request, no file, and neither requests nor cryptography, since Ansible imports it in a process for each zone.
This is the only place that reads values as users write them: ``off``, blanks, text with commas, ``y`` and ``n``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ._errors import InputError
from ._pem import CERTIFICATE_LABELS, pem_blocks

ASPECTS = {
    "ssl_mode": "SSL mode",
    "auto_origin_tls_kex": "automatic key exchange",
    "compliance_modes": "compliance modes",
    "origin_pqe": "Origin Post-Quantum Encryption",
    "client_auth": "Authenticated Origin Pulls",
    "certificate": "client certificate",
    "superseded": "superseded client certificates",
    "global_client_auth": "Cloudflare's shared client certificate",
    "hostnames": "Authenticated Origin Pulls by hostname",
}
"""By the name that users give: what it is, in words."""

SSL_MODES = ("off", "flexible", "full", "strict", "origin_pull")
PQE_VALUES = ("preferred", "supported", "off")
COMPLIANCE_MODES = ("fips", "pqh")

TO_BE_GONE = frozenset({"pending_deletion", "deleted", "deletion_timed_out"})
"""The statuses of a certificate that is not there any more; to delete it once more changes nothing."""

Found = Mapping[str, Any]
"""A zone as ``origin_tls`` of the module origin_tls_info has it; what was not read is not there."""


KINDS = {
    **{aspect: aspect for aspect in ASPECTS},
    "certificate_expired": "certificate",
    "certificate_expiring": "certificate",
    "hostname_off": "hostnames",
    "hostname_certificate_expired": "hostnames",
    "hostname_certificate_expiring": "hostnames",
    "origin_open": "origins",
    "origin_optional": "origins",
    "origin_unreachable": "origins",
    "origin_classical": "origins",
}
"""By the kind of a difference: the aspect that differs; origins are only looked at, and none of ASPECTS."""


@dataclass(frozen=True)
class Difference:
    """Where a zone differs from the desired state. kind: of KINDS. found, wanted: in words."""

    kind: str
    found: str
    wanted: str

    @property
    def aspect(self) -> str:
        return KINDS[self.kind]

    def result(self) -> dict[str, str]:
        """As in return values."""
        return {"aspect": self.aspect, "found": self.found, "wanted": self.wanted}


def texts(value: Any, option: str) -> tuple[str, ...] | None:
    """A list, or text in which commas or line breaks divide; blanks are dropped. None for null and blank text.

    YAML makes false of a bare ``off`` in a list.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, (str, list, tuple)):
        raise InputError(f"{option} must be a list, or text with commas, not {value!r}.")
    items = [value] if isinstance(value, str) else ["off" if one is False else one for one in value if one is not None]
    return tuple(part.strip() for item in items for part in re.split(r"[,\r\n]", str(item)) if part.strip())


def truth(value: Any, option: str) -> bool | None:
    """A boolean as Ansible reads one; None for null and blank text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return bool(boolean(value.strip() if isinstance(value, str) else value))
    except TypeError:
        raise InputError(f"{option} must be a boolean, true or false, not {value!r}.") from None


def number(value: Any, option: str, default: int) -> int:
    """A whole number that is not negative; the default for null and blank text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    try:
        found = int(value)
    except (TypeError, ValueError):
        found = -1
    if found < 0 or isinstance(value, (bool, float)):
        raise InputError(f"{option} must be a whole number that is not negative, not {value!r}.")
    return found


def choice(value: Any, choices: Sequence[str], option: str) -> str | None:
    """One of these; None for null and blank text. YAML makes false of a bare ``off``."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    text = "off" if value is False else str(value).strip().lower()
    if text not in choices:
        raise InputError(f"{option} must be {either(choices)}, not {value!r}.")
    return text


def _chosen(value: Any, choices: Sequence[str], option: str) -> tuple[str, ...] | None:
    """Some of these, in order and once each; None for null and blank text."""
    items = texts(value, option)
    if items is None:
        return None
    return tuple(sorted({str(choice(item, choices, option)) for item in items}, key=choices.index))


@dataclass(frozen=True)
class HostnamePosture:
    """What is wanted of a hostname; None leaves alone. fingerprints: as of Posture."""

    hostname: str
    enabled: bool | None = None
    fingerprints: tuple[str, ...] = ()

    def in_words(self) -> str:
        state = "on" if self.enabled is not False else "off"
        return f"{self.hostname} {state}{f' with {self.fingerprints[0][:16]}' if self.fingerprints else ''}"


@dataclass(frozen=True)
class Posture:
    """What is wanted of a zone; None leaves alone.

    required_ssl_modes: those in which the zone may be hardened, none for any. fingerprints: SHA-256, of the certificate
    that the edge should present, and of those that were given with it as its chain. exclusive: whether the zone should
    have no other certificate; None where that depends on whether the certificate proves itself.
    """

    required_ssl_modes: tuple[str, ...] = ()
    ssl_mode: str | None = None
    auto_origin_tls_kex: bool | None = None
    compliance_modes: tuple[str, ...] | None = None
    origin_pqe: str | None = None
    client_auth_enabled: bool | None = None
    fingerprints: tuple[str, ...] = ()
    exclusive: bool | None = False
    global_client_auth_enabled: bool | None = None
    hostnames: tuple[HostnamePosture, ...] = ()
    min_days_remaining: int = 0
    require_enforcement: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], prefix: str = "") -> Posture:
        """From the options of origin_tls, or from the role's variables, whose names have a prefix.

        Raises InputError for what is no value of them.
        """

        def name(option: str) -> str:
            return f"{prefix}{option}"

        certificate = str(options.get("certificate") or "").strip()
        posture = cls(
            required_ssl_modes=_chosen(options.get("required_ssl_modes"), SSL_MODES, name("required_ssl_modes")) or (),
            ssl_mode=choice(options.get("ssl_mode"), SSL_MODES, name("ssl_mode")),
            auto_origin_tls_kex=truth(options.get("auto_origin_tls_kex"), name("auto_origin_tls_kex")),
            compliance_modes=_chosen(options.get("compliance_modes"), COMPLIANCE_MODES, name("compliance_modes")),
            origin_pqe=choice(options.get("origin_pqe"), PQE_VALUES, name("origin_pqe")),
            client_auth_enabled=truth(options.get("client_auth_enabled"), name("client_auth_enabled")),
            fingerprints=_fingerprints(certificate, name("certificate")) if certificate else (),
            exclusive=truth(options.get("exclusive"), name("exclusive")) if certificate else False,
            global_client_auth_enabled=truth(
                options.get("global_client_auth_enabled"), name("global_client_auth_enabled")
            ),
            hostnames=_hostnames(options.get("hostnames"), name("hostnames")),
            min_days_remaining=number(options.get("min_days_remaining"), name("min_days_remaining"), 0),
            require_enforcement=bool(truth(options.get("require_enforcement"), name("require_enforcement"))),
        )
        only = _chosen(options.get("only"), tuple(ASPECTS), name("only"))
        if only == ():
            raise InputError(
                f"{name('only')} is empty, so that nothing would be managed: name aspects, or leave it out."
            )
        if only and "superseded" in only and "certificate" not in only:
            raise InputError(
                f"{name('only')} has superseded, and needs certificate beside it, which supersedes others."
            )
        return posture.limited(only)

    def limited(self, only: tuple[str, ...] | None) -> Posture:
        """This posture for some aspects, the others being left alone; for all of them with None."""
        if only is None:
            return self
        return replace(
            self,
            ssl_mode=self.ssl_mode if "ssl_mode" in only else None,
            auto_origin_tls_kex=self.auto_origin_tls_kex if "auto_origin_tls_kex" in only else None,
            compliance_modes=self.compliance_modes if "compliance_modes" in only else None,
            origin_pqe=self.origin_pqe if "origin_pqe" in only else None,
            client_auth_enabled=self.client_auth_enabled if "client_auth" in only else None,
            fingerprints=self.fingerprints if "certificate" in only else (),
            exclusive=self.exclusive if "superseded" in only else False,
            global_client_auth_enabled=self.global_client_auth_enabled if "global_client_auth" in only else None,
            hostnames=self.hostnames if "hostnames" in only else (),
        )

    @property
    def presents(self) -> bool:
        """Whether the edge should present a certificate of the zone's own."""
        return bool(self.client_auth_enabled or self.fingerprints)

    @property
    def manages_client_auth(self) -> bool:
        """Whether anything is wanted of the zone's Authenticated Origin Pulls."""
        return self.client_auth_enabled is not None or bool(self.fingerprints)

    def in_words(self) -> dict[str, str]:
        """By kind of difference; what is left alone is not there."""
        words = {
            "ssl_mode": self.ssl_mode or (either(self.required_ssl_modes) if self.required_ssl_modes else None),
            "auto_origin_tls_kex": on(self.auto_origin_tls_kex),
            "compliance_modes": None if self.compliance_modes is None else listed(self.compliance_modes),
            "origin_pqe": self.origin_pqe,
            "client_auth": on(self.client_auth_enabled),
            "certificate": either([one[:16] for one in self.fingerprints]) if self.fingerprints else None,
            "certificate_expiring": self.days_in_words() if self.presents and self.min_days_remaining else None,
            "superseded": "none" if self.exclusive is not False and self.fingerprints else None,
            "global_client_auth": on(self.global_client_auth_enabled),
            "hostnames": listed(one.in_words() for one in self.hostnames) if self.hostnames else None,
        }
        return {aspect: text for aspect, text in words.items() if text is not None}

    def drift(self, found: Found) -> Iterator[Difference]:
        """Where a zone differs from the desired state, in the order of ASPECTS."""
        wanted = self.in_words()
        mode = found["ssl_mode"]
        if mode != self.ssl_mode if self.ssl_mode else self.required_ssl_modes and mode not in self.required_ssl_modes:
            yield _difference("ssl_mode", mode, wanted["ssl_mode"])
        if self.auto_origin_tls_kex is not None and found["auto_origin_tls_kex"] != self.auto_origin_tls_kex:
            yield _difference("auto_origin_tls_kex", on(found["auto_origin_tls_kex"]), wanted["auto_origin_tls_kex"])
        if self.compliance_modes is not None and set(found["compliance_modes"]) != set(self.compliance_modes):
            yield _difference("compliance_modes", listed(sorted(found["compliance_modes"])), wanted["compliance_modes"])
        if self.origin_pqe is not None and found["origin_pqe"] != self.origin_pqe:
            yield _difference("origin_pqe", found["origin_pqe"], self.origin_pqe)
        if self.client_auth_enabled is not None and found["client_auth"]["enabled"] != self.client_auth_enabled:
            yield _difference("client_auth", on(found["client_auth"]["enabled"]), wanted["client_auth"])
        if self.presents:
            yield from self._certificate_drift(found["client_auth"])
        shared = self.global_client_auth_enabled
        if shared is not None and found["global_client_auth"] != shared:
            yield _difference("global_client_auth", on(found["global_client_auth"]), on(shared))
        for one in self.hostnames:
            yield from self._hostname_drift(one, found["hostnames"])

    @staticmethod
    def _hostname_drift(wanted: HostnamePosture, found: Mapping[str, Any]) -> Iterator[Difference]:
        association = next((one for one in found["associations"] if one["hostname"] == wanted.hostname), None)
        if association is None:
            yield _difference("hostnames", f"{wanted.hostname} has none", wanted.in_words())
            return
        fingerprint = _fingerprint_of(association, found)
        differs = wanted.enabled is not None and association["enabled"] != wanted.enabled
        if differs or (wanted.fingerprints and fingerprint not in wanted.fingerprints):
            so_far = HostnamePosture(wanted.hostname, association["enabled"], (fingerprint,) if fingerprint else ())
            yield _difference("hostnames", so_far.in_words(), wanted.in_words())

    def overrides(self, found: Found) -> Iterator[Difference]:
        """Where hostnames that nobody asked for make less of what is wanted of the zone."""
        named = {one.hostname for one in self.hostnames}
        hostnames = found.get("hostnames") or {"associations": [], "certificates": []}
        for one in hostnames["associations"]:
            if self.client_auth_enabled and not one["enabled"] and one["hostname"] not in named:
                yield _difference("hostname_off", f"{one['hostname']} off", "on, as the zone")
        used = {one["certificate_id"] for one in hostnames["associations"] if one["enabled"]}
        for one in hostnames["certificates"]:
            days = one["days_remaining"]
            if one["id"] in used and one["status"] == "active" and too_few_days(days, self.min_days_remaining):
                expired = days is not None and days < 0
                kind = "hostname_certificate_expired" if expired else "hostname_certificate_expiring"
                names = listed(a["hostname"] for a in hostnames["associations"] if a["certificate_id"] == one["id"])
                yield _difference(kind, f"{names}: {days_in_words(days)}", self.days_in_words())

    def origins(self, probed: Iterable[Mapping[str, Any]]) -> Iterator[Difference]:
        """Where origins differ. probed: what origin_tls_info says of each."""
        asked = "a client certificate is required" if self.require_enforcement else "a client certificate is asked for"
        for one in probed:
            name, enforcement = one["origin"], one["enforcement"]
            if enforcement == "unreachable":
                yield _difference("origin_unreachable", str(one["error"] or name), "reachable")
            elif enforcement == "open" and (self.client_auth_enabled or self.require_enforcement):
                yield _difference("origin_open", f"{name} is open", asked)
            elif enforcement == "optional" and self.require_enforcement:
                yield _difference("origin_optional", f"{name} asks and does not require", asked)
            if "pqh" in (self.compliance_modes or ()) and one["post_quantum"] is False and enforcement != "unreachable":
                yield _difference("origin_classical", f"{name} speaks no X25519MLKEM768", "X25519MLKEM768")

    def _certificate_drift(self, client_auth: Mapping[str, Any]) -> Iterator[Difference]:
        wanted = self.in_words().get("certificate", "an active one")
        active = client_auth["active_certificate"]
        if not active:
            pending = [f"one is {one['status']}" for one in client_auth["certificates"]][:1]
            yield _difference("certificate", ", ".join(["none is active", *pending]), wanted)
        elif self.fingerprints and active["fingerprint_sha256"] not in self.fingerprints:
            yield _difference("certificate", certificate_in_words(active), wanted)
        if active and too_few_days(active["days_remaining"], self.min_days_remaining):
            days = active["days_remaining"]
            kind = "certificate_expired" if days is not None and days < 0 else "certificate_expiring"
            yield _difference(kind, days_in_words(days), self.days_in_words())
        if self.exclusive is not False and self.fingerprints:
            others = [one for one in client_auth["certificates"] if self.supersedes(one)]
            if others:
                yield _difference("superseded", listed(map(certificate_in_words, others)), "none")

    def supersedes(self, certificate: Mapping[str, Any]) -> bool:
        """Whether a certificate of the zone is one that should go where no other is to be there."""
        return certificate["fingerprint_sha256"] not in self.fingerprints and certificate["status"] not in TO_BE_GONE

    def days_in_words(self) -> str:
        return f"at least {self.min_days_remaining} days"


def _fingerprint_of(association: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    certificates = {one["id"]: one["fingerprint_sha256"] for one in found["certificates"]}
    fingerprint: str | None = certificates.get(association["certificate_id"])
    return fingerprint


def too_few_days(days: int | None, minimum: int) -> bool:
    """Whether a certificate lasts for too few days, or nobody can tell."""
    return days is None or days < minimum


def _difference(kind: str, found: str | None, wanted: str | None) -> Difference:
    return Difference(kind, clean(found or "unknown"), clean(wanted or "unknown"))


def _hostnames(value: Any, option: str) -> tuple[HostnamePosture, ...]:
    if not value or (isinstance(value, str) and not value.strip()):
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, Mapping) for one in value):
        raise InputError(f"{option} must be a list of dictionaries with hostname, enabled and certificate.")
    found = []
    for one in value:
        hostname = str(one.get("hostname") or "").strip().rstrip(".").lower()
        if not hostname:
            raise InputError(f"{option} must have a hostname in each of its items.")
        certificate = str(one.get("certificate") or "").strip()
        fingerprints = _fingerprints(certificate, f"{option}: certificate of {hostname}") if certificate else ()
        found.append(
            HostnamePosture(hostname, truth(one.get("enabled"), f"{option}: enabled of {hostname}"), fingerprints)
        )
    repeated = sorted({one.hostname for one in found if [two.hostname for two in found].count(one.hostname) > 1})
    if repeated:
        raise InputError(f"{option} names {either(repeated)} more than once.")
    return tuple(found)


def _fingerprints(pem: str, option: str) -> tuple[str, ...]:
    """Of all certificates in a text. No authority's is ever presented, so nobody has to tell which one is the leaf."""
    blocks = [block for label, block in pem_blocks(pem) if label in CERTIFICATE_LABELS]
    try:
        found = [base64.b64decode("".join(block.splitlines()[1:-1]), validate=True) for block in blocks]
    except binascii.Error:
        found = []
    if not found:
        raise InputError(
            f"{option} holds no certificate in PEM ('-----BEGIN CERTIFICATE-----'). It takes the text, not the path: "
            "for a file use lookup('ansible.builtin.file', path)."
        )
    return tuple(hashlib.sha256(der).hexdigest() for der in found)


# ------------------------------------------------------------------------------------------------------- in words

_LONGEST_TEXT = 600


def clean(text: str) -> str:
    """Text that others chose, made fit for terminals and pages: nothing that moves a cursor or turns a line around."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…"


def certificate_in_words(certificate: Mapping[str, Any]) -> str:
    """With as much of the fingerprint as tells certificates apart."""
    if not certificate["fingerprint_sha256"]:
        return "one that cannot be parsed"
    return f"{certificate['subject']} ({certificate['fingerprint_sha256'][:16]})"


def days_in_words(days: int | None) -> str:
    if days is None:
        return "unknown"
    counted = f"{abs(days)} {'day' if abs(days) == 1 else 'days'}"
    return f"{counted} left" if days >= 0 else f"expired {counted} ago"


def on(value: bool | None) -> str | None:
    return None if value is None else "on" if value else "off"


def listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "none"


def either(items: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
