#include "service/source_blocks.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "service/configuration.h"
#include "testing/matchers.h"

namespace signaldb {
namespace {

using ::testing::HasSubstr;
using testing::IsErrorSaying;
using testing::IsOk;
using ::testing::Not;

struct Inputs {
  std::string toml = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<std::string> settings = {};
};

Result<LoadedConfiguration> Load(const Inputs& inputs) {
  ConfigurationSources sources;
  sources.working_directory = "/srv/signaldb";
  sources.file = {"f.toml", inputs.toml};
  sources.environment = inputs.environment;
  sources.settings = inputs.settings;
  sources.read_file = [](const std::string&) -> Result<std::string> { return "hunter2\n"; };
  return LoadConfiguration(sources);
}

constexpr const char* kTwoOfEach = R"([[kafka]]
brokers  = "kafka:9092"
group_id = "signaldb-writer"
topics = [{ topic = "otlp_spans", signal = "traces", encoding = "otlp_proto", tenant = "acme" },
          { topic = "l.json", signal = "logs", encoding = "otlp_json", tenant_from = "header:t" }]

[[kafka]]
name = "west"
brokers = "west:9092"
security_protocol = "sasl_ssl"
ssl_ca_file = "ca.pem"
sasl_username = "me"
sasl_password = "hunter 2 ä"
session_timeout = "10s"

[[nats]]
url      = "nats://u:hunter2@nats:4222"
stream   = "OTEL"
durable  = "signaldb-writer"
subjects = [{ subject = "otel.spans", signal = "traces" }]

[[nats]]
url = "nats://b:4222"
stream = "MORE"
token = "hunter2"
  [[nats.subjects]]
  subject = "a.>"
  signal = "metrics"
)";

TEST(SourceBlocks, AreReadFromTheFile) {
  const auto loaded = Load({.toml = kTwoOfEach});
  ASSERT_THAT(loaded, IsOk());
  const ServiceConfiguration& values = loaded->values;
  ASSERT_EQ(values.kafka.size(), 2);
  EXPECT_EQ(values.kafka[0].name, "kafka");
  EXPECT_EQ(values.kafka[0].brokers, "kafka:9092");
  EXPECT_EQ(values.kafka[0].on_out_of_range, "stop");
  ASSERT_EQ(values.kafka[0].topics.size(), 2);
  EXPECT_EQ(values.kafka[0].topics[0].from, "otlp_spans");
  EXPECT_EQ(values.kafka[0].topics[0].tenant, "acme");
  EXPECT_EQ(values.kafka[0].topics[1].signal, Signal::kLogs);
  EXPECT_EQ(values.kafka[0].topics[1].encoding, "otlp_json");
  EXPECT_EQ(values.kafka[0].topics[1].tenant_from, "header:t");
  EXPECT_EQ(values.kafka[1].name, "west");
  EXPECT_EQ(values.kafka[1].ssl_ca_file, "/srv/signaldb/ca.pem");
  EXPECT_EQ(values.kafka[1].sasl_password, "hunter 2 ä");
  EXPECT_EQ(values.kafka[1].session_timeout, std::chrono::seconds(10));
  EXPECT_EQ(values.kafka[1].topics.size(), 3) << "the Collector's default topics";
  ASSERT_EQ(values.nats.size(), 2);
  EXPECT_EQ(values.nats[0].stream, "OTEL");
  EXPECT_EQ(values.nats[1].name, "nats-2");
  EXPECT_EQ(values.nats[1].subjects[0].signal, Signal::kMetrics);
}

TEST(SourceBlocks, AreShownWithoutSecretsAndCanBeReadBack) {
  const auto loaded = Load({.toml = kTwoOfEach});
  ASSERT_THAT(loaded, IsOk());
  const std::string shown = ShowAsToml(loaded->shown);
  EXPECT_THAT(shown, Not(HasSubstr("hunter2")));
  EXPECT_THAT(shown, HasSubstr("[[kafka]]\n"));
  EXPECT_THAT(shown, HasSubstr("sasl_password = \"***\"  # f.toml:13\n"));
  EXPECT_THAT(shown, HasSubstr("[[nats.subjects]]\nsubject = \"a.>\"  # f.toml:27\n"));
  const auto again = Load({.toml = shown});
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->values.kafka[1].topics[2].from, "otlp_logs");
  EXPECT_EQ(again->values.nats[1].subjects[0].from, "a.>");
}

