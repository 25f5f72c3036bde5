#!/usr/bin/env bash
# Fetches a real Apache Kafka for the tests into .cache/kafka/, once. Needs java and mvn, and 50 MB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.cache/kafka
mark=$folder/.complete

# The versions stand in the pom: a changed pom is fetched again.
if [[ -f $mark && ! deploy/kafka-pom.xml -nt $mark ]]; then
    exit 0
fi

echo "fetching Apache Kafka (43 MB)"
rm -rf "$folder"
mkdir -p "$folder"
mvn --batch-mode --quiet --file deploy/kafka-pom.xml dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$PWD/$folder" || {
    echo "fetch-kafka: mvn could not fetch the jars of deploy/kafka-pom.xml; check the network and the mirrors in ~/.m2/settings.xml, then run this again" >&2
    exit 1
}
touch "$mark"
