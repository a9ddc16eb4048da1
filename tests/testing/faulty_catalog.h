#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "iceberg/catalog.h"

namespace signaldb::testing {

/// What becomes of one call of Commit.
enum class CommitFault : std::uint8_t {
  kNone,
  kConflict,     ///< Refused; nothing applied.
  kOutage,       ///< kUnavailable; nothing applied.
  kLostRequest,  ///< kUnknownOutcome; nothing applied, ever.
  kLostReply,    ///< kUnknownOutcome; applied.
  kLateRequest,  ///< kUnknownOutcome; applied just before the next Commit, after its caller looked.
  kInvalid,      ///< kInvalid; nothing applied.
};

/// A catalog whose commits fail as a script says, over one that works.
///
/// Threads: thread-safe.
class FaultyCatalog final : public Catalog {
 public:
  explicit FaultyCatalog(Catalog& catalog) : catalog_(catalog) {}

  /// The fates of the next commits, in order; after them all is well, or `then` for ever.
  void Script(std::deque<CommitFault> script, CommitFault then = CommitFault::kNone) {
    const std::scoped_lock lock(mutex_);
    script_ = std::move(script);
    then_ = then;
  }
  /// The next `count` reads of pointers fail with kUnavailable.
  void FailReads(int count) {
    const std::scoped_lock lock(mutex_);
    reads_failing_ = count;
  }
  /// Runs once, after the next Commit did what it does and before its caller learns of it.
  void AfterNextCommit(std::function<void()> action) {
    const std::scoped_lock lock(mutex_);
    after_ = std::move(action);
  }
  /// Runs after every read of a pointer, before its caller gets the answer; not for reads that it
  /// makes itself. Nothing: no more.
  void AfterReads(std::function<void()> action) {
    const std::scoped_lock lock(mutex_);
    after_reads_ = std::move(action);
  }
  [[nodiscard]] int commits() const {
    const std::scoped_lock lock(mutex_);
    return commits_;
  }

  [[nodiscard]] Result<std::string> MetadataLocation(const TableIdentifier& table) override {
    {
      const std::scoped_lock lock(mutex_);
      if (reads_failing_ > 0) {
        --reads_failing_;
        return Fail(ErrorKind::kUnavailable, "scripted outage");
      }
    }
    Result<std::string> answer = catalog_.MetadataLocation(table);
    std::function<void()> after;
    {
      const std::scoped_lock lock(mutex_);
      after = std::exchange(after_reads_, nullptr);
    }
    if (after) {
      after();
      AfterReads(std::move(after));
    }
    return answer;
  }

  [[nodiscard]] Status Commit(std::span<const PointerUpdate> updates) override {
    Status done = CommitAsScripted(updates);
    std::function<void()> after;
    {
      const std::scoped_lock lock(mutex_);
      after = std::exchange(after_, nullptr);
    }
    if (after) after();
    return done;
  }

  [[nodiscard]] Status CreateNamespace(const Namespace& levels,
                                       const Properties& properties) override {
    return catalog_.CreateNamespace(levels, properties);
  }
  [[nodiscard]] Result<bool> NamespaceExists(const Namespace& levels) override {
    return catalog_.NamespaceExists(levels);
  }
  [[nodiscard]] Result<std::vector<Namespace>> ListNamespaces() override {
    return catalog_.ListNamespaces();
  }
  [[nodiscard]] Result<std::vector<TableIdentifier>> ListTables(const Namespace& levels) override {
    return catalog_.ListTables(levels);
  }
  [[nodiscard]] Status DropTable(const TableIdentifier& table) override {
    return catalog_.DropTable(table);
  }
  [[nodiscard]] Status RenameTable(const TableIdentifier& from,
                                   const TableIdentifier& to) override {
    return catalog_.RenameTable(from, to);
  }
  [[nodiscard]] Status DropNamespace(const Namespace& levels) override {
    return catalog_.DropNamespace(levels);
  }
  [[nodiscard]] Result<Properties> NamespaceProperties(const Namespace& levels) override {
    return catalog_.NamespaceProperties(levels);
  }
  [[nodiscard]] Status UpdateNamespaceProperties(const Namespace& levels, const Properties& set,
                                                 std::span<const std::string> removed) override {
    return catalog_.UpdateNamespaceProperties(levels, set, removed);
  }

 private:
  [[nodiscard]] Status CommitAsScripted(std::span<const PointerUpdate> updates) {
    const std::scoped_lock lock(mutex_);
    ++commits_;
    if (!late_.empty()) std::ignore = catalog_.Commit(std::exchange(late_, {}));
    switch (NextFaultLocked()) {
      case CommitFault::kNone:
        return catalog_.Commit(updates);
      case CommitFault::kConflict:
        return Fail(ErrorKind::kConflict, "scripted conflict");
      case CommitFault::kOutage:
        return Fail(ErrorKind::kUnavailable, "scripted outage");
      case CommitFault::kLostRequest:
        return Fail(ErrorKind::kUnknownOutcome, "scripted loss of the request");
      case CommitFault::kLostReply:
        std::ignore = catalog_.Commit(updates);
        return Fail(ErrorKind::kUnknownOutcome, "scripted loss of the reply");
      case CommitFault::kLateRequest:
        late_.assign(updates.begin(), updates.end());
        return Fail(ErrorKind::kUnknownOutcome, "scripted delay of the request");
      case CommitFault::kInvalid:
        return Fail(ErrorKind::kInvalid, "scripted refusal");
    }
    return Fail(ErrorKind::kInternal, "no such fault");
  }

  [[nodiscard]] CommitFault NextFaultLocked() {
    if (script_.empty()) return then_;
    const CommitFault fault = script_.front();
    script_.pop_front();
    return fault;
  }

  Catalog& catalog_;
  mutable std::mutex mutex_;
  std::deque<CommitFault> script_;
  CommitFault then_ = CommitFault::kNone;
  std::vector<PointerUpdate> late_;
  std::function<void()> after_;
  std::function<void()> after_reads_;
  int reads_failing_ = 0;
  int commits_ = 0;
};

}  // namespace signaldb::testing
