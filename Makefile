# One profile (release) for everything: a cold machine builds each dependency once.

# Arguments of the demo, such as ARGS="--rate 1000".
ARGS ?=

.PHONY: demo test check bench bench-verify

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

# `verify` and `reconcile` alone, on a day of 20 million records.
bench-verify:
	deploy/fetch-engine.sh
	cargo test --release --locked --bench figures -- verify
