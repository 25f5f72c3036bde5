#!/usr/bin/env bash
# Fetches the embedded ClickHouse engine into .cache/engine/libchdb.so, once. Needs npm and 600 MB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
source deploy/engine.env

folder=.cache/engine
library=$folder/libchdb.so
mark=$folder/$ENGINE_SHA256

# The mark spares the checksum of 566 MB on every start; it is written after the checksum was right.
if [[ -f $library && -f $mark && ! $library -nt $mark ]]; then
    exit 0
fi

fail() {
    echo "fetch-engine: $*" >&2
    exit 1
}

[[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "the embedded engine exists for Linux on x86_64 alone, this is $(uname -sm); use a ClickHouse server (clickhouse.url) instead of the demo"

has_right_checksum() {
    [[ -f $1 ]] && echo "$ENGINE_SHA256  $1" | sha256sum --check --status
}

if ! has_right_checksum "$library"; then
    echo "fetching $ENGINE_PACKAGE $ENGINE_VERSION (180 MB)"
    rm -rf "$folder"
    mkdir -p "$folder"
    npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
        "$ENGINE_PACKAGE@$ENGINE_VERSION" ||
        fail "npm could not install $ENGINE_PACKAGE@$ENGINE_VERSION; check the network and \`npm config get registry\`, then run this again"
    fetched=$folder/node_modules/$ENGINE_PACKAGE/libchdb.so
    has_right_checksum "$fetched" ||
        fail "libchdb.so of $ENGINE_PACKAGE $ENGINE_VERSION has not the checksum of deploy/engine.env; it was not installed. Delete $folder and run this again; if it stays, the package was changed: do not use it"
    mv "$fetched" "$library"
    rm -rf "$folder/node_modules"
fi
touch "$mark"
