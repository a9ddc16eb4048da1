#include "testing/sim_file_system.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace signaldb::testing {
namespace {

constexpr std::size_t kSectorBytes = 512;
/// One kept sector in this many is torn inside.
constexpr std::uint64_t kTornSectorOdds = 16;

/// A change of a file's bytes that is not durable yet.
struct DataChange {
  enum class Kind : std::uint8_t { kWrite, kTruncate };
  Kind kind;
  std::uint64_t offset;  ///< Of a truncation: the new size.
  std::string bytes;
};

struct Node {
  bool is_directory = false;
  std::uint64_t inode = 0;  ///< Never given twice.
  std::string data;
  std::string durable_data;
  std::vector<DataChange> pending;
  std::vector<DataChange> lost;  ///< Their Sync failed; no later one covers them.
  std::map<std::string, std::shared_ptr<Node>> names;
  std::map<std::string, std::shared_ptr<Node>> durable_names;
};
using NodePtr = std::shared_ptr<Node>;

/// A name that points elsewhere now; nowhere if `target` is null.
struct NameEdit {
  NodePtr dir;
  std::string name;
  NodePtr target;
};

/// Edits that reach the disk together or not at all.
using NameChange = std::vector<NameEdit>;

void WriteInto(std::string& data, std::uint64_t offset, std::string_view bytes) {
  if (data.size() < offset + bytes.size()) data.resize(offset + bytes.size(), '\0');
  data.replace(offset, bytes.size(), bytes);
}

void ApplyData(std::string& data, const DataChange& change) {
  if (change.kind == DataChange::Kind::kTruncate) {
    data.resize(change.offset, '\0');
  } else if (!change.bytes.empty()) {
    WriteInto(data, change.offset, change.bytes);
  }
}

void ApplyNames(const NameChange& change) {
  for (const NameEdit& edit : change) {
    if (edit.target == nullptr) {
      edit.dir->durable_names.erase(edit.name);
    } else {
      edit.dir->durable_names[edit.name] = edit.target;
    }
  }
}

/// The parts of a write that lie in one sector each.
[[nodiscard]] std::vector<DataChange> SplitBySector(const std::vector<DataChange>& changes) {
  std::vector<DataChange> parts;
  for (const DataChange& change : changes) {
    if (change.kind == DataChange::Kind::kTruncate) {
      parts.push_back(change);
      continue;
    }
    for (std::uint64_t done = 0; done < change.bytes.size();) {
      const std::uint64_t offset = change.offset + done;
      const std::uint64_t length =
          std::min(kSectorBytes - offset % kSectorBytes, change.bytes.size() - done);
      parts.push_back({DataChange::Kind::kWrite, offset, change.bytes.substr(done, length)});
      done += length;
    }
  }
  return parts;
}

/// Takes out of `lost` what `written` has replaced on the disk: a page that a failed Sync gave up
/// is never written again, so it cannot come back over newer data.
void Supersede(std::vector<DataChange>& lost, const DataChange& written) {
  if (lost.empty() || written.kind == DataChange::Kind::kTruncate) return;
  const std::uint64_t begin = written.offset;
  const std::uint64_t end = begin + written.bytes.size();
  std::vector<DataChange> left;
  for (const DataChange& old : lost) {
    const std::uint64_t old_end = old.offset + old.bytes.size();
    if (old.kind == DataChange::Kind::kTruncate || old_end <= begin || end <= old.offset) {
      left.push_back(old);
      continue;
    }
    if (old.offset < begin)
      left.push_back({old.kind, old.offset, old.bytes.substr(0, begin - old.offset)});
    if (end < old_end) left.push_back({old.kind, end, old.bytes.substr(end - old.offset)});
  }
  lost = std::move(left);
}

void CrashDataAtRandom(Node& node, Random& random) {
  // What a failed Sync left over is older than what was written since.
  for (const auto* changes : {&node.lost, &node.pending}) {
    const std::uint64_t mood =
        random.Below(4);  // none, all, or a coin for each: runs of luck happen
    for (DataChange& part : SplitBySector(*changes)) {
      if (mood == 0 || (mood >= 2 && random.Below(2) == 0)) continue;
      if (part.bytes.size() > 1 && random.Below(kTornSectorOdds) == 0) {
        part.bytes.resize(1 + random.Below(part.bytes.size() - 1));
      }
      ApplyData(node.durable_data, part);
    }
  }
  // The size may be on disk before the data.
  if (node.durable_data.size() < node.data.size() && random.Below(4) == 0) {
    node.durable_data.resize(node.durable_data.size() +
                             random.Below(node.data.size() - node.durable_data.size() + 1));
  }
}

void CrashData(Node& node, CrashPolicy policy, Random& random) {
  switch (policy) {
    case CrashPolicy::kProcessKill:
      return;
    case CrashPolicy::kLoseUnsynced:
    case CrashPolicy::kNamesOnly:
      break;
    case CrashPolicy::kKeepAll:
    case CrashPolicy::kDataOnly:
      for (const DataChange& change : node.pending) ApplyData(node.durable_data, change);
      break;
    case CrashPolicy::kTailOnly: {
      const std::vector<DataChange> parts = SplitBySector(node.pending);
      for (std::size_t i = parts.size() / 2; i < parts.size(); ++i)
        ApplyData(node.durable_data, parts[i]);
      break;
    }
    case CrashPolicy::kZeroes:
      node.durable_data.resize(std::max(node.durable_data.size(), node.data.size()), '\0');
      break;
    case CrashPolicy::kRandom:
      CrashDataAtRandom(node, random);
      break;
  }
  node.data = node.durable_data;
  node.pending.clear();
  node.lost.clear();
}

[[nodiscard]] bool KeepsName(CrashPolicy policy, Random& random) {
  switch (policy) {
    case CrashPolicy::kLoseUnsynced:
    case CrashPolicy::kDataOnly:
      return false;
    case CrashPolicy::kRandom:
      return random.Below(2) == 0;
    default:
      return true;
  }
}

[[nodiscard]] std::vector<std::string> Split(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) parts.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return parts;
}

