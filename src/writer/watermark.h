#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/source_position.h"
#include "signaldb/result.h"
#include "writer/source_lane.h"

namespace signaldb {

struct TableMetadata;

/// Positions `first` to `last`, both included.
struct PositionRange {
  SourcePosition first = 0;
  SourcePosition last = 0;

  friend bool operator==(const PositionRange&, const PositionRange&) = default;
};

/// Which positions of one source a table covers: everything up to `low`, and `above` it some ranges
/// (sorted, disjoint, not adjacent). Covered means: the rows of these messages for this table are
/// in it, or there were none.
struct Coverage {
  SourcePosition low = 0;
  std::vector<PositionRange> above;

  [[nodiscard]] bool Covers(SourcePosition position) const;
  /// True if any position of `range` is covered.
  [[nodiscard]] bool Intersects(PositionRange range) const;
  /// Covers `range` too, merging what touches.
  void Add(PositionRange range) { AddAll({range}); }
  void AddAll(std::vector<PositionRange> ranges);
  /// Covers everything up to `low`.
  void RaiseLow(SourcePosition low);

  friend bool operator==(const Coverage&, const Coverage&) = default;
};

/// The table property that holds the coverage of `source`: "signaldb.watermark." and 16 hex digits
/// of its hash. Hashed because source keys hold characters and lengths that catalogs refuse in
/// property names.
[[nodiscard]] std::string WatermarkProperty(const SourceKey& source);

/// "125-130,140-140".
[[nodiscard]] std::string EncodeRanges(const std::vector<PositionRange>& ranges);

/// The property's value: "low=123 ranges=125-130,140-140 source=log/0193...".
[[nodiscard]] std::string EncodeWatermark(const SourceKey& source, const Coverage& coverage);

/// The coverage of `source` among a table's properties; nothing covered if the property is absent.
/// Errors: kCorrupt (unreadable, or of another source: committing would risk a duplicate or a
/// loss).
[[nodiscard]] Result<Coverage> CoverageOf(
    const SourceKey& source, const std::map<std::string, std::string, std::less<>>& properties);

/// Key of the snapshot summary that holds the positions whose rows the snapshot added, by source:
/// "log/0193...=5-9 kafka/...=7-8,12-12".
inline constexpr std::string_view kRangesInSummary = "signaldb.ranges";

/// The coverage of `lane`'s source in a table. Should another engine have removed the property, the
/// snapshots tell: everything up to the highest position that any names for a lane in order, whose
/// positions are committed in order; else the positions they name.
/// Errors: as CoverageOf; kCorrupt (a summary is unreadable).
[[nodiscard]] Result<Coverage> CoverageIn(const SourceLane& lane, const TableMetadata& table);

}  // namespace signaldb
