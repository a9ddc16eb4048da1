#!/bin/sh
# consumer_test.sh BUILD_DIR SOURCE_DIR: installs the library into a folder of its own, then builds
# an example outside the tree against it, once by CMake and once by pkg-config, and runs both.
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --component signaldb --prefix "$work/prefix" >/dev/null
# The examples are copied: nothing of the tree is in reach.
cp "$source"/examples/transactions.cc "$source"/examples/gauge_batch.h "$work"
cp -r "$source"/tests/install/consumer "$work/consumer"

cmake -S "$work/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DEXAMPLE="$work/transactions.cc" >/dev/null
cmake --build "$work/build" >/dev/null
"$work/build/consumer"

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name signaldb.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # Flags are words.
c++ -std=c++23 -o "$work/by_pkg_config" "$work/transactions.cc" \
  $(pkg-config --cflags --libs signaldb)
"$work/by_pkg_config"