[[nodiscard]] std::string NameOf(std::string_view path) {
  return std::string(path.substr(path.find_last_of('/') + 1));
}

}  // namespace

std::string_view ToString(FaultEffect effect) {
  switch (effect) {
    case FaultEffect::kErrorBefore:
      return "error before";
    case FaultEffect::kErrorAfter:
      return "error after";
    case FaultEffect::kErrorPartial:
      return "error half-way";
    case FaultEffect::kPowerCutBefore:
      return "power cut before";
    case FaultEffect::kPowerCutAfter:
      return "power cut after";
  }
  return "?";
}

std::string_view ToString(CrashPolicy policy) {
  switch (policy) {
    case CrashPolicy::kProcessKill:
      return "process kill";
    case CrashPolicy::kKeepAll:
      return "keep all";
    case CrashPolicy::kLoseUnsynced:
      return "lose unsynced";
    case CrashPolicy::kNamesOnly:
      return "names only";
    case CrashPolicy::kDataOnly:
      return "data only";
    case CrashPolicy::kTailOnly:
      return "tail only";
    case CrashPolicy::kZeroes:
      return "zeroes";
    case CrashPolicy::kRandom:
      return "random";
  }
  return "?";
}

/// All state, behind one mutex. Functions expect it to be held.
struct SimFileSystem::Disk {
  /// What the plan says about the operation that begins now.
  enum class Verdict : std::uint8_t { kGo, kGoThenFail, kHalfThenFail, kFail };

  mutable std::mutex mutex;
  std::uint64_t inodes = 0;  ///< Given so far.
  NodePtr root = MakeNode(true);
  std::vector<NameChange> pending_names;
  std::set<std::string> locks;
  std::uint64_t generation = 1;
  bool powered = true;
  std::uint64_t operations = 0;
  std::optional<FaultPlan> plan;
  std::uint64_t matching = 0;
  bool fired = false;
  std::optional<std::uint64_t> capacity;

  [[nodiscard]] NodePtr MakeNode(bool is_directory) {
    auto node = std::make_shared<Node>();
    node->is_directory = is_directory;
    node->inode = ++inodes;
    return node;
  }

