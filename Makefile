# One profile (release) for everything: a cold machine builds each dependency once.

# Arguments of the demo, such as ARGS="--rate 1000".
ARGS ?=

# Of `make chaos`: it ends after so many seconds or faults.
SECONDS ?= 7200
FAULTS ?= 1000
SEED ?= 1

# Of `make pressure`: how long ClickHouse is away, at so many events/s; records of the burst, each with keys of its own.
AWAY ?= 600
RATE ?= 4000
KEYS ?= 10000000

.PHONY: demo test check bench chaos pressure bench-verify

# Everything embedded: broker, ClickHouse engine, generator, pipeline, board.
demo:
	deploy/check-prerequisites.sh demo
	deploy/fetch-engine.sh
	cargo build --release --locked
	target/release/yinliu demo $(ARGS)

# All tests, against a real ClickHouse engine and a real Apache Kafka; of the benchmarks whether they run.
test:
	deploy/check-prerequisites.sh test
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	cargo test --release --locked
	cargo test --release --locked --bench figures -- --quick

# What must hold of the text: format, lints, documentation.
check:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items

bench:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	cargo test --release --locked --bench figures

# The schedule of faults that the tests run for three minutes, for as long as it takes; and kills at full load.
chaos:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	CHAOS_SECONDS=$(SECONDS) CHAOS_FAULTS=$(FAULTS) CHAOS_SEED=$(SEED) KILL_RATE=20000 KILLS=5 \
		cargo test --release --locked --test integration -- chaos:: --nocapture --test-threads=1

# The same as in the tests, ten times as long and a hundred times as much.
pressure:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	PRESSURE_SECONDS=$(AWAY) PRESSURE_RATE=$(RATE) BURST_KEYS=$(KEYS) \
		cargo test --release --locked --test integration -- clickhouse_that_is_away burst_of --nocapture --test-threads=1

# `verify` and `reconcile` alone, on a day of 20 million records.
bench-verify:
	deploy/fetch-engine.sh
	cargo test --release --locked --bench figures -- verify
