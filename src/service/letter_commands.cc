#include "service/letter_commands.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <optional>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "service/quoted_text.h"

namespace signaldb {

namespace {

constexpr std::size_t kReasonsMax = 100;
constexpr std::size_t kHexPerLine = 16;

std::string TimeText(Nanos time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time_t{seconds.count()}));
}

// Reasons that differ in numbers only, of ten digits or sixteen, are one.
std::string AlikeReason(std::string_view reason) {
  constexpr std::string_view kHex = "0x";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_hex_digit = [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  std::string alike;
  while (!reason.empty()) {
    const bool hex = reason.starts_with(kHex);
    if (hex) reason.remove_prefix(kHex.size());
    const auto* const end = hex ? std::ranges::find_if_not(reason, is_hex_digit)
                                : std::ranges::find_if_not(reason, is_digit);
    const auto digits = static_cast<std::size_t>(end - reason.begin());
    if (hex || digits > 0) {
      alike += hex ? "0x#" : "#";
      reason.remove_prefix(digits);
    } else {
      alike += reason.front();
      reason.remove_prefix(1);
    }
  }
  return alike;
}

// Looking at letters must not make the places where there are none.
Status CheckCatalog(const ServiceConfiguration& values, FileSystem& files) {
  const std::string& path = values.schema.sqlite_path;
  const bool in_file =
      values.schema.catalog_type == CatalogType::kSql && !path.empty() && path != ":memory:";
  if (!in_file) return {};
  SIGNALDB_ASSIGN(const std::optional<DirEntry> file, files.Stat(path));
  if (file) return {};
  return Fail(ErrorKind::kUnavailable,
              fmt::format("there is no catalog at {}; name the configuration of the writer with "
                          "--config, or call this in its folder",
                          path));
}

struct Counts {
  std::int64_t letters = 0;
  std::int64_t messages = 0;

  void Add(const DeadLetter& letter) {
    ++letters;
    messages += letter.messages;
  }
};

struct Summary {
  Counts all;
  std::int64_t replayable = 0;
  Nanos oldest = Nanos::max();
  Nanos newest = Nanos::min();
  std::map<std::string, Counts> reasons;

  void Add(const DeadLetter& letter) {
    all.Add(letter);
    replayable += letter.IsReplayable() ? 1 : 0;
    oldest = std::min(oldest, letter.received_at);
    newest = std::max(newest, letter.received_at);
    const std::string reason = AlikeReason(letter.reason);
    const bool fits = reasons.contains(reason) || reasons.size() < kReasonsMax;
    reasons[fits ? reason : "others"].Add(letter);
  }
};

std::string SummaryJson(const DatasetId& dataset, const Summary& summary) {
  std::string reasons;
  for (const auto& [reason, counts] : summary.reasons) {
    reasons +=
        fmt::format(R"({}{{"reason":{},"letters":{},"messages":{}}})", reasons.empty() ? "" : ",",
                    Quoted(reason), counts.letters, counts.messages);
  }
  return fmt::format(
      R"({{"tenant":{},"dataset":{},"letters":{},"messages":{},"replayable":{},"oldest":"{}",)"
      R"("newest":"{}","reasons":[{}]}})",
      Quoted(dataset.tenant), Quoted(dataset.dataset), summary.all.letters, summary.all.messages,
      summary.replayable, TimeText(summary.oldest), TimeText(summary.newest), reasons);
}

std::string SummaryText(const DatasetId& dataset, const Summary& summary) {
  std::string text =
      fmt::format("{}.{}: {} letters for {} messages, {} can be replayed, from {} to {}\n",
                  dataset.tenant, dataset.dataset, summary.all.letters, summary.all.messages,
                  summary.replayable, TimeText(summary.oldest), TimeText(summary.newest));
  for (const auto& [reason, counts] : summary.reasons)
    text += fmt::format("  {:>8}  {}\n", counts.messages, Quoted(reason));
  return text;
}

std::string HexLines(std::span<const std::byte> bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kHexPerLine) {
    const auto line = bytes.subspan(at, std::min(kHexPerLine, bytes.size() - at));
    std::string plain;
    text += fmt::format("{:08x} ", at);
    for (const std::byte b : line) {
      const auto c = std::to_integer<unsigned char>(b);
      text += fmt::format(" {:02x}", c);
      plain += c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '.';
    }
    text += fmt::format("{:{}}  {}\n", "", 3 * (kHexPerLine - line.size()), plain);
  }
  return text;
}

