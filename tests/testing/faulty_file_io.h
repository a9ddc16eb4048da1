#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "iceberg/file_io.h"

namespace signaldb::testing {

/// Whether the operation that fails happened all the same.
enum class FaultMoment : std::uint8_t { kBefore, kAfter };

/// A file store whose n-th operation fails, over one that works. Operations are: Create, Append,
/// Finish, Read, Open, Delete, List.
///
/// Threads: thread-safe.
class FaultyFileIo final : public FileIo {
 public:
  explicit FaultyFileIo(FileIo& io) : io_(io) {}

  /// Fails the n-th operation from now on, counted from 1.
  void Arm(std::uint64_t at, FaultMoment moment) {
    const std::scoped_lock lock(mutex_);
    left_ = at;
    moment_ = moment;
    fired_ = false;
  }
  void Disarm() {
    const std::scoped_lock lock(mutex_);
    left_ = 0;
  }
  [[nodiscard]] bool fired() const {
    const std::scoped_lock lock(mutex_);
    return fired_;
  }

  [[nodiscard]] Result<std::unique_ptr<OutputFile>> Create(const std::string& location) override {
    if (Hit() != Fate::kFine) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    SIGNALDB_ASSIGN(std::unique_ptr<OutputFile> file, io_.Create(location));
    return std::make_unique<Output>(*this, std::move(file));
  }
  [[nodiscard]] Result<std::string> Read(const std::string& location) override {
    if (Hit() != Fate::kFine) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    return io_.Read(location);
  }
  [[nodiscard]] Result<std::shared_ptr<arrow::io::RandomAccessFile>> Open(
      const std::string& location) override {
    if (Hit() != Fate::kFine) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    return io_.Open(location);
  }
  [[nodiscard]] Status Delete(const std::string& location) override {
    const Fate fate = Hit();
    if (fate == Fate::kBefore) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    Status deleted = io_.Delete(location);
    if (fate == Fate::kAfter) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    return deleted;
  }
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& prefix) override {
    if (Hit() != Fate::kFine) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
    return io_.List(prefix);
  }
  [[nodiscard]] Result<std::vector<std::string>> ListUnfinished(
      const std::string& prefix) override {
    return io_.ListUnfinished(prefix);
  }

 private:
  enum class Fate : std::uint8_t { kFine, kBefore, kAfter };

  class Output final : public OutputFile {
   public:
    Output(FaultyFileIo& owner, std::unique_ptr<OutputFile> file)
        : owner_(owner), file_(std::move(file)) {}
    [[nodiscard]] Status Append(std::span<const std::byte> bytes) override {
      if (owner_.Hit() != Fate::kFine) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
      return file_->Append(bytes);
    }
    [[nodiscard]] Status Finish() override {
      const Fate fate = owner_.Hit();
      if (fate == Fate::kBefore) return Fail(ErrorKind::kUnavailable, "scripted i/o error");
      SIGNALDB_TRY(file_->Finish());
      if (fate == Fate::kAfter) return Fail(ErrorKind::kUnknownOutcome, "scripted i/o error");
      return {};
    }
    std::uint64_t bytes_written() const override { return file_->bytes_written(); }

   private:
    FaultyFileIo& owner_;
    std::unique_ptr<OutputFile> file_;
  };

  [[nodiscard]] Fate Hit() {
    const std::scoped_lock lock(mutex_);
    if (left_ == 0 || --left_ != 0) return Fate::kFine;
    fired_ = true;
    return moment_ == FaultMoment::kBefore ? Fate::kBefore : Fate::kAfter;
  }

  FileIo& io_;
  mutable std::mutex mutex_;
  std::uint64_t left_ = 0;  // 0: not armed.
  FaultMoment moment_ = FaultMoment::kBefore;
  bool fired_ = false;
};

}  // namespace signaldb::testing
