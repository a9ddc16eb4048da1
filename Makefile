# The commands of the project. Each is a line or two: the work is in tools/ and in the CMake presets.
.PHONY: help setup packages demo run test soak bench fuzz build format tidy clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

JOBS ?= 2

help:        ## show this help
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:       ## install what build, tests and demo need (apt packages, .venv, Kafka)
	@tools/setup

packages:
	@tools/setup build

build: packages ## build the release binary: build/release/signaldb-writer
	@cmake --preset release >/dev/null
	@cmake --build --preset release --target signaldb-writer

demo: build  ## start the service, send real telemetry, read it back with other engines
	@tools/demo

run: build   ## start the service with its defaults, in the foreground
	@build/release/signaldb-writer run

test: setup  ## build everything and run every test of the default run
	@tools/collector
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev
	@ctest --preset dev -j$(JOBS) -LE '^nightly$$'

soak: setup build ## a million records of each source through three writers that crash
	@tools/soak

bench: packages ## build the release benches and run them all, or one: PART=library
	@tools/bench $(PART)

fuzz: packages  ## run every fuzz target for a minute
	@tools/fuzz

format: packages ## format the C++ sources
	@tools/format

tidy: packages  ## run clang-tidy over every source file (slow)
	@tools/clang_tidy --all

clean:       ## remove build/ (never .venv nor data)
	@rm -rf build
