#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "iceberg/file_io.h"

namespace arrow::fs {
class S3FileSystem;
}

namespace signaldb {

/// How a bucket is reached. What is empty comes from the standard AWS variables and files.
struct S3Options {
  std::string endpoint;  ///< "https://host:port"; empty: AWS itself.
  std::string region;
  /// Whether a bucket at `endpoint` is addressed by path rather than by host name. AWS itself
  /// always is by host name.
  bool path_style = true;
  std::string access_key_id;
  std::string secret_access_key;
};

/// Objects of S3 and what speaks like it: locations s3://bucket/key.
///
/// An object appears whole, when its upload is completed. Nobody asks whether the name is free: the
/// names of files are unique to their attempt, so a second upload of one is the same bytes again.
///
/// Threads: thread-safe.
class S3FileIo final : public FileIo {
 public:
  /// Does not talk to the store yet. Errors: kInvalid (an endpoint that is no URL, half a key).
  [[nodiscard]] static Result<std::unique_ptr<S3FileIo>> Make(const S3Options& options);
  ~S3FileIo() override;

  /// Ends the threads of the client; no S3FileIo is left, and none can be made after. For the end
  /// of main: the client does not bear being ended with the statics.
  static void EndProcess();

  [[nodiscard]] Result<std::unique_ptr<OutputFile>> Create(const std::string& location) override;
  [[nodiscard]] Result<std::string> Read(const std::string& location) override;
  [[nodiscard]] Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& location) override;
  [[nodiscard]] Status Delete(const std::string& location) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& prefix) override;

 private:
  class Output;
  explicit S3FileIo(std::shared_ptr<arrow::fs::S3FileSystem> store);

  const std::shared_ptr<arrow::fs::S3FileSystem> store_;
};

/// "bucket/key" of "s3://bucket/key"; also of the schemes s3a and s3n, which other writers put into
/// metadata. Errors: kInvalid (another scheme, no key, empty, "." or ".." parts).
[[nodiscard]] Result<std::string> KeyOfS3Location(std::string_view location);

}  // namespace signaldb
