#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// Where the files of tables live. Opaque: made here, passed to CreateIcebergWriter.
///
/// Writers that are given the same store and the same `Configuration::schema` share one catalog,
/// also one that lives in memory.
///
/// Lifetime: shared; a writer keeps its store.
/// Threads:  thread-safe.
class ObjectStore {
 public:
  struct Parts;

  /// Files under the folder of a DSN: "file:///absolute/path" (made if missing) or "memory://".
  /// Errors: kInvalid (another scheme, a path that is not absolute or that URIs would escape),
  /// kUnavailable (the folder cannot be made).
  [[nodiscard]] static Result<std::shared_ptr<ObjectStore>> Open(std::string_view dsn);

  ~ObjectStore();
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  /// The location under which tables lie, without a final slash: "file:///data", "memory://".
  [[nodiscard]] const std::string& warehouse() const;
  /// Locations of all files of tables, in order. For tests and small stores. Errors: kUnavailable.
  [[nodiscard]] Result<std::vector<std::string>> List();
  /// The bytes of one file. Errors: kNotFound, kInvalid (not of this store), kUnavailable.
  [[nodiscard]] Result<std::string> Read(const std::string& location);

  /// What the library itself needs of it; no part of the API.
  [[nodiscard]] Parts& parts() { return *parts_; }

 protected:
  explicit ObjectStore(std::unique_ptr<Parts> parts);

 private:
  std::unique_ptr<Parts> parts_;
};

/// A store that lives and dies with this object: for tests, trials and embedding.
class InMemory final : public ObjectStore {
 public:
  InMemory();
};

}  // namespace signaldb