std::string HexText(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<unsigned char>(b));
  return text;
}

std::string_view TextOf(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string LetterJson(const DatasetId& dataset, const DeadLetter& letter) {
  const auto optional = [](std::string_view text) {
    return text.empty() ? std::string("null") : Quoted(text);
  };
  return fmt::format(
      R"({{"tenant":{},"dataset":{},"source":{},"position":{},"first_position":{},"messages":{},)"
      R"("part":{},"signal":"{}","encoding":"{}","received_at":"{}","reason":{},)"
      R"("rejected_records":{},"content":"{}","message_bytes":{},"message_xxh64":{},)"
      R"("for_tenant":{},"for_dataset":{},"replayable":{},"message_hex":"{}"}})"
      "\n",
      Quoted(dataset.tenant), Quoted(dataset.dataset), Quoted(letter.source), letter.position,
      letter.first_position, letter.messages, letter.part, ToString(letter.signal),
      ToString(letter.encoding), TimeText(letter.received_at), Quoted(letter.reason),
      letter.rejected_records ? std::to_string(*letter.rejected_records) : "null",
      ToString(letter.content), letter.message_bytes, optional(letter.message_xxh64),
      optional(letter.for_tenant), optional(letter.for_dataset), letter.IsReplayable(),
      HexText(letter.message));
}

std::string LetterText(const DatasetId& dataset, const DeadLetter& letter) {
  std::string text =
      fmt::format("dataset      {}.{}\nsource       {}\nposition     {} part {}\n", dataset.tenant,
                  dataset.dataset, letter.source, letter.position, letter.part);
  if (letter.source.starts_with("kafka/"))
    text += fmt::format("offset       {}\n", letter.position - 1);
  if (letter.messages > 1)
    text +=
        fmt::format("messages     {} from position {}\n", letter.messages, letter.first_position);
  text += fmt::format("received     {}\nsignal       {} as {}\nreason       {}\n",
                      TimeText(letter.received_at), ToString(letter.signal),
                      ToString(letter.encoding), Quoted(letter.reason));
  if (letter.rejected_records) text += fmt::format("rejected     {}\n", *letter.rejected_records);
  if (!letter.for_tenant.empty())
    text += fmt::format("was for      {}.{}\n", letter.for_tenant, letter.for_dataset);
  text += fmt::format("content      {}, {} bytes of {}{}{}\nreplayable   {}\n\n",
                      ToString(letter.content), letter.message.size(), letter.message_bytes,
                      letter.message_xxh64.empty() ? "" : ", xxh64 ", letter.message_xxh64,
                      letter.IsReplayable() ? "yes" : "no");
  if (letter.encoding == MessageEncoding::kJson)
    return text + Quoted(TextOf(letter.message)) + '\n';
  return text + HexLines(letter.message);
}

std::string ReportText(const LetterReport& report, LetterForm form) {
  std::string reasons;
  for (const auto& [reason, letters] : report.reasons) {
    reasons += form == LetterForm::kJson
                   ? fmt::format(R"({}{{"reason":{},"letters":{}}})", reasons.empty() ? "" : ",",
                                 Quoted(reason), letters)
                   : fmt::format("  {:>8}  {}\n", letters, Quoted(reason));
  }
  if (form == LetterForm::kJson) {
    return fmt::format(
        R"({{"matched":{},"removed":{},"replaced":{},"left":{},"rows":{},"reasons":[{}]}})"
        "\n",
        report.matched, report.removed, report.replaced, report.left, report.rows, reasons);
  }
  return fmt::format(
      "{} letters matched: {} removed, {} replaced by what is left of them, {} left; {} rows "
      "added\n{}",
      report.matched, report.removed, report.replaced, report.left, report.rows, reasons);
}

}  // namespace

LetterCommands::LetterCommands(const ServiceConfiguration& values, Storage storage, Clock& clock,
                               Random& random, EventListener& events)
    : storage_(std::move(storage)),
      desk_(*storage_.catalog,
            {*storage_.committer, *storage_.io, clock, random, events, storage_.in_flight.get()},
            FilesOf(values), TablesOf(values), DecodingOf(values)) {}

