#!/usr/bin/env bash
# Finds Chromium for the tests in a browser, and fetches what drives it into tests/browser/node_modules/, once.
# On Debian as root it installs Chromium and a font for Chinese.
set -euo pipefail
cd "$(dirname "$0")/.."

# The names under which distributions install it.
find_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome-stable || command -v google-chrome
}

if ! find_browser >/dev/null; then
    if [[ -f /etc/debian_version && $(id -u) -eq 0 ]]; then
        echo "installing, as this is Debian and we are root: apt-get install chromium fonts-noto-cjk"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null
    fi
    find_browser >/dev/null || {
        echo "fetch-browser: no Chromium; Debian: apt-get install chromium fonts-noto-cjk; then run this again" >&2
        exit 1
    }
fi

folder=tests/browser
mark=$folder/node_modules/.complete

# The versions stand in the lock: a changed lock is fetched again.
if [[ -f $mark && ! $folder/package-lock.json -nt $mark ]]; then
    exit 0
fi
echo "fetching playwright-core and axe-core (4 MB)"
npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error || {
    echo "fetch-browser: npm could not install what $folder/package-lock.json names; check the network and \`npm config get registry\`, then run this again" >&2
    exit 1
}
touch "$mark"
