#include "service/event_log.h"

#include <algorithm>
#include <cstdio>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metric_names.h"
#include "service/log_line.h"
#include "service/metric_registry.h"
#include "service/quoted_text.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Nanos kWall = std::chrono::seconds(1'790'000'000) + Nanos(7);

LogEvent Event(Severity severity, std::string message,
               std::vector<std::pair<std::string_view, std::string>> fields = {}) {
  return {.severity = severity,
          .module = "writer",
          .message = std::move(message),
          .fields = std::move(fields)};
}

std::size_t Lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// What a log with these levels writes for what `speak` says.
template <typename Speak>
std::string Written(std::string_view levels, Speak speak) {
  std::ostringstream out;
  FakeClock clock(kWall);
  {
    EventLog log(LogFormat::kText, *ParseLogLevels(levels), clock, out);
    speak(log, clock);
  }
  return out.str();
}

TEST(LogLine, IsReadableAsText) {
  EXPECT_EQ(FormatLogLine(Event(Severity::kInfo, "committed a cut",
                                {{"tenant", "acme"}, {"error", "a b=\"c\""}, {"empty", ""}}),
                          kWall, LogFormat::kText),
            "2026-09-21T14:13:20.000000007Z info  writer   committed a cut tenant=acme "
            "error=\"a b=\\\"c\\\"\" empty=\"\"");
}

TEST(LogLine, IsAJsonObject) {
  EXPECT_EQ(FormatLogLine(Event(Severity::kWarning, "slow", {{"commit_id", "7\n8"}}), kWall,
                          LogFormat::kJson),
            R"({"time":"2026-09-21T14:13:20.000000007Z","level":"warn","component":"writer",)"
            R"("msg":"slow","commit_id":"7\n8"})");
}

TEST(LogLine, ShowsTimesBeforeAndAfter1970) {
  EXPECT_THAT(FormatLogLine(Event(Severity::kError, "x"), Nanos(-1), LogFormat::kText),
              HasSubstr("1969-12-31T23:59:59.999999999Z error"));
  EXPECT_THAT(FormatLogLine(Event(Severity::kDebug, "x"), Nanos(0), LogFormat::kText),
              HasSubstr("1970-01-01T00:00:00.000000000Z debug"));
}

TEST(LogLine, StaysOneLineWhateverComesFromOutside) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line =
        FormatLogLine(Event(Severity::kInfo, "a\r\nb", {{"v", "x\ny\r\x1b[31m"}}), kWall, format);
    EXPECT_THAT(line, Not(HasSubstr("\n")));
    EXPECT_THAT(line, Not(HasSubstr("\r")));
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  }
}

TEST(LogLine, HoldsNoPasswordAndCutsLongValues) {
  const std::string line = FormatLogLine(
      Event(Severity::kError, "x", {{"uri", "postgres://u:hunter2@h/d"}}), kWall, LogFormat::kJson);
  EXPECT_THAT(line, Not(HasSubstr("hunter2")));
  for (const std::size_t size : {kLogValueBytesMax - 1, kLogValueBytesMax}) {
    EXPECT_THAT(FormatLogLine(Event(Severity::kInfo, "x", {{"v", std::string(size, 'v')}}), kWall,
                              LogFormat::kText),
                HasSubstr("v=" + std::string(size, 'v')));
  }
  const std::string cut =
      FormatLogLine(Event(Severity::kInfo, "x", {{"v", std::string(kLogValueBytesMax + 1, 'v')}}),
                    kWall, LogFormat::kText);
  EXPECT_TRUE(cut.ends_with(std::string(kLogValueBytesMax, 'v') + "..."));
}

TEST(QuotedText, EscapesWhatJsonMustAndRepairsWhatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  const std::pair<std::string, std::string> cases[] = {
      {"", "\"\""},
      {"plain", "\"plain\""},
      {"a\"b\\c", R"("a\"b\\c")"},
      {"\n\t", R"("\n\t")"},
      {std::string("\0\x1f\x7f", 3), R"("\u0000\u001f\u007f")"},
      {"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\""},
      {"\x80", "\"" + bad + "\""},
      {"\xC0\xAF", "\"" + bad + bad + "\""},                      // Overlong.
      {"\xED\xA0\x80", "\"" + bad + bad + bad + "\""},            // A surrogate.
      {"\xF4\x90\x80\x80", "\"" + bad + bad + bad + bad + "\""},  // Above U+10FFFF.
      {"\xE2\x82", "\"" + bad + bad + "\""},                      // Cut off.
      {"\xFF"
       "a",
       "\"" + bad + "a\""},
  };
  for (const auto& [text, quoted] : cases) EXPECT_EQ(Quoted(text), quoted);
}

TEST(EventLog, WritesFromTheLevelOfTheModuleOn) {
  const std::string text = Written("warn,writer=debug", [](EventLog& log, FakeClock&) {
    EXPECT_TRUE(log.Wants("writer", Severity::kDebug));
    EXPECT_FALSE(log.Wants("otlp", Severity::kInfo));
    log.Log(Event(Severity::kDebug, "from the writer"));
    log.Log({.severity = Severity::kInfo, .module = "otlp", .message = "not wanted"});
    log.Log({.severity = Severity::kWarning, .module = "otlp", .message = "wanted {} %v"});
  });
  EXPECT_EQ(Lines(text), 2U);
  EXPECT_THAT(text, HasSubstr("from the writer"));
  EXPECT_THAT(text, HasSubstr("wanted {} %v"));
}

