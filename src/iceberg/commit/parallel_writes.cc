#include "iceberg/commit/parallel_writes.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

namespace signaldb {

Status WriteFiles(FileIo& io, const std::vector<PendingFile>& files, std::size_t threads_max) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::optional<Error> first;
  const auto work = [&] {
    while (!failed) {
      const std::size_t i = next.fetch_add(1);
      if (i >= files.size()) return;
      Status written = WriteFile(io, files[i].location, files[i].bytes);
      if (written.has_value()) continue;
      failed = true;
      const std::scoped_lock lock(mutex);
      if (!first.has_value()) first = std::move(written).error();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < std::min(threads_max, files.size()); ++i) {
      threads.emplace_back(work);
    }
    work();
  }
  if (first.has_value()) return std::unexpected(*std::move(first));
  return {};
}

}  // namespace signaldb
