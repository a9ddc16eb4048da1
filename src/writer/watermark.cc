#include "writer/watermark.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <xxhash.h>

#include "iceberg/metadata/table_metadata.h"

namespace signaldb {

bool Coverage::Covers(SourcePosition position) const { return Intersects({position, position}); }

bool Coverage::Intersects(PositionRange range) const {
  if (range.first <= low) return true;
  const auto next = std::ranges::lower_bound(above, range.first, {}, &PositionRange::last);
  return next != above.end() && next->first <= range.last;
}

void Coverage::AddAll(std::vector<PositionRange> ranges) {
  above.insert(above.end(), ranges.begin(), ranges.end());
  std::ranges::sort(above, {}, &PositionRange::first);
  std::vector<PositionRange> merged;
  for (const PositionRange& r : above) {
    if (r.last <= low) continue;
    if (r.first <= low + 1) {
      low = r.last;
    } else if (!merged.empty() && r.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, r.last);
    } else {
      merged.push_back(r);
    }
  }
  above = std::move(merged);
}

void Coverage::RaiseLow(SourcePosition new_low) {
  if (new_low > low) Add({low + 1, new_low});
}

std::string WatermarkProperty(const SourceKey& source) {
  return fmt::format("signaldb.watermark.{:016x}", XXH3_64bits(source.data(), source.size()));
}

std::string EncodeRanges(const std::vector<PositionRange>& ranges) {
  std::string text;
  for (const PositionRange& r : ranges) {
    fmt::format_to(std::back_inserter(text), "{}{}-{}", text.empty() ? "" : ",", r.first, r.last);
  }
  return text;
}

std::string EncodeWatermark(const SourceKey& source, const Coverage& coverage) {
  return fmt::format("low={} ranges={} source={}", coverage.low, EncodeRanges(coverage.above),
                     source);
}

namespace {

std::optional<std::string_view> TakePart(std::string_view& text, std::string_view key) {
  if (!text.starts_with(key)) return std::nullopt;
  text.remove_prefix(key.size());
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::optional<SourcePosition> ParseNumber(std::string_view text) {
  SourcePosition number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Adds ranges like "125-130,140-140"; false if they are not.
bool AddRanges(std::string_view ranges, Coverage& coverage) {
  while (!ranges.empty()) {
    const std::string_view one = ranges.substr(0, ranges.find(','));
    const std::size_t dash = one.find('-');
    if (dash == std::string_view::npos) return false;
    const auto first = ParseNumber(one.substr(0, dash));
    const auto last = ParseNumber(one.substr(dash + 1));
    if (!first || !last || *first > *last) return false;
    coverage.Add({*first, *last});
    ranges.remove_prefix(std::min(one.size() + 1, ranges.size()));
  }
  return true;
}

std::optional<Coverage> Parse(const SourceKey& source, std::string_view text) {
  const auto low = TakePart(text, "low=");
  const auto ranges = low ? TakePart(text, "ranges=") : std::nullopt;
  if (!ranges || text != fmt::format("source={}", source)) return std::nullopt;
  const auto low_number = ParseNumber(*low);
  if (!low_number) return std::nullopt;
  Coverage coverage{.low = *low_number, .above = {}};
  if (!AddRanges(*ranges, coverage)) return std::nullopt;
  return coverage;
}

}  // namespace

Result<Coverage> CoverageOf(const SourceKey& source,
                            const std::map<std::string, std::string, std::less<>>& properties) {
  const auto found = properties.find(WatermarkProperty(source));
  if (found == properties.end()) return Coverage{};
  auto coverage = Parse(source, found->second);
  if (!coverage) {
    return Fail(
        ErrorKind::kCorrupt,
        fmt::format(
            "watermark is unreadable; restore the table property from an older metadata file "
            "before writing on property={} value={} expected_source={}",
            found->first, found->second, source));
  }
  return *std::move(coverage);
}

namespace {

// What a summary says of one source; false if that is unreadable.
bool AddNamedRanges(const SourceKey& source, std::string_view summary, Coverage& named) {
  while (!summary.empty()) {
    const std::string_view one = summary.substr(0, summary.find(' '));
    summary.remove_prefix(std::min(one.size() + 1, summary.size()));
    const std::size_t equals = one.rfind('=');
    if (equals == std::string_view::npos) return false;
    if (one.substr(0, equals) == source && !AddRanges(one.substr(equals + 1), named)) return false;
  }
  return true;
}

}  // namespace

Result<Coverage> CoverageIn(const SourceLane& lane, const TableMetadata& table) {
  if (table.properties.contains(WatermarkProperty(lane.key())))
    return CoverageOf(lane.key(), table.properties);
  Coverage named;
  for (const auto& snapshot : table.snapshots) {
    const auto found = snapshot->summary.find(kRangesInSummary);
    if (found == snapshot->summary.end() || AddNamedRanges(lane.key(), found->second, named))
      continue;
    return Fail(ErrorKind::kCorrupt,
                fmt::format("the ranges of a snapshot are unreadable; restore the table property "
                            "from an older metadata file before writing on property={} ranges={}",
                            WatermarkProperty(lane.key()), found->second));
  }
  if (lane.order() == LaneOrder::kInOrder && !named.above.empty())
    named.RaiseLow(named.above.back().last);
  return named;
}

}  // namespace signaldb