Result<std::unique_ptr<LetterCommands>> LetterCommands::Open(const ServiceConfiguration& values,
                                                             FileSystem& files, Clock& clock,
                                                             Random& random,
                                                             EventListener& events) {
  SIGNALDB_TRY(CheckCatalog(values, files));
  SIGNALDB_ASSIGN(Storage storage, OpenStorage(values, files, clock, random, events));
  if (storage.in_flight == nullptr) {
    return Fail(ErrorKind::kInvalid,
                "the tables are in the memory of the process that writes them; dead letters can be "
                "looked at with a catalog and a storage that outlive it");
  }
  return std::unique_ptr<LetterCommands>(
      new LetterCommands(values, std::move(storage), clock, random, events));
}

Result<std::string> LetterCommands::List(const LetterFilter& filter, LetterForm form) {
  SIGNALDB_ASSIGN(const std::vector<DatasetId> datasets, desk_.Datasets(filter));
  std::string text;
  for (const DatasetId& dataset : datasets) {
    Summary summary;
    SIGNALDB_TRY(desk_.ForEach(dataset, filter, [&](const DeadLetter& letter) -> Status {
      summary.Add(letter);
      return {};
    }));
    if (summary.all.letters == 0) continue;
    if (form == LetterForm::kJson) {
      text += (text.empty() ? "" : ",") + SummaryJson(dataset, summary);
    } else {
      text += SummaryText(dataset, summary);
    }
  }
  if (form == LetterForm::kJson) return '[' + text + "]\n";
  return text.empty() ? "no dead letters\n" : text;
}

Result<std::string> LetterCommands::Show(const LetterFilter& filter, LetterForm form) {
  SIGNALDB_ASSIGN(const std::vector<DatasetId> datasets, desk_.Datasets(filter));
  std::string text;
  int found = 0;
  for (const DatasetId& dataset : datasets) {
    SIGNALDB_TRY(desk_.ForEach(dataset, filter, [&](const DeadLetter& letter) -> Status {
      if (++found > 1) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("several letters match; name one by --tenant, --dataset, --source, "
                                "--position and --part tenant={} dataset={} source={} position={} "
                                "part={}",
                                dataset.tenant, dataset.dataset, letter.source, letter.position,
                                letter.part));
      }
      text = form == LetterForm::kRaw    ? std::string(TextOf(letter.message))
             : form == LetterForm::kJson ? LetterJson(dataset, letter)
                                         : LetterText(dataset, letter);
      return {};
    }));
  }
  if (found == 0) return Fail(ErrorKind::kNotFound, "no letter matches");
  return text;
}

Result<std::int64_t> LetterCommands::Count(const LetterFilter& filter) {
  SIGNALDB_ASSIGN(const std::vector<DatasetId> datasets, desk_.Datasets(filter));
  std::int64_t letters = 0;
  for (const DatasetId& dataset : datasets) {
    SIGNALDB_TRY(desk_.ForEach(dataset, filter, [&](const DeadLetter&) -> Status {
      ++letters;
      return {};
    }));
  }
  return letters;
}

Result<LetterCommands::Outcome> LetterCommands::Replay(const LetterFilter& filter,
                                                       const std::optional<DatasetId>& target,
                                                       LetterForm form) {
  return Change([&](const DatasetId& dataset) { return desk_.Replay(dataset, filter, target); },
                filter, form);
}

Result<LetterCommands::Outcome> LetterCommands::Drop(const LetterFilter& filter, LetterForm form) {
  return Change([&](const DatasetId& dataset) { return desk_.Drop(dataset, filter); }, filter,
                form);
}

Result<LetterCommands::Outcome> LetterCommands::Change(const Edit& edit, const LetterFilter& filter,
                                                       LetterForm form) {
  SIGNALDB_ASSIGN(const std::vector<DatasetId> datasets, desk_.Datasets(filter));
  Outcome outcome;
  for (const DatasetId& dataset : datasets) {
    const Result<LetterReport> report = edit(dataset);
    if (!report) {
      return Fail(report.error().kind,
                  fmt::format("{}; datasets before it are done, repeating is safe tenant={} "
                              "dataset={}",
                              report.error().message, dataset.tenant, dataset.dataset));
    }
    outcome.report.matched += report->matched;
    outcome.report.removed += report->removed;
    outcome.report.replaced += report->replaced;
    outcome.report.left += report->left;
    outcome.report.rows += report->rows;
    for (const auto& [reason, letters] : report->reasons) outcome.report.reasons[reason] += letters;
  }
  outcome.text = ReportText(outcome.report, form);
  return outcome;
}

}  // namespace signaldb
