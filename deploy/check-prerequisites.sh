#!/usr/bin/env bash
# Usage: check-prerequisites.sh demo|test
# Names everything that is missing, before anything is built. For tests on Debian as root it installs what apt has.
set -euo pipefail

purpose=${1:-}
if [[ $purpose != demo && $purpose != test ]]; then
    echo "usage: $0 demo|test" >&2
    exit 2
fi

node_major() {
    node --version | sed -n 's/^v\([0-9]*\).*/\1/p'
}

java_major() {
    java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
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
    if ! command -v cargo >/dev/null; then
        echo "missing: cargo, Rust 1.95 or later; see https://rustup.rs (Debian's is older)" >&2
        others+=(cargo)
    fi
    need cc gcc "a C compiler, for librdkafka, zstd and OpenSSL"
    need c++ g++ "a C++ compiler, for librdkafka"
    need make make "librdkafka and OpenSSL are built with it"
    need perl perl "OpenSSL is configured with it"
    need npm npm "it fetches the embedded ClickHouse engine"
    if [[ $purpose != demo ]]; then
        need mvn maven "it fetches Apache Kafka"
        need java default-jdk-headless "Apache Kafka runs on it"
        if command -v java >/dev/null && [[ $(java_major) -lt 17 ]]; then
            echo "too old: java $(java_major), Apache Kafka needs 17; Debian: apt-get install openjdk-17-jre-headless" >&2
            packages+=(openjdk-17-jre-headless)
        fi
        need python3 python3 "Schemathesis and dbt, of the tests, run on it"
        if command -v python3 >/dev/null && ! python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "missing: python3 3.11 or later with venv, Schemathesis and dbt run on it; Debian: apt-get install python3-venv" >&2
            packages+=(python3-venv)
        fi
        if ! command -v node >/dev/null || [[ $(node_major) -lt 20 ]]; then
            echo "missing: node 20 or later, it drives the browser of the tests; Debian 13: apt-get install nodejs, before it see https://nodejs.org" >&2
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
