// Our decoder against a second opinion: Google's generated classes and the rules written plainly.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "random_otlp.h"
#include "reference_rows.h"
#include "table_rows.h"
#include "telemetry/arrow_request.h"
#include "telemetry/decode.h"
#include "telemetry/select_records.h"
#include "telemetry/table_definition.h"
#include "testing/effort.h"
#include "testing/otlp_samples.h"
#include "testing/wire_batches.h"
#include "wire_form.h"

namespace signaldb {
namespace {

using testing::AsBytes;
using testing::DecodeByTheBook;
using testing::MakeOtlpRequest;
using testing::RandomOtlp;
using testing::ReferenceRequest;
using testing::Rounds;
using testing::TableRow;

constexpr std::int64_t kReceivedAt = 1'763'816'400'123'456'789;
constexpr Signal kSignals[] = {Signal::kLogs, Signal::kTraces, Signal::kMetrics};

/// Where the two differ, or nothing.
std::string Difference(const DecodedRequest& decoded, const ReferenceRequest& expected) {
  std::map<TableKind, std::vector<TableRow>> tables;
  for (const auto& table : decoded.tables) {
    if (const auto valid = table.rows->ValidateFull(); !valid.ok()) return valid.ToString();
    tables[table.table] = testing::RowsOf(*table.rows);
  }
  std::size_t accepted = 0;
  for (const auto& [kind, rows] : expected.tables) {
    accepted += rows.size();
    const auto& ours = tables[kind];
    const auto name = DefinitionOf(kind).name;
    if (ours.size() != rows.size()) {
      return fmt::format("{}: {} rows, should be {}", name, ours.size(), rows.size());
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const auto& [column, cell] : rows[i]) {
        const auto found = ours[i].find(column);
        if (found == ours[i].end()) return fmt::format("{}.{} is missing", name, column);
        if (found->second == cell) continue;
        return fmt::format("{}.{} row {}:\n  is        {}\n  should be {}", name, column, i,
                           found->second, cell);
      }
      if (ours[i].size() != rows[i].size()) return fmt::format("{}: too many columns", name);
    }
  }
  if (static_cast<std::size_t>(decoded.accepted) != accepted) return "accepted differs";
  if (decoded.rejected != expected.rejected) {
    return fmt::format("{} rejected, should be {}", decoded.rejected, expected.rejected);
  }
  std::map<std::string, std::int64_t> notes;
  for (const auto& note : decoded.notes) {
    if (note.kind != DecodedRequest::Note::Kind::kRejected)
      notes[std::string(note.reason)] = note.count;
  }
  for (const auto& [label, count] : expected.notes) {
    if (notes[label] != count) {
      return fmt::format("{} noted {} times, should be {}", label, notes[label], count);
    }
  }
  for (const auto& [label, count] : notes) {
    if (count != 0 && !expected.notes.contains(label)) return label + " noted, should not be";
  }
  return {};
}

DecodeOptions OptionsFor(RandomOtlp& random) {
  DecodeOptions options{.received_at = Nanos{kReceivedAt}};
  if (random.OneIn(10)) options.attributes_max = 2;
  if (random.OneIn(10)) options.depth_max = 2;
  return options;
}

TEST(Differential, RandomProtobufGivesTheRowsOfTheBook) {
  for (std::uint64_t seed = 0; seed < Rounds(600); ++seed) {
    const Signal signal = kSignals[seed % 3];
    RandomOtlp random(seed, {.received_at = kReceivedAt});
    const auto body = random.Scramble(*random.Request(signal));
    const auto options = OptionsFor(random);
    const auto expected = DecodeByTheBook(signal, body, options);
    ASSERT_TRUE(expected.well_formed) << "seed " << seed;
    const auto decoded = DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(body), options);
    ASSERT_TRUE(decoded.has_value()) << "seed " << seed << ": " << decoded.error().message;
    ASSERT_EQ(Difference(*decoded, expected), "") << ToString(signal) << " seed " << seed;
  }
}

/// Everything that a request became, in words.
std::string RowsText(const DecodedRequest& decoded) {
  std::string text;
  for (const auto& table : decoded.tables) {
    for (const TableRow& row : testing::RowsOf(*table.rows)) {
      text += DefinitionOf(table.table).name;
      for (const auto& [column, cell] : row) text += fmt::format(" {}={}", column, cell);
      text += '\n';
    }
  }
  return text;
}

TEST(Differential, SelectedRecordsBecomeWhatTheyAreInTheWholeRequest) {
  std::int64_t rejected = 0;
  for (std::uint64_t round = 0; round < Rounds(150); ++round) {
    const Signal signal = kSignals[round % 3];
    RandomOtlp random(round, {.received_at = kReceivedAt});
    const std::string body = random.Scramble(*random.Request(signal));
    const DecodeOptions options = OptionsFor(random);
    const auto whole = DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(body), options);
    ASSERT_TRUE(whole.has_value()) << round;
    ASSERT_EQ(whole->rejected_records.size(), static_cast<std::size_t>(whole->rejected)) << round;
    rejected += whole->rejected;
    std::vector<std::uint32_t> others;
    for (std::uint32_t i = 0; std::cmp_less(i, whole->accepted + whole->rejected); ++i) {
      if (!std::ranges::binary_search(whole->rejected_records, i)) others.push_back(i);
    }
    const auto decode = [&](const std::vector<std::uint32_t>& records) {
      const auto selected =
          SelectRecords(signal, MessageEncoding::kProtobuf, AsBytes(body), records);
      EXPECT_TRUE(selected.has_value());
      return DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(*selected), options);
    };
    const auto bad = decode(whole->rejected_records);
    ASSERT_TRUE(bad.has_value()) << round;
    EXPECT_EQ(bad->accepted, 0) << round;
    EXPECT_EQ(bad->rejected, whole->rejected) << round;
    const auto good = decode(others);
    ASSERT_TRUE(good.has_value()) << round;
    EXPECT_EQ(good->rejected, 0) << round;
    ASSERT_EQ(RowsText(*good), RowsText(*whole)) << round;
  }
  EXPECT_GT(rejected, 50) << "or this says nothing";
}

