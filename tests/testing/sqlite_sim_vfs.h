#pragma once

#include <memory>
#include <string>

#include "base/file_system.h"

namespace signaldb::testing {

/// Lets SQLite keep its files in a FileSystem, so that the simulated one can fail them and cut the
/// power under a database. It syncs folders where SQLite's own unix VFS does: after a journal was
/// made, and after one was removed if asked to.
///
/// Locks hold among the connections made through the same object, as in one process.
///
/// Lifetime: borrows `file_system`. Connections are closed before this dies.
/// Threads:  thread-safe.
class SqliteSimVfs {
 public:
  explicit SqliteSimVfs(FileSystem& file_system);
  SqliteSimVfs(const SqliteSimVfs&) = delete;
  SqliteSimVfs& operator=(const SqliteSimVfs&) = delete;
  ~SqliteSimVfs();

  /// For SqliteCatalogOptions::vfs; unique in the process.
  [[nodiscard]] const std::string& name() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace signaldb::testing