TEST(SourceBlocks, AreChangedAndAddedByEnvironmentAndCommandLine) {
  const auto loaded = Load({.toml = "[[kafka]]\nbrokers = \"a:1\"\n",
                            .environment = {{"SIGNALDB__KAFKA__0__BROKERS", "b:1"},
                                            {"SIGNALDB__KAFKA__0__SASL_PASSWORD_FILE", "/x"},
                                            {"SIGNALDB__KAFKA__0__SASL_USERNAME", "me"},
                                            {"SIGNALDB__KAFKA__0__SECURITY_PROTOCOL", "sasl_ssl"},
                                            {"SIGNALDB__KAFKA__1__BROKERS", "c:1"},
                                            {"SIGNALDB__NATS__0__URL", "nats://n"},
                                            {"SIGNALDB__NATS__0__STREAM", "S"}},
                            .settings = {"kafka.0.topics.0.topic=x", "kafka.0.topics.0.signal=logs",
                                         "kafka.0.group_id=g"}});
  ASSERT_THAT(loaded, IsOk());
  ASSERT_EQ(loaded->values.kafka.size(), 2);
  EXPECT_EQ(loaded->values.kafka[0].brokers, "b:1");
  EXPECT_EQ(loaded->values.kafka[0].sasl_password, "hunter2");
  EXPECT_EQ(loaded->values.kafka[0].group_id, "g");
  EXPECT_EQ(loaded->values.kafka[0].topics[0].from, "x");
  EXPECT_EQ(loaded->values.kafka[1].brokers, "c:1");
  EXPECT_EQ(loaded->values.nats[0].stream, "S");
  EXPECT_THAT(ShowAsToml(loaded->shown),
              HasSubstr("brokers = \"b:1\"  # environment SIGNALDB__KAFKA__0__BROKERS\n"));
}

