#!/usr/bin/env bash
# Fetches Schemathesis, which tries the API against its description, into .cache/schemathesis/, once. Needs python3 with
# venv and 120 MB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.cache/schemathesis
mark=$folder/.complete
list=deploy/schemathesis.txt

# The versions stand in the list: a changed list is fetched again.
if [[ -f $mark && ! $list -nt $mark ]]; then
    exit 0
fi

echo "fetching Schemathesis"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$list" || {
    echo "fetch-schemathesis: pip could not install what $list names; check the network and \`pip config list\`, then run this again" >&2
    exit 1
}
touch "$mark"
