#include "testing/sqlite_sim_vfs.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <span>

#include <sqlite3.h>

namespace signaldb::testing {

namespace {

/// Who holds what on one database file: SQLite's five lock states, without the waiting.
struct Locks {
  int shared = 0;
  const void* reserved = nullptr;
  const void* pending = nullptr;
  const void* exclusive = nullptr;
};

}  // namespace

struct SqliteSimVfs::State {
  FileSystem& files;
  std::string name;
  sqlite3_vfs vfs{};
  std::mutex mutex;
  std::map<std::string, Locks> locks;
  std::atomic<int> temporaries = 0;
};

namespace {

using State = SqliteSimVfs::State;

/// What SQLite calls an open file. SQLite allocates and never constructs it.
struct SimFile {
  sqlite3_file base;
  State* state;
  File* file;
  std::string* path;
  Locks* locks;
  int level;
  bool is_new_journal;
  bool delete_on_close;
};

SimFile* Cast(sqlite3_file* file) { return reinterpret_cast<SimFile*>(file); }
State& StateOf(sqlite3_vfs* vfs) { return *static_cast<State*>(vfs->pAppData); }

void Unlock(SimFile& file, int level) {
  const std::scoped_lock lock(file.state->mutex);
  Locks& locks = *file.locks;
  if (level < SQLITE_LOCK_RESERVED) {
    if (locks.reserved == &file) locks.reserved = nullptr;
    if (locks.pending == &file) locks.pending = nullptr;
    if (locks.exclusive == &file) locks.exclusive = nullptr;
  }
  if (level == SQLITE_LOCK_NONE && file.level >= SQLITE_LOCK_SHARED) --locks.shared;
  file.level = std::min(file.level, level);
}

int CloseFile(sqlite3_file* base) {
  SimFile& file = *Cast(base);
  Unlock(file, SQLITE_LOCK_NONE);
  delete file.file;
  if (file.delete_on_close) std::ignore = file.state->files.Remove(*file.path);
  delete file.path;
  return SQLITE_OK;
}

int ReadFile(sqlite3_file* base, void* out, int bytes, sqlite3_int64 offset) {
  const auto wanted = static_cast<std::size_t>(bytes);
  const Result<std::size_t> read = Cast(base)->file->ReadAt(
      static_cast<std::uint64_t>(offset), std::span(static_cast<std::byte*>(out), wanted));
  if (!read.has_value()) return SQLITE_IOERR_READ;
  if (*read == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + *read, 0, wanted - *read);
  return SQLITE_IOERR_SHORT_READ;
}

int WriteFile(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 offset) {
  const Status written = Cast(base)->file->WriteAt(
      static_cast<std::uint64_t>(offset),
      std::span(static_cast<const std::byte*>(from), static_cast<std::size_t>(bytes)));
  return written.has_value() ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int TruncateFile(sqlite3_file* base, sqlite3_int64 size) {
  const Status done = Cast(base)->file->Truncate(static_cast<std::uint64_t>(size));
  return done.has_value() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

int SyncFile(sqlite3_file* base, int) {
  SimFile& file = *Cast(base);
  if (!file.file->Sync().has_value()) return SQLITE_IOERR_FSYNC;
  if (!file.is_new_journal) return SQLITE_OK;
  // As unixSync: the folder once, and an error of it is not reported.
  std::ignore = file.state->files.SyncDir(ParentDir(*file.path));
  file.is_new_journal = false;
  return SQLITE_OK;
}

int SizeOfFile(sqlite3_file* base, sqlite3_int64* size) {
  const Result<std::uint64_t> found = Cast(base)->file->Size();
  if (!found.has_value()) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(*found);
  return SQLITE_OK;
}

int LockFile(sqlite3_file* base, int level) {
  SimFile& file = *Cast(base);
  const std::scoped_lock lock(file.state->mutex);
  if (file.level >= level) return SQLITE_OK;
  Locks& locks = *file.locks;
  const auto foreign = [&](const void* holder) { return holder != nullptr && holder != &file; };
  if (level == SQLITE_LOCK_SHARED) {
    if (foreign(locks.pending) || foreign(locks.exclusive)) return SQLITE_BUSY;
    ++locks.shared;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (foreign(locks.reserved)) return SQLITE_BUSY;
    locks.reserved = &file;
  } else {
    if (foreign(locks.pending) || foreign(locks.exclusive)) return SQLITE_BUSY;
    locks.pending = &file;
    if (locks.shared > 1) {
      file.level = SQLITE_LOCK_PENDING;
      return SQLITE_BUSY;
    }
    locks.exclusive = &file;
  }
  file.level = level;
  return SQLITE_OK;
}

int UnlockFile(sqlite3_file* base, int level) {
  Unlock(*Cast(base), level);
  return SQLITE_OK;
}

int CheckReserved(sqlite3_file* base, int* reserved) {
  SimFile& file = *Cast(base);
  const std::scoped_lock lock(file.state->mutex);
  *reserved = file.locks->reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}

int ControlFile(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 512; }
int Characteristics(sqlite3_file*) { return 0; }

constexpr sqlite3_io_methods kMethods = {.iVersion = 1,
                                         .xClose = CloseFile,
                                         .xRead = ReadFile,
                                         .xWrite = WriteFile,
                                         .xTruncate = TruncateFile,
                                         .xSync = SyncFile,
                                         .xFileSize = SizeOfFile,
                                         .xLock = LockFile,
                                         .xUnlock = UnlockFile,
                                         .xCheckReservedLock = CheckReserved,
                                         .xFileControl = ControlFile,
                                         .xSectorSize = SectorSize,
                                         .xDeviceCharacteristics = Characteristics};

int OpenFile(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags, int* out_flags) {
  State& state = StateOf(vfs);
  SimFile& file = *Cast(base);
  file = SimFile{};
  const std::string path =
      name != nullptr ? name : "/sqlite-temporary-" + std::to_string(++state.temporaries);
  Result<std::unique_ptr<File>> opened = state.files.Open(path, OpenMode::kWrite);
  bool is_new = false;
  if (!opened.has_value() && opened.error().kind == ErrorKind::kNotFound &&
      (flags & SQLITE_OPEN_CREATE) != 0) {
    opened = state.files.Open(path, OpenMode::kCreateNew);
    is_new = true;
  }
  if (!opened.has_value()) return SQLITE_CANTOPEN;
  const std::scoped_lock lock(state.mutex);
  file.base.pMethods = &kMethods;
  file.state = &state;
  file.file = opened->release();
  file.path = new std::string(path);
  file.locks = &state.locks[path];
  file.is_new_journal = is_new && (flags & SQLITE_OPEN_MAIN_JOURNAL) != 0;
  file.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int DeleteFile(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  State& state = StateOf(vfs);
  const Status removed = state.files.Remove(name);
  if (!removed.has_value()) {
    return removed.error().kind == ErrorKind::kNotFound ? SQLITE_IOERR_DELETE_NOENT
                                                        : SQLITE_IOERR_DELETE;
  }
  if (sync_folder != 0 && !state.files.SyncDir(ParentDir(name)).has_value()) {
    return SQLITE_IOERR_DIR_FSYNC;
  }
  return SQLITE_OK;
}

int AccessFile(sqlite3_vfs* vfs, const char* name, int, int* exists) {
  const Result<std::optional<DirEntry>> found = StateOf(vfs).files.Stat(name);
  if (!found.has_value()) return SQLITE_IOERR_ACCESS;
  *exists = found->has_value() ? 1 : 0;
  return SQLITE_OK;
}

int FullPath(sqlite3_vfs*, const char* name, int bytes_max, char* out) {
  sqlite3_snprintf(bytes_max, out, "%s", name);
  return SQLITE_OK;
}

// Names of temporary files only: any bytes do.
int FillRandom(sqlite3_vfs*, int bytes, char* out) {
  std::memset(out, 7, static_cast<std::size_t>(bytes));
  return bytes;
}

int SleepNot(sqlite3_vfs*, int micros) { return micros; }

int TimeNow(sqlite3_vfs*, double* julian_days) {
  *julian_days = 2'461'000.0;
  return SQLITE_OK;
}

}  // namespace

SqliteSimVfs::SqliteSimVfs(FileSystem& file_system) : state_(new State{.files = file_system}) {
  static std::atomic<int> made = 0;
  state_->name = "signaldb-sim-" + std::to_string(++made);
  state_->vfs = sqlite3_vfs{.iVersion = 1,
                            .szOsFile = sizeof(SimFile),
                            .mxPathname = 1024,
                            .zName = state_->name.c_str(),
                            .pAppData = state_.get(),
                            .xOpen = OpenFile,
                            .xDelete = DeleteFile,
                            .xAccess = AccessFile,
                            .xFullPathname = FullPath,
                            .xRandomness = FillRandom,
                            .xSleep = SleepNot,
                            .xCurrentTime = TimeNow};
  sqlite3_vfs_register(&state_->vfs, 0);
}

SqliteSimVfs::~SqliteSimVfs() { sqlite3_vfs_unregister(&state_->vfs); }

const std::string& SqliteSimVfs::name() const { return state_->name; }

}  // namespace signaldb::testing