TEST(Differential, RandomJsonGivesTheRowsOfTheBook) {
  for (std::uint64_t seed = 0; seed < Rounds(300); ++seed) {
    const Signal signal = kSignals[seed % 3];
    RandomOtlp random(seed, {.invalid_utf8 = false, .received_at = kReceivedAt});
    const auto request = random.Request(signal);
    const auto options = OptionsFor(random);
    const auto expected = DecodeByTheBook(signal, request->SerializeAsString(), options);
    const auto json = random.Json(*request);
    const auto decoded = DecodeMessage(signal, MessageEncoding::kJson, AsBytes(json), options);
    ASSERT_TRUE(decoded.has_value()) << "seed " << seed << ": " << decoded.error().message;
    ASSERT_EQ(Difference(*decoded, expected), "") << ToString(signal) << " seed " << seed;
  }
}

/// What a row of the book says in columns that the wire schemas have nothing for.
void ForgetWhatTheWireLacks(ReferenceRequest& expected) {
  for (auto& [kind, rows] : expected.tables) {
    for (TableRow& row : rows) {
      row["resource_dropped_attributes_count"] = testing::NullCell();
      const bool metrics = kind != TableKind::kTraces && kind != TableKind::kLogs;
      row[metrics ? "scope_dropped_attr_count" : "scope_dropped_attributes_count"] =
          testing::NullCell();
      if (kind == TableKind::kTraces) row["flags"] = testing::NullCell();
    }
  }
}

TEST(Differential, RandomWireBatchesGiveTheRowsOfTheBook) {
  for (std::uint64_t seed = 0; seed < Rounds(300); ++seed) {
    const Signal signal = kSignals[seed % 3];
    RandomOtlp random(seed, {.invalid_utf8 = false, .received_at = kReceivedAt});
    const auto request = random.Request(signal);
    testing::KeepWhatTheWireCarries(*request);
    const auto options = OptionsFor(random);
    auto expected = DecodeByTheBook(signal, request->SerializeAsString(), options);
    ForgetWhatTheWireLacks(expected);

    const auto schema = testing::WireSchema(signal);
    const auto batch = testing::WireBatch(schema, testing::WireRows(signal, *request));
    const auto cut =
        static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(batch->num_rows()) + 1));
    const auto body = testing::IpcStream(schema, {batch->Slice(0, cut), batch->Slice(cut)}) +
                      ArrowBodyTrailer(testing::WireMetadata(signal));
    const auto decoded = DecodeMessage(signal, MessageEncoding::kArrow, AsBytes(body), options);
    ASSERT_TRUE(decoded.has_value()) << "seed " << seed << ": " << decoded.error().message;
    // A resource or scope counts once for each run of rows that share it, not once in all.
    expected.notes.erase("duplicate_attribute_key");
    for (const auto& note : decoded->notes) {
      if (note.reason == "duplicate_attribute_key")
        expected.notes[std::string(note.reason)] = note.count;
    }
    ASSERT_EQ(Difference(*decoded, expected), "") << ToString(signal) << " seed " << seed;
  }
}

TEST(Differential, DamagedProtobufIsRefusedWhereGooglesParserRefusesIt) {
  int refused = 0;
  for (std::uint64_t seed = 0; seed < Rounds(600); ++seed) {
    const Signal signal = kSignals[seed % 3];
    RandomOtlp random(seed, {.received_at = kReceivedAt});
    auto body = random.Scramble(*random.Request(signal));
    if (body.empty()) continue;
    if (random.OneIn(4)) {
      body.resize(random.Below(body.size()));
    } else {
      body[random.Below(body.size())] ^= static_cast<char>(1U << random.Below(8));
    }
    const DecodeOptions options{.received_at = Nanos{kReceivedAt}};
    const auto expected = DecodeByTheBook(signal, body, options);
    const auto decoded = DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(body), options);
    if (!decoded.has_value()) {
      EXPECT_EQ(decoded.error().kind, ErrorKind::kInvalid);
      ASSERT_FALSE(expected.well_formed) << "seed " << seed << ": " << decoded.error().message;
      ++refused;
    } else {
      ASSERT_TRUE(expected.well_formed) << "seed " << seed;
      ASSERT_EQ(Difference(*decoded, expected), "") << ToString(signal) << " seed " << seed;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(Differential, EveryTruncationOfASampleIsRefusedOrDecodedByTheBook) {
  for (const Signal signal : kSignals) {
    const auto body = MakeOtlpRequest(signal, {.resources = 2, .records = 6});
    const DecodeOptions options{.received_at = Nanos{kReceivedAt}};
    for (std::size_t size = 0; size <= body.size(); ++size) {
      const std::string part(body.data(), size);  // Its own memory, so that ASan sees its end.
      const auto decoded =
          DecodeMessage(signal, MessageEncoding::kProtobuf, AsBytes(part), options);
      const auto expected = DecodeByTheBook(signal, part, options);
      ASSERT_EQ(decoded.has_value(), expected.well_formed) << ToString(signal) << " " << size;
      if (!decoded.has_value()) continue;
      ASSERT_EQ(Difference(*decoded, expected), "") << ToString(signal) << " " << size;
    }
  }
}

}  // namespace
}  // namespace signaldb
