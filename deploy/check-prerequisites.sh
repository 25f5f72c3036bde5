#!/usr/bin/env bash
# Usage: check-prerequisites.sh demo|test
# Names everything that is missing with the command that installs it, before anything is fetched or built. For tests on
# Debian as root it installs what apt has.
set -euo pipefail

purpose=${1:-}
if [[ $purpose != demo && $purpose != test ]]; then
    echo "usage: $0 demo|test" >&2
    exit 2
fi

# The number of the first group; 0 where the text says none.
major() {
    [[ $2 =~ $1 ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# What `rust-version` of Cargo.toml says, as 1.95.
rust_needed() {
    local line manifest=${BASH_SOURCE[0]%/*}/../Cargo.toml
    while IFS= read -r line; do
        if [[ $line =~ ^rust-version\ =\ \"([0-9]+\.[0-9]+)\" ]]; then
            echo "${BASH_REMATCH[1]}"
        fi
    done <"$manifest"
}

# is_older FOUND NEEDED, each as 1.95
is_older() {
    ((10#${1%%.*} < 10#${2%%.*} || (10#${1%%.*} == 10#${2%%.*} && 10#${1#*.} < 10#${2#*.})))
}

check_rust() {
    local needed found
    needed=$(rust_needed)
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        echo "missing: cargo, Rust $needed or later (Debian's is older); curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" >&2
        others+=(cargo)
        return
    fi
    [[ $(rustc --version) =~ ^rustc\ ([0-9]+\.[0-9]+) ]] && found=${BASH_REMATCH[1]} || found=0.0
    if is_older "$found" "$needed"; then
        echo "too old: rustc $found, $needed is needed; rustup update stable, or without rustup: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y" >&2
        others+=(rustc)
    fi
}

packages=()
others=()

# need COMMAND PACKAGE REASON
need() {
    if ! command -v "$1" >/dev/null; then
        echo "missing: $1 ($3); Debian: apt-get install $2" >&2
        packages+=("$2")
    fi
}

check() {
    packages=()
    others=()
    check_rust
    need cc gcc "a C compiler, for librdkafka, zstd and OpenSSL"
    need c++ g++ "a C++ compiler, for librdkafka"
    need make make "librdkafka and OpenSSL are built with it"
    need perl perl "OpenSSL is configured with it"
    need npm npm "it fetches the embedded ClickHouse engine"
    if [[ $purpose != demo ]]; then
        need mvn maven "it fetches Apache Kafka"
        need java default-jdk-headless "Apache Kafka runs on it"
        local java node
        java=$(major 'version "([0-9]+)' "$(java -version 2>&1 || true)")
        if command -v java >/dev/null && [[ $java -lt 17 ]]; then
            echo "too old: java $java, Apache Kafka needs 17; Debian: apt-get install openjdk-17-jre-headless" >&2
            packages+=(openjdk-17-jre-headless)
        fi
        need python3 python3 "Schemathesis and dbt, of the tests, run on it"
        if command -v python3 >/dev/null && ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "missing: python3 3.11 or later with venv, Schemathesis and dbt run on it; Debian: apt-get install python3-venv" >&2
            packages+=(python3-venv)
        fi
        node=$(major '^v([0-9]+)' "$(node --version 2>/dev/null || true)")
        if [[ $node -lt 20 ]]; then
            echo "missing: node 20 or later (it drives the browser of the tests); Debian 13: apt-get install nodejs; elsewhere: npm install --global n && n 20" >&2
            others+=(node)
        fi
    fi
}

check
if [[ ${#packages[@]} -gt 0 && $purpose != demo && -f /etc/debian_version && $(id -u) -eq 0 ]]; then
    echo "installing, as this is Debian and we are root: apt-get install ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    check
fi
if [[ ${#packages[@]} -gt 0 || ${#others[@]} -gt 0 ]]; then
    echo "install the above, then run this again" >&2
    exit 1
fi
