# The recipes of the project. `just` lists them.

[private]
default:
    @just --list --unsorted

# Serve the API on its private MariaDB, with Swagger UI at http://localhost:8088/api/docs
run *ARGS:
    cargo run --release -- {{ARGS}}

# Run the tests; a name runs those that contain it
test *ARGS:
    cargo test {{ARGS}}

# Prove that the tests detect each lie of tests/lies when it is built into the service; --sample 5, or names
lies *ARGS:
    .ci/lies {{ARGS}}

# Run everything that CI checks
check:
    bash .ci/run

# Compare the document that the code generates with the contract, for every contract
openapi-check:
    cargo run --quiet -- openapi --check

# Lint the contracts, and prove that each rule of the lint reports a broken contract
lint:
    .ci/lint

# Fuzz the running service from the contract, for a few minutes; LONG=1: 100,000 cases
fuzz *ARGS:
    .ci/fuzz {{ARGS}}

# Change src/api at one place at a time and check that a test fails each time; stops after an hour, and the next run continues
mutants *ARGS:
    .ci/mutants {{ARGS}}

# Compare with the limits of the database and with a simple server, in minutes; SIZE=large adds 1,000,000 rows
bench *ARGS:
    .ci/bench {{ARGS}}

# Break the database, the network and the service under load, and compare what clients were told with the rows; a name runs one fault, --readme writes the table into tests/faults/README.md
faults *ARGS:
    .ci/faults {{ARGS}}

# Run a mixed load with random faults for MINUTES=60, and draw memory, descriptors, connections and latency over time in tests/faults/soak.svg
soak *ARGS:
    .ci/faults --soak {{ARGS}}

# Run three nodes of Galera, HAProxy and two replicas of the service on this machine; Ctrl-C stops everything
cluster:
    deploy/cluster

# Break such a cluster under load, and compare what clients were told with the rows of all nodes; --ci two faults, or their names
test-cluster *ARGS:
    .ci/test-cluster {{ARGS}}

# Check the scripts, HAProxy's configuration, the systemd unit and the container image of deploy/
check-deploy:
    .ci/deploy

# Start the service and a real Prometheus, send a known load, and compare what Prometheus says with what was sent
test-metrics:
    .ci/metrics

# Attack the service with strangers' tools and test cases; a name runs one tool, --list prints them, --readme writes the table into tests/hostile/README.md
attack *ARGS:
    .ci/attack {{ARGS}}

# Count the instructions of the hot paths and compare with tests/bench/instructions.txt; --write replaces its counts
count-instructions *ARGS:
    .ci/instructions {{ARGS}}

# Check the licences and sources of the dependencies; `advisories` checks them for known vulnerabilities
deny *CHECKS:
    .ci/deny {{CHECKS}}

# Print how long it takes to refuse a login: for an unknown email, a wrong password, a row in plain text
login-timing:
    cargo test --locked --lib login_timing -- --ignored --nocapture

# Generate a client with each generator of tests/clients into target/clients; a name selects one
clients *NAMES:
    .ci/clients {{NAMES}}

# Call every operation with each generated client, on a server of its own
test-clients *NAMES:
    .ci/clients --test {{NAMES}}

# Open the documentation page in a headless Chromium and try operations
test-browser:
    .ci/browser

# Run the examples of the pages as they are written
pages:
    .ci/pages

# Print what the last runs proved about each operation; --readme also writes it into tests/README.md
proof *ARGS:
    .ci/proof {{ARGS}}

# Check the released contracts, list the changes for clients since the newest, and check that the version moved far enough; a name compares only that contract
compare-contract *NAME:
    .ci/contract compare {{NAME}}

# Release each contract, or the one of this name: keep a copy and pin its hash. Once committed, neither may change
release-contract *NAME:
    .ci/contract release {{NAME}}

# Write src/db/schema.rs from the migrations
schema:
    .ci/schema

# Run both command lines of the README on a bare Debian (debootstrap and chroot, as root)
test-bare *LINES:
    .ci/test-bare {{LINES}}
