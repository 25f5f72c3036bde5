# One profile (release) for everything: a cold machine builds each dependency once.

# Arguments of the demo, such as ARGS="--rate 1000".
ARGS ?=

# Of `make chaos`: it ends after so many faults.
FAULTS ?= 1000

# Of `make fuzz`: so long at each door.
SECONDS ?= 600

# Of `make pressure`: how long ClickHouse is away, at so many events/s; records of the burst, each with keys of its own.
AWAY ?= 600
RATE ?= 4000
KEYS ?= 10000000

# Histories of `make simulate`: so many from 0 on. Those of `make corrections` take seconds each: a hundredth of them.
SEEDS ?= 10000

# Of `make chaos`: the schedule of this seed. Of `make simulate` and `make corrections`: this history alone, which tells what
# happens in it.
SEED ?=

# Mutated records of `make mutated`.
RECORDS ?= 10000000

# What bytes come in through; see src/hostile.rs.
DOORS ?= record config csv engine

# The coverage that a fuzzer follows, and the checks that the program has for tests.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=on -Coverflow-checks=on -Ccodegen-units=1
# With a target, so that build scripts are built without them.
FUZZ := RUSTFLAGS="$(FUZZ_FLAGS)" cargo test --release --locked --features fuzzing --test fuzz \
	--target $(shell rustc -vV | sed -n 's/^host: //p') --target-dir target/fuzz

.PHONY: demo test check audit bench chaos pressure browser bench-board bench-verify bench-warehouse simulate corrections mutants fuzz mutated

# Everything embedded: broker, ClickHouse engine, generator, pipeline, board.
demo:
	deploy/check-prerequisites.sh demo
	deploy/fetch-engine.sh
	cargo build --release --locked
	target/release/yinliu demo $(ARGS)

# All tests, against a real ClickHouse engine, a real Apache Kafka and a real Chromium; of the benchmarks whether they run.
# The checks in a browser come by themselves, and are allowed four times as long as with `make browser`.
test:
	deploy/check-prerequisites.sh test
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	deploy/fetch-python.sh schemathesis
	deploy/fetch-python.sh dbt
	deploy/fetch-browser.sh
	deploy/fetch-nginx.sh
	cargo test --release --locked -- --skip browser::
	cargo test --release --locked --test integration -- browser::
	cargo test --release --locked --bench figures -- --quick

# What must hold of the text: format, lints, documentation.
check:
	cargo fmt --check
	cargo clippy --release --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --document-private-items

# Licences, banned crates and sources by cargo-deny; advisories as well, where their data base can be reached.
audit:
	cargo install cargo-deny --locked --version 0.20.2 --root target/tools
	target/tools/bin/cargo-deny check bans licenses sources
	if target/tools/bin/cargo-deny fetch db; then target/tools/bin/cargo-deny check advisories; \
		else echo "advisories were not looked at: their data base cannot be reached"; fi

# Whole histories of the pipeline against simulated Kafka and ClickHouse.
simulate:
	YINLIU_SIMULATION_SEEDS=$(or $(SEED),0..$(SEEDS)) \
		cargo test --release --locked --test integration -- --nocapture simulation::every_history

# Whole histories of `reconcile` on a real engine.
corrections:
	deploy/fetch-engine.sh
	YINLIU_CORRECTION_SEEDS=$(or $(SEED),0..$(shell echo $$(($(SEEDS) / 100)))) \
		cargo test --release --locked --test integration -- --nocapture corrections::every_history

# Whether the simulation finds each of the bugs that are planted on purpose.
mutants:
	deploy/fetch-engine.sh
	cargo test --release --locked --features mutants --test integration -- --nocapture simulation::every_planted_bug

bench:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	cargo test --release --locked --bench figures

# The schedule of faults that the tests run for three minutes, for as long as it takes; and kills at full load.
chaos:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	CHAOS_FAULTS=$(FAULTS) CHAOS_SEED=$(or $(SEED),1) KILL_RATE=20000 KILLS=20 \
		cargo test --release --locked --test integration -- chaos:: --nocapture --test-threads=1

# The same as in the tests, ten times as long and a hundred times as much.
pressure:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	PRESSURE_SECONDS=$(AWAY) PRESSURE_RATE=$(RATE) BURST_KEYS=$(KEYS) \
		cargo test --release --locked --test integration -- clickhouse_that_is_away burst_of --nocapture --test-threads=1

# Every door, by a fuzzer that follows the code. An input that breaks one is left in tests/corpus/, whose inputs the tests
# try; so are those by which it came further.
fuzz:
	$(FUZZ) --no-run
	for door in $(DOORS); do \
		found=target/fuzz/found/$$door new=target/fuzz/new/$$door kept=tests/corpus/$$door; \
		rm -rf $$new; mkdir -p $$found $$new $$kept; export FUZZ_DOOR=$$door; \
		FUZZ_INPUTS=$$found $(FUZZ) -- $$found -artifact_prefix=$$kept/ -max_total_time=$(SECONDS) -timeout=10 \
			-rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
		FUZZ_INPUTS=$$new $(FUZZ) -- -merge=1 -use_counters=0 -timeout=10 $$new $$found || exit 1; \
		find $$new -type f ! -name 'known-*' -exec cp -n {} $$kept \; ; \
	done

# Mutated records, and the extremes of what a broker takes, through a real broker into a real warehouse.
mutated:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	MUTATED_RECORDS=$(RECORDS) \
		cargo test --release --locked --test integration -- mutated_records extremes_and_bombs --nocapture --test-threads=1

# The board in a browser, and the demo, each alone and held to the times that are promised; the pictures of its pages are kept.
browser:
	deploy/check-prerequisites.sh test
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	deploy/fetch-browser.sh
	deploy/fetch-python.sh dbt
	ALONE=1 cargo test --release --locked --test integration -- --nocapture --test-threads=1 browser:: demo::

# The board alone: 2,000 viewers of 400 stores at 20,000 events/s; and what it holds over an hour of updates.
bench-board:
	deploy/fetch-engine.sh
	deploy/fetch-kafka.sh
	cargo test --release --locked --bench figures -- board hour

# `verify` and `reconcile` alone, on a day of 20 million records.
bench-verify:
	deploy/fetch-engine.sh
	cargo test --release --locked --bench figures -- verify

# The warehouse alone: what is asked of 20 million register rows of today, a month and a year; and refreshes of 100 million facts.
bench-warehouse:
	deploy/fetch-engine.sh
	cargo test --release --locked --bench figures -- warehouse refresh