  [[nodiscard]] Verdict Begin(FileOperation operation) {
    ++operations;
    if (!powered) return Verdict::kFail;
    if (!plan.has_value() || (plan->only.has_value() && *plan->only != operation))
      return Verdict::kGo;
    ++matching;
    if (matching < plan->at || matching - plan->at >= plan->times) return Verdict::kGo;
    fired = true;
    switch (plan->effect) {
      case FaultEffect::kErrorBefore:
        return Verdict::kFail;
      case FaultEffect::kErrorAfter:
        return Verdict::kGoThenFail;
      case FaultEffect::kErrorPartial:
        return operation == FileOperation::kWrite ? Verdict::kHalfThenFail : Verdict::kFail;
      case FaultEffect::kPowerCutBefore:
        powered = false;
        return Verdict::kFail;
      case FaultEffect::kPowerCutAfter:
        powered = false;
        return Verdict::kGoThenFail;
    }
    return Verdict::kGo;
  }

  [[nodiscard]] std::unexpected<Error> Failure(ErrorKind kind, std::string_view path) const {
    const std::string why = !powered           ? "simulated power cut"
                            : plan.has_value() ? plan->message
                                               : "dead handle";
    return Fail(kind, fmt::format("{} path={}", why, path));
  }

  [[nodiscard]] NodePtr Find(std::string_view path) const {
    NodePtr node = root;
    for (const std::string& part : Split(path)) {
      if (!node->is_directory) return nullptr;
      const auto found = node->names.find(part);
      if (found == node->names.end()) return nullptr;
      node = found->second;
    }
    return node;
  }

  void Change(NameChange change) {
    for (const NameEdit& edit : change) {
      if (edit.target == nullptr) {
        edit.dir->names.erase(edit.name);
      } else {
        edit.dir->names[edit.name] = edit.target;
      }
    }
    pending_names.push_back(std::move(change));
  }

  /// Makes the changes of `dir` durable, and those that must reach the disk with them or before
  /// them.
  void SyncNames(const NodePtr& dir) {
    std::set<const Node*> dirs{dir.get()};
    std::vector<NameChange> durable;
    std::vector<NameChange> rest;
    for (auto change = pending_names.rbegin(); change != pending_names.rend(); ++change) {
      const bool touches = std::ranges::any_of(
          *change, [&](const NameEdit& e) { return dirs.contains(e.dir.get()); });
      if (touches) {
        for (const NameEdit& edit : *change) dirs.insert(edit.dir.get());
      }
      (touches ? durable : rest).push_back(std::move(*change));
    }
    for (auto change = durable.rbegin(); change != durable.rend(); ++change) ApplyNames(*change);
    std::ranges::reverse(rest);
    pending_names = std::move(rest);
  }

  [[nodiscard]] std::uint64_t BytesUsed(const Node& node) const {
    std::uint64_t sum = node.data.size();
    for (const auto& [name, child] : node.names) sum += BytesUsed(*child);
    return sum;
  }

  [[nodiscard]] bool ShowsLostData(const Node& node) const {
    return !node.lost.empty() || std::ranges::any_of(node.names, [this](const auto& child) {
      return ShowsLostData(*child.second);
    });
  }

  void CrashTree(const NodePtr& node, CrashPolicy policy, Random& random) {
    if (policy != CrashPolicy::kProcessKill) node->names = node->durable_names;
    if (!node->is_directory) CrashData(*node, policy, random);
    for (const auto& [name, child] : node->names) CrashTree(child, policy, random);
  }
};

namespace {

using Disk = SimFileSystem::Disk;

class SimFile final : public File {
 public:
  SimFile(std::shared_ptr<Disk> disk, NodePtr node, std::string path, OpenMode mode)
      : disk_(std::move(disk)),
        node_(std::move(node)),
        path_(std::move(path)),
        mode_(mode),
        generation_(disk_->generation) {}

  [[nodiscard]] Result<std::size_t> ReadAt(std::uint64_t offset,
                                           std::span<std::byte> out) override {
    const std::scoped_lock lock(disk_->mutex);
    if (Begin(FileOperation::kRead) != Disk::Verdict::kGo)
      return disk_->Failure(ErrorKind::kUnavailable, path_);
    if (offset >= node_->data.size()) return 0;
    const std::size_t count = std::min<std::uint64_t>(out.size(), node_->data.size() - offset);
    std::ranges::copy(std::as_bytes(std::span(node_->data)).subspan(offset, count), out.begin());
    return count;
  }

