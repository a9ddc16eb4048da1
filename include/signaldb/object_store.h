#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "signaldb/result.h"

namespace signaldb {

/// Where ObjectStore::Open finds its store. All but `dsn` is for S3; what is empty there comes from
/// the standard AWS variables and files.
struct StorageConfig {
  /// "file:///absolute/path", "s3://bucket/prefix" or "memory://". Endpoint, region and path style
  /// may stand behind it instead, and are stronger there:
  /// "s3://bucket/prefix?endpoint=https://minio.internal:9000&region=eu-1&path_style=true".
  std::string dsn = "memory://";
  std::string endpoint;    ///< "https://host:port"; empty: AWS itself.
  std::string region;      ///< Of the bucket.
  bool path_style = true;  ///< At an endpoint: buckets by path; else by host name.
  std::string access_key_id;
  std::string secret_access_key;
  /// An absolute folder of this machine, made if missing, that keeps the names of files that are
  /// being written, so that the next writer here removes what a crash has left. Empty: no names are
  /// kept for S3, and such files stay, which no table refers to. Other stores keep them beside the
  /// tables.
  std::string journal_folder;
};

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

  /// Files under a folder, which is made if missing, objects of a bucket, or neither ("memory://").
  /// A bucket is not asked whether it is there.
  /// Errors: kInvalid (another scheme, a path that is not absolute or that URIs would escape, a
  /// bucket or option that cannot be, half a key), kUnavailable (the folder cannot be made).
  [[nodiscard]] static Result<std::shared_ptr<ObjectStore>> Open(const StorageConfig& config);
  /// The same for a DSN alone.
  [[nodiscard]] static Result<std::shared_ptr<ObjectStore>> Open(std::string_view dsn);

  /// Ends the threads of the S3 client, which does not bear being ended with the statics. For the
  /// end of main in programs that have opened a store in S3: none of them is left, and none is
  /// opened after. Else nothing happens.
  static void EndProcess();

  ~ObjectStore();
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;

  /// The location under which tables lie, without a final slash: "file:///data",
  /// "s3://bucket/prefix", "memory://".
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