TEST(SourceBlocks, SayWhatIsWrongAndWhere) {
  const std::pair<std::string, std::string> cases[] = {
      {"[[kafka]]\nbroker = \"a\"\n",
       "f.toml:2: unknown key of [[kafka]], did you mean brokers? key=kafka.0.broker"},
      {"[[kafka]]\nbrokers = \"a\"\ntopic = \"a\"\n", "f.toml:3: unknown key of [[kafka]]"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"x\", sginal = \"logs\" }]\n",
       "did you mean signal? key=kafka.0.topics.0.sginal"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"x\", signal = \"log\" }]\n",
       "f.toml:3: expected traces or logs or metrics, not \"log\" key=kafka.0.topics.0.signal"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"x\" }]\n",
       "f.toml:3: expected signal with it key=kafka.0.topics.0.signal"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"^x\", signal = \"logs\" }]\n",
       "expected 1 to 249 of the characters"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [\"x\"]\n", "f.toml:3: expected [[kafka]] blocks"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = []\n", "f.toml:3: expected [[kafka]] blocks"},
      {"[[kafka]]\nbrokers = 5\n", "f.toml:2: expected a text in quotes"},
      {"[[kafka]]\nbrokers = \"\"\n", "f.toml:2: expected host:port, separated by commas"},
      {"[[kafka]]\ngroup_id = \"x\"\n", "f.toml:2: expected brokers with it key=kafka.0.brokers"},
      {"[[kafka]]\n", "f.toml:1: expected [[kafka]] blocks"},
      {"[kafka]\nbrokers = \"a\"\n", "f.toml:2: expected [[kafka]] blocks"},
      {"kafka = 1\n", "f.toml:1: expected [[kafka]] blocks"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"x\", signal = \"logs\", tenant_from = "
       "\"header:\" }]\n",
       "expected fixed, topic, key, header:<name> or resource:<attribute>"},
      {"[[kafka]]\nbrokers = \"a\"\ntopics = [{ topic = \"x\", signal = \"logs\", tenant = "
       "\"a/b\" }]\n",
       "key=kafka.0.topics.0.tenant"},
      {"[[kafka]]\nbrokers = \"a\"\nsession_timeout = \"1ms\"\n", "expected 1000ms to 1800000ms"},
      {"[[kafka]]\nbrokers = \"a\"\n[[kafka]]\nbrokers = \"b\"\nname = \"kafka\"\n",
       "the name is taken by another block key=kafka.1.name"},
      {"[[nats]]\nurl = \"nats://a\"\n", "expected stream with it key=nats.0.stream"},
      {"[[nats]]\nurl = \"nats://a\"\nstream = \"a.b\"\n",
       "expected 1 to 128 of the characters A-Z a-z 0-9 _ -"},
      {"[[nats]]\nurl = \"nats://a\"\nstream = \"a\"\nsubjects = [{ subject = \"x\", signal = "
       "\"logs\", tenant_from = \"subject\" }]\n",
       "expected fixed, header:<name> or resource:<attribute>"},
      {"[kafka.2]\nbrokers = \"a\"\n",
       "numbers start at 0 and leave no gap, expected kafka.0 too key=kafka.2"},
      {"[kafka.x]\nbrokers = \"a\"\n", "expected [[kafka]] blocks"},
      {"[kafka.00]\nbrokers = \"a\"\n", "expected [[kafka]] blocks"},
      {"[kafka.99999999999999999999]\nbrokers = \"a\"\n", "expected [[kafka]] blocks"},
  };
  for (const auto& [toml, says] : cases) {
    EXPECT_THAT(Load({.toml = toml}), IsErrorSaying(ErrorKind::kInvalid, says)) << toml;
  }
  EXPECT_THAT(Load({.environment = {{"SIGNALDB__KAFKA__0__BROKER", "x"}}}),
              IsErrorSaying(ErrorKind::kInvalid, "did you mean brokers? key=kafka.0.broker"));
}

TEST(SourceBlocks, NameServersThatCanBeReached) {
  constexpr const char* kBroker = "expected host:port, separated by commas";
  constexpr const char* kNats = "expected nats://host:port or tls://host:port";
  const std::pair<std::string, const char*> cases[] = {
      {"kafka", ""},
      {"kafka-1.x_y:9092", ""},
      {"a:1, b:65535", ""},
      {"[::1]:9092", ""},
      {"10.0.0.1", ""},
      {"me:secret@kafka:9092", kBroker},
      {"me@kafka", kBroker},
      {"sasl_ssl://kafka:9092", kBroker},
      {"kafka:x", kBroker},
      {"kafka:0", kBroker},
      {"kafka:65536", kBroker},
      {"kafka:", kBroker},
      {":9092", kBroker},
      {"a:1,,b:1", kBroker},
      {"a:1,", kBroker},
      {"a:1 ", kBroker},
      {"[::1", kBroker},
      {"[]:1", kBroker},
      {"[::1]9092", kBroker},
      {"a b:1", kBroker},
  };
  for (const auto& [brokers, says] : cases) {
    const auto loaded = Load({.toml = "[[kafka]]\nbrokers = \"" + brokers + "\"\n"});
    if (*says == '\0') {
      EXPECT_THAT(loaded, IsOk()) << brokers;
    } else {
      EXPECT_THAT(loaded, IsErrorSaying(ErrorKind::kInvalid, says)) << brokers;
      EXPECT_THAT(loaded.error().message, Not(HasSubstr("secret")));
    }
  }
  const std::pair<std::string, const char*> urls[] = {
      {"nats://n", ""},
      {"nats://n:4222, tls://m:4222", ""},
      {"n:4222", ""},
      {"nats://me:p@ss@n:4222", ""},
      {"nats://token@[::1]:4222", ""},
      {"nats://n:x", kNats},
      {"nats://n:0", kNats},
      {"nats://n:65536", kNats},
      {"nats://n:4222/", kNats},
      {"nats://", kNats},
      {"nats://me:secret@", kNats},
      {"nats://@n", kNats},
      {"http://n:4222", kNats},
      {"ws://n:4222", kNats},
      {"nats://n:4222,", kNats},
      {"nats:/n", kNats},
      {"", kNats},
  };
  for (const auto& [url, says] : urls) {
    const auto loaded = Load({.toml = "[[nats]]\nstream = \"S\"\nurl = \"" + url + "\"\n"});
    if (*says == '\0') {
      EXPECT_THAT(loaded, IsOk()) << url;
    } else {
      EXPECT_THAT(loaded, IsErrorSaying(ErrorKind::kInvalid, says)) << url;
      EXPECT_THAT(loaded.error().message, Not(HasSubstr("secret")));
    }
  }
}

TEST(SourceBlocks, AreRefusedWhereAccessWouldNotBeUsedAsItStands) {
  const std::string kafka = "[[kafka]]\nbrokers = \"a\"\n";
  const std::string nats = "[[nats]]\nurl = \"nats://a\"\nstream = \"S\"\n";
  const std::pair<std::string, const char*> cases[] = {
      {kafka + "security_protocol = \"sasl_ssl\"\n",
       "f.toml:2: expected sasl_username with security_protocol sasl_plaintext or sasl_ssl "
       "key=kafka.0.sasl_username"},
      {kafka + "security_protocol = \"sasl_plaintext\"\nsasl_username = \"u\"\n",
       "key=kafka.0.sasl_password"},
      {kafka + "sasl_username = \"u\"\n",
       "expected sasl_plaintext or sasl_ssl with sasl_username key=kafka.0.security_protocol"},
      {kafka + "security_protocol = \"ssl\"\nsasl_password = \"hunter2\"\n",
       "key=kafka.0.security_protocol"},
      {kafka + "ssl_ca_file = \"ca.pem\"\n", "expected ssl or sasl_ssl with ssl_ca_file"},
      {kafka + "security_protocol = \"ssl\"\nssl_cert_file = \"c\"\n", "key=kafka.0.ssl_key_file"},
      {kafka + "security_protocol = \"ssl\"\nssl_key_file = \"k\"\n", "key=kafka.0.ssl_cert_file"},
      {nats + "user = \"u\"\npassword = \"p\"\ntoken = \"t\"\n",
       "expected only one of credentials_file, token and user key=nats.0.token"},
      {nats + "credentials_file = \"c\"\ntoken = \"t\"\n", "key=nats.0.credentials_file"},
      {nats + "credentials_file = \"c\"\nuser = \"u\"\n", "key=nats.0.credentials_file"},
      {nats + "password = \"p\"\n", "expected user with password key=nats.0.user"},
      {nats + "tls_cert_file = \"c\"\n", "key=nats.0.tls_key_file"},
      {nats + "tls_key_file = \"k\"\n", "key=nats.0.tls_cert_file"},
  };
  for (const auto& [toml, says] : cases) {
    EXPECT_THAT(Load({.toml = toml}), IsErrorSaying(ErrorKind::kInvalid, says)) << toml;
  }
  for (const std::string& toml :
       {kafka + "security_protocol = \"ssl\"\nssl_cert_file = \"c\"\nssl_key_file = \"k\"\n",
        kafka + "security_protocol = \"ssl\"\n", nats + "user = \"u\"\n",
        nats + "tls_cert_file = \"c\"\ntls_key_file = \"k\"\ntoken = \"t\"\n"}) {
    EXPECT_THAT(Load({.toml = toml}), IsOk()) << toml;
  }
}

TEST(SourceBlocks, AreRefusedWhereTwoReadTheSameMessages) {
  const std::string kafka = "[[kafka]]\nbrokers = \"a:9092,b\"\n";
  const std::string nats = "[[nats]]\nurl = \"nats://me:pw@a\"\nstream = \"S\"\n";
  const std::string logs = "topics = [{ topic = \"x\", signal = \"logs\" }]\n";
  const std::pair<std::string, const char*> cases[] = {
      {kafka + "topics = [{ topic = \"x\", signal = \"logs\" }, { topic = \"x\", signal = "
               "\"traces\" }]\n",
       "f.toml:3: expected each topic of a cluster once, with one signal, but kafka.0.topics.0 "
       "names \"x\" too key=kafka.0.topics.1.topic"},
      {kafka + logs + "[[kafka]]\nbrokers = \"c, B:9092\"\ngroup_id = \"other\"\n" + logs,
       "f.toml:7: expected each topic of a cluster once, whatever the group, but "
       "kafka.0.topics.0 names \"x\" too key=kafka.1.topics.0.topic"},
      {kafka + "[[kafka]]\nbrokers = \"b\"\n", "f.toml:4: expected each topic of a cluster once"},
      {nats + "[[nats]]\nurl = \"A:4222\"\nstream = \"S\"\n",
       "f.toml:6: expected each durable consumer of a stream once, but nats.0 reads "
       "\"signaldb-writer\" of \"S\" too; put its subjects there key=nats.1.durable"},
      {nats + "subjects = [{ subject = \"a.*\", signal = \"logs\" }, { subject = \"*.b\", signal "
              "= \"traces\" }]\n",
       "f.toml:4: expected subjects that do not overlap, but \"a.*\" and \"*.b\" do "
       "key=nats.0.subjects.1.subject"},
  };
  for (const auto& [toml, says] : cases) {
    EXPECT_THAT(Load({.toml = toml}), IsErrorSaying(ErrorKind::kInvalid, says)) << toml;
  }
  for (const std::string& toml :
       {kafka + logs +
            "[[kafka]]\nbrokers = \"b\"\ntopics = [{ topic = \"y\", signal = "
            "\"logs\" }]\n",
        kafka + logs + "[[kafka]]\nbrokers = \"b:9093\"\n" + logs,
        nats + "[[nats]]\nurl = \"nats://b\"\nstream = \"S\"\n",
        nats + "[[nats]]\nurl = \"nats://a\"\nstream = \"S\"\ndurable = \"other\"\n",
        nats + "[[nats]]\nurl = \"nats://a\"\nstream = \"T\"\n"}) {
    EXPECT_THAT(Load({.toml = toml}), IsOk()) << toml;
  }
}

TEST(SourceBlocks, AreRefusedWhereTheyCannotWork) {
  const std::string kafka = "[[kafka]]\nbrokers = \"a\"\n";
  const std::string nats = "[[nats]]\nurl = \"nats://a\"\nstream = \"S\"\n";
  const auto subject = [&](const std::string& text) {
    return nats + "subjects = [{ subject = \"" + text + "\", signal = \"logs\" }]\n";
  };
  const std::pair<std::string, const char*> cases[] = {
      {kafka + "session_timeout = \"10m\"\nmax_poll_interval = \"1m\"\n",
       "expected no more than max_poll_interval key=kafka.0.session_timeout"},
      {subject("a..b"), "expected a subject of at most 249 bytes"},
      {subject(".a"), "key=nats.0.subjects.0.subject"},
      {subject("a."), "key=nats.0.subjects.0.subject"},
      {subject("a.>.b"), "key=nats.0.subjects.0.subject"},
      {subject("a.b*"), "key=nats.0.subjects.0.subject"},
      {subject("a b"), "key=nats.0.subjects.0.subject"},
      {nats + "ack_wait = \"19s\"\n",
       "f.toml:4: expected at least 4 times commit.interval, or messages come again while their "
       "commit is under way key=nats.0.ack_wait"},
      {"[commit]\ninterval = \"31s\"\n" + nats + "create = true\n", "key=nats.0.ack_wait"},
      {"[dead_letters]\nmessage_bytes_max = 0\n", "key=dead_letters.message_bytes_max"},
  };
  for (const auto& [toml, says] : cases) {
    EXPECT_THAT(Load({.toml = toml}), IsErrorSaying(ErrorKind::kInvalid, says)) << toml;
  }
  for (const std::string& toml :
       {kafka + "session_timeout = \"1m\"\nmax_poll_interval = \"1m\"\n", subject("a.*.>"),
        subject(">"), nats + "ack_wait = \"20s\"\n", "[commit]\ninterval = \"31s\"\n" + nats}) {
    EXPECT_THAT(Load({.toml = toml}), IsOk()) << toml;
  }
}

TEST(SourceBlocks, HaveALimitInNumber) {
  std::string blocks;
  for (std::size_t i = 0; i < kSourceBlocksMax; ++i)
    blocks += fmt::format("[[kafka]]\nbrokers = \"a{}\"\n", i);
  EXPECT_THAT(Load({.toml = blocks}), IsOk());
  EXPECT_THAT(Load({.toml = blocks + "[[kafka]]\nbrokers = \"a\"\n"}),
              IsErrorSaying(ErrorKind::kInvalid, "expected at most 16 of kafka"));

  std::string topics = "[[kafka]]\nbrokers = \"a\"\n";
  const auto topic = [](std::size_t i) {
    return fmt::format("[[kafka.topics]]\ntopic = \"t{}\"\nsignal = \"logs\"\n", i);
  };
  for (std::size_t i = 0; i < kSourceRoutesMax; ++i) topics += topic(i);
  EXPECT_THAT(Load({.toml = topics}), IsOk());
  EXPECT_THAT(Load({.toml = topics + topic(kSourceRoutesMax)}),
              IsErrorSaying(ErrorKind::kInvalid, "expected at most 64 of kafka.0.topics"));
}

}  // namespace
}  // namespace signaldb