  [[nodiscard]] Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    return Write(offset, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  /// One operation, as one pwritev is.
  [[nodiscard]] Status WritePiecesAt(std::uint64_t offset,
                                     std::span<const std::span<const std::byte>> pieces) override {
    std::string whole;
    for (const auto piece : pieces)
      whole.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return Write(offset, std::move(whole));
  }

  [[nodiscard]] Status Sync() override {
    const std::scoped_lock lock(disk_->mutex);
    const Disk::Verdict verdict = Begin(FileOperation::kSync);
    if (generation_ != disk_->generation) return disk_->Failure(ErrorKind::kUnknownOutcome, path_);
    if (verdict == Disk::Verdict::kGo || verdict == Disk::Verdict::kGoThenFail) {
      for (const DataChange& change : node_->pending) {
        ApplyData(node_->durable_data, change);
        Supersede(node_->lost, change);
      }
      node_->pending.clear();
    } else if (disk_->powered) {
      std::ranges::move(node_->pending, std::back_inserter(node_->lost));
      node_->pending.clear();
    }
    if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnknownOutcome, path_);
    return {};
  }

  [[nodiscard]] Status Truncate(std::uint64_t size) override {
    const std::scoped_lock lock(disk_->mutex);
    const Disk::Verdict verdict = Begin(FileOperation::kTruncate);
    if (mode_ == OpenMode::kRead)
      return Fail(ErrorKind::kInternal, "opened for reading path=" + path_);
    if (verdict == Disk::Verdict::kGo || verdict == Disk::Verdict::kGoThenFail) {
      DataChange change{DataChange::Kind::kTruncate, size, {}};
      ApplyData(node_->data, change);
      node_->pending.push_back(std::move(change));
    }
    if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path_);
    return {};
  }

  [[nodiscard]] Result<std::uint64_t> Size() override {
    const std::scoped_lock lock(disk_->mutex);
    if (Begin(FileOperation::kSize) != Disk::Verdict::kGo)
      return disk_->Failure(ErrorKind::kUnavailable, path_);
    return node_->data.size();
  }

 private:
  [[nodiscard]] Disk::Verdict Begin(FileOperation operation) {
    const Disk::Verdict verdict = disk_->Begin(operation);
    return generation_ == disk_->generation ? verdict : Disk::Verdict::kFail;
  }

  [[nodiscard]] Status Write(std::uint64_t offset, std::string bytes) {
    const std::scoped_lock lock(disk_->mutex);
    const Disk::Verdict verdict = Begin(FileOperation::kWrite);
    if (mode_ == OpenMode::kRead)
      return Fail(ErrorKind::kInternal, "opened for reading path=" + path_);
    if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, path_);
    if (verdict == Disk::Verdict::kHalfThenFail) bytes.resize(bytes.size() / 2);
    const bool full = !Fits(offset, bytes);
    if (!bytes.empty()) {
      DataChange change{DataChange::Kind::kWrite, offset, std::move(bytes)};
      ApplyData(node_->data, change);
      node_->pending.push_back(std::move(change));
    }
    if (full) return Fail(ErrorKind::kUnavailable, "simulated disk is full path=" + path_);
    if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path_);
    return {};
  }

  /// Cuts `bytes` to what the disk still takes; false if it had to.
  [[nodiscard]] bool Fits(std::uint64_t offset, std::string& bytes) const {
    const std::uint64_t end = offset + bytes.size();
    if (!disk_->capacity.has_value() || end <= node_->data.size()) return true;
    const std::uint64_t used = disk_->BytesUsed(*disk_->root);
    const std::uint64_t room = *disk_->capacity > used ? *disk_->capacity - used : 0;
    const std::uint64_t growth = end - node_->data.size();
    if (growth <= room) return true;
    const std::uint64_t cut = std::min<std::uint64_t>(growth - room, bytes.size());
    bytes.resize(bytes.size() - cut);
    return false;
  }

  std::shared_ptr<Disk> disk_;
  NodePtr node_;
  std::string path_;
  OpenMode mode_;
  std::uint64_t generation_;
};

class SimLock final : public FileLock {
 public:
  SimLock(std::shared_ptr<Disk> disk, std::string path, const FileId& id)
      : disk_(std::move(disk)), path_(std::move(path)), id_(id), generation_(disk_->generation) {}
  SimLock(const SimLock&) = delete;
  SimLock& operator=(const SimLock&) = delete;
  ~SimLock() override {
    const std::scoped_lock lock(disk_->mutex);
    if (generation_ == disk_->generation) disk_->locks.erase(path_);
  }
  [[nodiscard]] const FileId& id() const override { return id_; }

