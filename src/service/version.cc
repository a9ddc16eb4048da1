#include "service/version.h"

#include <fmt/format.h>

#include "service/quoted_text.h"

namespace signaldb {

std::string_view Version() { return SIGNALDB_VERSION; }

std::string VersionJson() {
  return fmt::format(R"({{"name":"signaldb-writer","version":{},"compiler":{},"build_type":{}}})",
                     Quoted(Version()), Quoted(SIGNALDB_COMPILER), Quoted(SIGNALDB_BUILD_TYPE));
}

}  // namespace signaldb
