#!/usr/bin/env bash
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What one does at the command line: ad-hoc commands, and the documentation.

set -eux -o pipefail

zone=0123456789abcdef0123456789abcdef
directory=$(mktemp -d)
export CLOUDFLARE_API_TOKEN=canary_token_0123456789abcdefghijklmnop
export ANSIBLE_FORCE_COLOR=false ANSIBLE_NOCOLOR=true

python -B ../../../emulator --zone "example.com=$zone" --token "$CLOUDFLARE_API_TOKEN" \
    --ready-file "$directory/url" >"$directory/output" 2>&1 &
emulator=$!
trap 'kill "$emulator"; rm -r "$directory"' EXIT
timeout 180 sh -c "until test -s '$directory/url'; do sleep 0.1; done"
CLOUDFLARE_BASE_URL=$(cat "$directory/url")
export CLOUDFLARE_BASE_URL

adhoc() {
    ansible localhost -m "originsec.cloudflare.$1" -a "$2" "${@:3}" | tee "$directory/result"
    ! grep -F -e "$CLOUDFLARE_API_TOKEN" "$directory/result"
}

# A bare off is the value "off", and the second run changes nothing.
adhoc origin_pqe "zone_id=$zone value=off" --check
grep -F '"changed": true' "$directory/result"
adhoc origin_pqe "zone_id=$zone value=off"
grep -F '"changed": true' "$directory/result"
grep -F '"value": "off"' "$directory/result"
adhoc origin_pqe "zone_id=$zone value=off"
grep -F '"changed": false' "$directory/result"

adhoc auto_origin_tls_kex "zone=example.com enabled=yes" --diff
grep -F -e '+    "enabled": true' "$directory/result"
adhoc origin_tls_compliance_modes "zone=example.com modes=fips,pqh"
grep -F '"changed": true' "$directory/result"
adhoc origin_tls_info "zone=example.com gather_subset=kex,pqe,compliance"
grep -F '"auto_origin_tls_kex": true' "$directory/result"
grep -F '"origin_pqe": "off"' "$directory/result"

# Every module is documented.
ansible-doc --list --type module originsec.cloudflare | sed -n 's/^\(originsec[^ ]*\) .*/\1/p' >"$directory/modules"
test "$(wc -l <"$directory/modules")" -ge 6
while read -r module; do
    ansible-doc --type module "$module" >"$directory/documentation"
    for section in OPTIONS EXAMPLES "RETURN VALUES"; do
        grep "^$section" "$directory/documentation"
    done
done <"$directory/modules"