 private:
  std::shared_ptr<Disk> disk_;
  std::string path_;
  const FileId id_;
  std::uint64_t generation_;
};

[[nodiscard]] FileId IdOf(const Node& node) { return {.device = 1, .inode = node.inode}; }

[[nodiscard]] DirEntry EntryOf(std::string name, const Node& node) {
  return {.name = std::move(name),
          .is_directory = node.is_directory,
          .size = node.data.size(),
          .id = IdOf(node)};
}

}  // namespace

SimFileSystem::SimFileSystem() : disk_(std::make_shared<Disk>()) {}
SimFileSystem::~SimFileSystem() = default;

Result<std::unique_ptr<File>> SimFileSystem::Open(const std::string& path, OpenMode mode) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kOpen);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, path);
  NodePtr node = disk_->Find(path);
  if (mode == OpenMode::kCreateNew) {
    if (node != nullptr) return Fail(ErrorKind::kConflict, "file exists path=" + path);
    const NodePtr dir = disk_->Find(ParentDir(path));
    if (dir == nullptr || !dir->is_directory)
      return Fail(ErrorKind::kNotFound, "no such folder path=" + path);
    node = disk_->MakeNode(false);
    disk_->Change({{dir, NameOf(path), node}});
  }
  if (node == nullptr) return Fail(ErrorKind::kNotFound, "no such file path=" + path);
  if (node->is_directory) return Fail(ErrorKind::kInvalid, "is a folder path=" + path);
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path);
  return std::make_unique<SimFile>(disk_, std::move(node), path, mode);
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kRename);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, from);
  const NodePtr node = disk_->Find(from);
  const NodePtr from_dir = disk_->Find(ParentDir(from));
  const NodePtr to_dir = disk_->Find(ParentDir(to));
  if (node == nullptr || to_dir == nullptr)
    return Fail(ErrorKind::kNotFound, "no such file path=" + from);
  if (from != to) disk_->Change({{from_dir, NameOf(from), nullptr}, {to_dir, NameOf(to), node}});
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, from);
  return {};
}

Status SimFileSystem::Remove(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kRemove);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, path);
  const NodePtr node = disk_->Find(path);
  if (node == nullptr) return Fail(ErrorKind::kNotFound, "no such file path=" + path);
  if (!node->names.empty()) return Fail(ErrorKind::kConflict, "folder is not empty path=" + path);
  disk_->Change({{disk_->Find(ParentDir(path)), NameOf(path), nullptr}});
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path);
  return {};
}

Status SimFileSystem::MakeDirs(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kMakeDirs);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, path);
  NodePtr node = disk_->root;
  for (const std::string& part : Split(path)) {
    if (!node->names.contains(part)) disk_->Change({{node, part, disk_->MakeNode(true)}});
    // The power may go before the parents are durable.
    if (disk_->powered) disk_->SyncNames(node);
    node = node->names[part];
    if (!node->is_directory) return Fail(ErrorKind::kInvalid, "not a folder path=" + path);
  }
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path);
  return {};
}

Status SimFileSystem::SyncDir(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kSyncDir);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnknownOutcome, path);
  const NodePtr dir = disk_->Find(path);
  if (dir == nullptr || !dir->is_directory)
    return Fail(ErrorKind::kNotFound, "no such folder path=" + path);
  disk_->SyncNames(dir);
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnknownOutcome, path);
  return {};
}

Result<std::vector<DirEntry>> SimFileSystem::List(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  if (disk_->Begin(FileOperation::kList) != Disk::Verdict::kGo) {
    return disk_->Failure(ErrorKind::kUnavailable, path);
  }
  const NodePtr dir = disk_->Find(path);
  if (dir == nullptr || !dir->is_directory)
    return Fail(ErrorKind::kNotFound, "no such folder path=" + path);
  std::vector<DirEntry> entries;
  for (const auto& [name, node] : dir->names) entries.push_back(EntryOf(name, *node));
  return entries;
}

Result<std::optional<DirEntry>> SimFileSystem::Stat(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  if (disk_->Begin(FileOperation::kStat) != Disk::Verdict::kGo) {
    return disk_->Failure(ErrorKind::kUnavailable, path);
  }
  const NodePtr node = disk_->Find(path);
  if (node == nullptr) return std::nullopt;
  return EntryOf(NameOf(path), *node);
}

