# What there is to do here; `just` alone lists it.

[private]
default:
    @just --list --unsorted

# Serve the API on its private MariaDB, with Swagger UI at http://localhost:8088/api/docs
run *ARGS:
    cargo run --release -- {{ARGS}}

# Run the tests; a name runs those that contain it
test *ARGS:
    cargo test {{ARGS}}

# Prove that the tests see lies: build each of tests/lies into the service, one at a time; --sample 5, or names
lies *ARGS:
    .ci/lies {{ARGS}}

# Everything that CI checks
check:
    bash .ci/run

# Compare the document that the code generates with the contract, for every contract
openapi-check:
    cargo run --quiet -- openapi --check

# Lint the contracts, and prove that the lint bites
lint:
    .ci/lint

# Fuzz the running service from the contract, for minutes; LONG=1: 100,000 cases
fuzz *ARGS:
    .ci/fuzz {{ARGS}}

# Change src/api in one place at a time and see a test fail each time, for an hour; then again to go on
mutants *ARGS:
    .ci/mutants {{ARGS}}

# Measure against the database's limits and a plain server, in minutes; SIZE=large: 1,000,000 rows too
bench *ARGS:
    .ci/bench {{ARGS}}

# Count the instructions of the hot paths and compare with tests/bench/instructions.txt; --write keeps the new ones
count-instructions *ARGS:
    .ci/instructions {{ARGS}}

# Generate a client with each generator under tests/clients into target/clients; a name makes only that one
clients *NAMES:
    .ci/clients {{NAMES}}

# Walk through the shop with each generated client, on a server of their own
test-clients *NAMES:
    .ci/clients --test {{NAMES}}

# Open the documentation in a headless Chromium and try operations out
test-browser:
    .ci/browser

# Print what the last runs proved of each operation; --readme also puts it into the README
proof *ARGS:
    .ci/proof {{ARGS}}

# Check the released contracts, list what changed for clients since the newest, and whether the version moved enough; a name compares only that contract
compare-contract *NAME:
    .ci/contract compare {{NAME}}

# Keep each contract (or the one of this name) as released, and pin it: once that is committed, neither changes again
release-contract *NAME:
    .ci/contract release {{NAME}}

# Print src/db/schema.rs anew, from the migrations
schema:
    .ci/schema

# Run both lines of the README on a bare Debian (debootstrap and chroot; as root)
test-bare *LINES:
    .ci/test-bare {{LINES}}