TEST(EventLog, HoldsBackAStormOfTheSameWarningAndTellsHowMuch) {
  const std::string text = Written("info", [](EventLog& log, FakeClock& clock) {
    for (int i = 0; i < RepeatFilter::kLinesMax + 5; ++i) {
      log.Log(Event(Severity::kWarning, "no space", {{"i", std::to_string(i)}}));
    }
    log.Log(Event(Severity::kWarning, "other"));
    clock.Advance(RepeatFilter::kPeriod);
    log.Log(Event(Severity::kWarning, "no space", {{"i", "again"}}));
  });
  EXPECT_EQ(Lines(text), static_cast<std::size_t>(RepeatFilter::kLinesMax) + 3);
  EXPECT_THAT(text, HasSubstr("no space lines_held_back=5\n"));
  EXPECT_THAT(text, HasSubstr("no space i=again\n"));
}

TEST(EventLog, TellsWhatItHeldBackWhenItEnds) {
  const std::string text = Written("info", [](EventLog& log, FakeClock&) {
    for (int i = 0; i < RepeatFilter::kLinesMax + 1; ++i) log.Log(Event(Severity::kError, "bad"));
  });
  EXPECT_THAT(text, HasSubstr("bad lines_held_back=1\n"));
}

TEST(EventLog, NeverHoldsBackInfoLines) {
  const std::string text = Written("info", [](EventLog& log, FakeClock&) {
    for (int i = 0; i < 100; ++i) log.Log(Event(Severity::kInfo, "committed a table"));
  });
  EXPECT_EQ(Lines(text), 100U);
}

TEST(EventLog, RemembersABoundedNumberOfMessages) {
  RepeatFilter filter;
  for (std::size_t i = 0; i < RepeatFilter::kMessagesMax; ++i) {
    EXPECT_TRUE(filter.Passes(Event(Severity::kError, std::to_string(i)), Nanos(0)));
  }
  for (int i = 0; i < 2 * RepeatFilter::kLinesMax; ++i) {
    EXPECT_TRUE(filter.Passes(Event(Severity::kError, "one more"), Nanos(0)));
  }
}

TEST(EventLog, WritesWholeLinesFromManyThreads) {
  const std::string text = Written("info", [](EventLog& log, FakeClock&) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&log] {
        for (int i = 0; i < 200; ++i) log.Log(Event(Severity::kInfo, "line", {{"k", "v"}}));
      });
    }
  });
  EXPECT_EQ(Lines(text), 800U);
  const std::regex line("[^\n]* info  writer   line k=v\n");
  EXPECT_EQ(std::distance(std::sregex_iterator(text.begin(), text.end(), line), {}), 800);
}

TEST(MetricRegistry, WritesTheFormatOfPrometheus) {
  MetricRegistry metrics;
  metrics.Count("signaldb_writer_commits_total", 2, {{"outcome", "applied"}});
  metrics.Count("signaldb_writer_commits_total", 1, {{"outcome", "applied"}});
  metrics.Count("signaldb_writer_commits_total", 1, {{"outcome", "con\"flict"}});
  metrics.Gauge("signaldb_writer_buffer_rows", 5, {});
  metrics.Gauge("signaldb_writer_buffer_rows", 4, {});
  metrics.Observe("signaldb_writer_commit_duration_seconds", 0.02, {});
  metrics.Observe("signaldb_writer_batch_rows", 300, {{"table", "logs"}});
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE signaldb_writer_commits_total counter\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_commits_total{outcome=\"applied\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("{outcome=\"con\\\"flict\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_buffer_rows 4\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_commit_duration_seconds_bucket{le=\"0.025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_commit_duration_seconds_bucket{le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_batch_rows_bucket{table=\"logs\",le=\"1024\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("signaldb_writer_batch_rows_bucket{table=\"logs\",le=\"256\"} 0\n"));
}

TEST(MetricRegistry, BoundsTheLabelSetsOfAMetric) {
  MetricRegistry metrics;
  const auto count = [&](std::size_t i) {
    metrics.Count("signaldb_writer_commits_total", 1, {{"outcome", std::to_string(i)}});
  };
  for (std::size_t i = 0; i < MetricRegistry::kLabelSetsMax; ++i) count(i);
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("other")));
  for (std::size_t i = 0; i < 3; ++i) count(MetricRegistry::kLabelSetsMax + i);
  count(0);
  EXPECT_THAT(metrics.Text(), HasSubstr("{outcome=\"other\"} 3\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("{outcome=\"0\"} 2\n"));
}

TEST(MetricRegistryDeathTest, EndsTheProcessOnAMetricThatIsNotDefined) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  MetricRegistry metrics;
  EXPECT_DEATH(metrics.Count("signaldb_writer_no_such_total", 1, {}), "broken invariant");
  EXPECT_DEATH(metrics.Gauge("signaldb_writer_commits_total", 1, {}), "broken invariant");
}

TEST(MetricRegistry, PassesTheCheckOfPromtool) {
  std::ostringstream out;
  FakeClock clock;
  EventLog log(LogFormat::kText, {}, clock, out);
  for (const MetricDefinition& metric : kMetrics) {
    switch (metric.type) {
      case MetricType::kCounter:
        log.Count(metric.name, 1, {{"source", "otlp_grpc"}});
        break;
      case MetricType::kGauge:
        log.Gauge(metric.name, 1, {{"table", "a\\b\n\"c\""}});
        break;
      case MetricType::kHistogram:
        log.Observe(metric.name, 1, {});
        break;
    }
  }
  const std::string text = log.MetricsText();
  EXPECT_THAT(text, HasSubstr("signaldb_writer_dropped_log_lines_total 0\n"));
  FILE* promtool = popen("promtool check metrics 2>&1", "w");
  ASSERT_NE(promtool, nullptr);
  EXPECT_EQ(std::fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(pclose(promtool), 0) << "promtool printed why, above";
}

}  // namespace
}  // namespace signaldb
