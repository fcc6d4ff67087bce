#!/usr/bin/env bash
# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# A thousand zones as inventory: listed by 20 requests, then from the cache; run over; refused with one message.

set -eux -o pipefail

directory=$(mktemp -d)
export CLOUDFLARE_API_TOKEN=canary_token_0123456789abcdefghijklmnop
export ANSIBLE_FORCE_COLOR=false ANSIBLE_NOCOLOR=true

mapfile -t zones < <(seq -f '--zone=zone%04g.example' 1000)
python -B ../../../emulator "${zones[@]}" --token "$CLOUDFLARE_API_TOKEN" \
    --ready-file "$directory/url" >"$directory/output" 2>&1 &
emulator=$!
trap 'kill "$emulator"; rm -r "$directory"' EXIT
timeout 180 sh -c "until test -s '$directory/url'; do sleep 0.1; done"
CLOUDFLARE_BASE_URL=$(cat "$directory/url")
export CLOUDFLARE_BASE_URL

requests() {
    python -c 'import json, sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as answer: print(len(json.load(answer)["result"]))' \
        "${CLOUDFLARE_BASE_URL/client\/v4/emulator}/journal"
}

told_no_secret() {
    if grep -r -F -e canary "$@"; then exit 1; fi
}

cat >"$directory/our.cloudflare.yml" <<YAML
plugin: originsec.cloudflare.zones
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: $directory/cache
keyed_groups:
  - prefix: plan
    key: cloudflare_zone_plan
groups:
  canaries: cloudflare_zone_name in ['zone0001.example', 'zone0002.example']
YAML

ansible-inventory -i "$directory/our.cloudflare.yml" --graph | tee "$directory/graph"
test "$(requests)" = 20
for group in zones plan_Pro_Website; do
    sed -n "/@$group:/,/@/p" "$directory/graph" | grep -c 'zone.*example' | grep -x 1000
done
ansible-inventory -i "$directory/our.cloudflare.yml" --list >"$directory/list"
grep -c cloudflare_zone_id "$directory/list" | grep -x 1000
told_no_secret "$directory/list" "$directory/cache"
test "$(requests)" = 20

# The hosts run here, and name their zones to the modules.
cat >"$directory/look.yml" <<YAML
- name: Look at some zones
  hosts: canaries
  gather_facts: false
  tasks:
    - name: Read the SSL mode
      originsec.cloudflare.origin_tls_info:
        zone_id: "{{ cloudflare_zone_id }}"
        gather_subset: ssl
YAML
ansible-playbook -i "$directory/our.cloudflare.yml" "$directory/look.yml" | tee "$directory/play"
grep -c 'ok=1 .*failed=0' "$directory/play" | grep -x 2
test "$(requests)" = 22
ansible-playbook -i "$directory/our.cloudflare.yml" "$directory/look.yml" --flush-cache --list-hosts
test "$(requests)" = 42

# An ad-hoc command hardens the zones of the inventory, each of which is found by its own id.
site="${CLOUDFLARE_BASE_URL/client\/v4/site}/zone0001.example/"
for changed in true false; do
    ansible canaries -i "$directory/our.cloudflare.yml" -m originsec.cloudflare.origin_tls \
        -a "auto_origin_tls_kex=true verify_urls=$site verify_settle=0" | tee "$directory/adhoc"
    grep -c "\"changed\": $changed" "$directory/adhoc" | grep -x 2
    told_no_secret "$directory/adhoc"
done

# What is wrong is told once, and is a failure where inventories must be good.
refused() {
    if ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true \
        ansible-inventory -i "$directory/our.cloudflare.yml" --list -vvvv >"$directory/refused" 2>&1; then exit 1; fi
    tr -s '\n ' ' ' <"$directory/refused" | grep -F -e "$1"
    told_no_secret "$directory/refused"
}
echo 'acount_id: 01a7362d577a6c3019a474fd6f485823' >>"$directory/our.cloudflare.yml"
refused 'No such option: acount_id.'
sed -i '/acount_id/d' "$directory/our.cloudflare.yml"
CLOUDFLARE_API_TOKEN=canary_wrong refused 'Invalid access token'
CLOUDFLARE_API_TOKEN='' refused 'There are no credentials'