Result<std::unique_ptr<FileLock>> SimFileSystem::Lock(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  const Disk::Verdict verdict = disk_->Begin(FileOperation::kLock);
  if (verdict == Disk::Verdict::kFail) return disk_->Failure(ErrorKind::kUnavailable, path);
  const NodePtr dir = disk_->Find(ParentDir(path));
  if (dir == nullptr) return Fail(ErrorKind::kNotFound, "no such folder path=" + path);
  if (disk_->locks.contains(path)) return Fail(ErrorKind::kConflict, "lock is held path=" + path);
  if (!dir->names.contains(NameOf(path)))
    disk_->Change({{dir, NameOf(path), disk_->MakeNode(false)}});
  // An error after the effect would leave a lock without an owner, which the kernel never does.
  if (verdict != Disk::Verdict::kGo) return disk_->Failure(ErrorKind::kUnavailable, path);
  disk_->locks.insert(path);
  return std::make_unique<SimLock>(disk_, path, IdOf(*dir->names.at(NameOf(path))));
}

void SimFileSystem::Arm(FaultPlan plan) {
  const std::scoped_lock lock(disk_->mutex);
  disk_->plan = std::move(plan);
  disk_->matching = 0;
  disk_->fired = false;
}

void SimFileSystem::Disarm() {
  const std::scoped_lock lock(disk_->mutex);
  disk_->plan.reset();
}

bool SimFileSystem::fault_fired() const {
  const std::scoped_lock lock(disk_->mutex);
  return disk_->fired;
}

std::uint64_t SimFileSystem::operations() const {
  const std::scoped_lock lock(disk_->mutex);
  return disk_->operations;
}

void SimFileSystem::CutPower() {
  const std::scoped_lock lock(disk_->mutex);
  disk_->powered = false;
}

void SimFileSystem::Crash(CrashPolicy policy, Random& random) {
  const std::scoped_lock lock(disk_->mutex);
  if (policy != CrashPolicy::kProcessKill) {
    for (const NameChange& change : disk_->pending_names) {
      if (KeepsName(policy, random)) ApplyNames(change);
    }
    disk_->pending_names.clear();
  }
  disk_->CrashTree(disk_->root, policy, random);
  disk_->locks.clear();
  disk_->plan.reset();
  disk_->powered = true;
  ++disk_->generation;
}

bool SimFileSystem::shows_lost_data() const {
  const std::scoped_lock lock(disk_->mutex);
  return disk_->ShowsLostData(*disk_->root);
}

void SimFileSystem::SetCapacity(std::optional<std::uint64_t> bytes_max) {
  const std::scoped_lock lock(disk_->mutex);
  disk_->capacity = bytes_max;
}

std::optional<std::string> SimFileSystem::ReadWhole(const std::string& path) const {
  const std::scoped_lock lock(disk_->mutex);
  const NodePtr node = disk_->Find(path);
  if (node == nullptr || node->is_directory) return std::nullopt;
  return node->data;
}

void SimFileSystem::PutDurable(const std::string& path, std::string_view bytes) {
  const std::scoped_lock lock(disk_->mutex);
  NodePtr dir = disk_->root;
  for (const std::string& part : Split(ParentDir(path))) {
    NodePtr& child = dir->names[part];
    if (child == nullptr) child = disk_->MakeNode(true);
    dir->durable_names[part] = child;
    dir = child;
  }
  NodePtr& file = dir->names[NameOf(path)];
  if (file == nullptr) file = disk_->MakeNode(false);
  dir->durable_names[NameOf(path)] = file;
  file->data = bytes;
  file->durable_data = bytes;
  file->pending.clear();
  file->lost.clear();
}

void SimFileSystem::RemoveDurable(const std::string& path) {
  const std::scoped_lock lock(disk_->mutex);
  const NodePtr dir = disk_->Find(ParentDir(path));
  if (dir == nullptr) return;
  dir->names.erase(NameOf(path));
  dir->durable_names.erase(NameOf(path));
}

std::vector<std::string> SimFileSystem::Names(const std::string& dir) const {
  const std::scoped_lock lock(disk_->mutex);
  std::vector<std::string> names;
  const NodePtr node = disk_->Find(dir);
  if (node == nullptr) return names;
  for (const auto& [name, child] : node->names) names.push_back(name);
  return names;
}

}  // namespace signaldb::testing
