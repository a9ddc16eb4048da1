// The process's allocator and its settings.
//
// A request's buffers are a few hundred kilobytes each and die on another thread than the one that
// made them. With glibc every one of them was new pages from the kernel, and clearing pages was a
// third of all CPU time; jemalloc keeps them.

#include <cstdlib>

namespace {

// Arrow's own pool would keep a second heap beside ours. Before main: Arrow looks once, early.
// NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet.
[[maybe_unused]] const int kArrowUsesTheSameHeap = setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 0);

}  // namespace

// Few arenas, since their unused pages add up; unused pages go back to the kernel after a second.
extern "C" __attribute__((visibility("default"))) const char* malloc_conf;
const char* malloc_conf = "narenas:4,dirty_decay_ms:1000,muzzy_decay_ms:0,background_thread:true";
