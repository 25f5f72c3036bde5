# One profile (release) for everything: a cold machine builds each dependency once.

# Arguments of the demo, such as ARGS="--rate 1000".
ARGS ?=

# Histories of `make simulate`: so many from 0 on, or one that tells what happens in it.
SEEDS ?= 10000
SEED ?=

.PHONY: demo test check bench simulate mutants

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

# Whole histories of the pipeline against simulated Kafka and ClickHouse.
simulate:
	YINLIU_SIMULATION_SEEDS=$(or $(SEED),0..$(SEEDS)) \
		cargo test --release --locked --test integration -- --nocapture simulation::every_history

# Whether the simulation finds each of the bugs that are planted on purpose.
mutants:
	cargo test --release --locked --features mutants --test integration -- --nocapture simulation::every_planted_bug

bench:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	cargo test --release --locked --bench figures
