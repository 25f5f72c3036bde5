#!/usr/bin/env bash
# Usage: fetch-python.sh schemathesis|dbt
# Fetches what the tests need of Python into .cache/NAME/, once: Schemathesis, which tries the API against its description
# (120 MB of disk), or dbt, which builds the models of deploy/dbt (160 MB). Needs python3 with venv.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-}
list=deploy/$name.txt
if [[ -z $name || ! -f $list ]]; then
    echo "usage: $0 schemathesis|dbt" >&2
    exit 2
fi
folder=.cache/$name
mark=$folder/.complete

# The versions stand in the list: a changed list is fetched again.
if [[ -f $mark && ! $list -nt $mark ]]; then
    exit 0
fi

echo "fetching $name"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$list" || {
    echo "fetch-python: pip could not install what $list names; check the network and \`pip config list\`, then run this again" >&2
    exit 1
}
touch "$mark"
