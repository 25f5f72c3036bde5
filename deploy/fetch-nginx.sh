#!/usr/bin/env bash
# Finds nginx for the test of deploy/nginx.conf, or unpacks Debian's into .cache/nginx/, once: nothing is installed or started.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.cache/nginx
program=$folder/usr/sbin/nginx

if [[ -x $program ]] || command -v nginx >/dev/null; then
    exit 0
fi
fail() {
    echo "fetch-nginx: $*" >&2
    exit 1
}
[[ -f /etc/debian_version ]] || fail "no nginx; install it, then run this again"
echo "fetching Debian's nginx (1 MB)"
rm -rf "$folder"
mkdir -p "$folder"
(
    cd "$folder"
    apt-get download -qq nginx 2>/dev/null || {
        [[ $(id -u) -eq 0 ]] && apt-get update -qq && apt-get download -qq nginx
    }
) || fail "apt-get could not download nginx; as root: apt-get update; then run this again"
dpkg -x "$folder"/nginx_*.deb "$folder"
rm "$folder"/nginx_*.deb
"$program" -v 2>/dev/null || fail "nginx does not start; its libraries: apt-get install libpcre2-8-0 libssl3"
