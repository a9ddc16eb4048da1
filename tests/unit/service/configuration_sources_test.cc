#include "service/configuration_sources.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "adapters/local/posix_file_system.h"
#include "testing/matchers.h"
#include "testing/temp_dir.h"

namespace signaldb {
namespace {

using testing::IsErrorSaying;
using testing::IsOk;
using testing::TempDir;

const char* const kNothing[] = {nullptr};

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

TEST(ConfigurationSources, ReadsTheNamedFileElseTheOneThatIsThere) {
  const TempDir dir;
  PosixFileSystem files;
  auto sources = GatherSources(files, {}, kNothing, dir.path());
  ASSERT_THAT(sources, IsOk());
  EXPECT_FALSE(sources->file.has_value());

  Write(dir / "signaldb.toml", "a");
  Write(dir / "other.toml", "b");
  sources = GatherSources(files, {}, kNothing, dir.path());
  ASSERT_THAT(sources, IsOk());
  EXPECT_EQ(sources->file->name, "signaldb.toml");
  EXPECT_EQ(sources->file->text, "a");
  sources = GatherSources(files, {.file = "other.toml", .settings = {}}, kNothing, dir.path());
  ASSERT_THAT(sources, IsOk());
  EXPECT_EQ(sources->file->text, "b");
}

TEST(ConfigurationSources, RefusesANamedFileThatIsNotThere) {
  const TempDir dir;
  PosixFileSystem files;
  EXPECT_THAT(GatherSources(files, {.file = "none.toml", .settings = {}}, kNothing, dir.path()),
              IsErrorSaying(ErrorKind::kInvalid, "none.toml: "));
}

TEST(ConfigurationSources, SplitsVariablesAtTheirFirstEqualsSign) {
  const TempDir dir;
  PosixFileSystem files;
  const char* const environment[] = {"A=b=c", "EMPTY=", "odd", nullptr};
  const auto sources = GatherSources(files, {}, environment, dir.path());
  ASSERT_THAT(sources, IsOk());
  const std::vector<std::pair<std::string, std::string>> expected = {{"A", "b=c"}, {"EMPTY", ""}};
  EXPECT_EQ(sources->environment, expected);
}

TEST(ConfigurationSources, FollowsTheLinksOfMountedSecrets) {
  const TempDir dir;
  PosixFileSystem files;
  std::filesystem::create_directory(dir / "..data");
  Write(dir / "..data/secret", "sqlite://linked.db\n");
  std::filesystem::create_symlink("..data/secret", dir / "secret");
  const char* const environment[] = {"SIGNALDB__SCHEMA__CATALOG_URI_FILE=secret", nullptr};
  auto sources = GatherSources(files, {}, environment, dir.path());
  ASSERT_THAT(sources, IsOk());
  const auto loaded = LoadConfiguration(*sources);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_EQ(loaded->values.schema.sqlite_path, dir / "linked.db");
}

TEST(CheckAccessFiles, WantsFilesOfTheirKind) {
  const TempDir dir;
  PosixFileSystem files;
  Write(dir / "ca.pem", "# ours\n-----BEGIN CERTIFICATE-----\n");
  Write(dir / "user.creds", "-----BEGIN NATS USER JWT-----\n");
  Write(dir / "junk", "junk");
  const auto check = [&](const std::string& ca, const std::string& credentials) {
    Write(dir / "signaldb.toml", "[[kafka]]\nbrokers = \"a\"\nsecurity_protocol = \"ssl\"\n" + ca +
                                     "\n[[nats]]\nurl = \"b\"\nstream = \"S\"\n" + credentials +
                                     "\n");
    const auto sources = GatherSources(files, {}, kNothing, dir.path());
    EXPECT_THAT(sources, IsOk());
    const auto loaded = LoadConfiguration(*sources);
    EXPECT_THAT(loaded, IsOk());
    return CheckAccessFiles(files, *loaded, dir.path());
  };
  EXPECT_THAT(check("", ""), IsOk());
  EXPECT_THAT(check("ssl_ca_file = \"ca.pem\"", "credentials_file = \"user.creds\""), IsOk());
  EXPECT_THAT(
      check("ssl_ca_file = \"no.pem\"", ""),
      IsErrorSaying(ErrorKind::kInvalid, "signaldb.toml:4: expected a file with PEM, but "));
  EXPECT_THAT(
      check("ssl_ca_file = \"no.pem\"", ""),
      IsErrorSaying(ErrorKind::kInvalid, "key=kafka.0.ssl_ca_file path=" + dir.path() + "/no.pem"));
  EXPECT_THAT(check("ssl_ca_file = \"junk\"", ""),
              IsErrorSaying(ErrorKind::kInvalid, "but it has none key=kafka.0.ssl_ca_file"));
  EXPECT_THAT(check("", "credentials_file = \"ca.pem\""),
              IsErrorSaying(ErrorKind::kInvalid,
                            "expected a file with the credentials of a NATS user, but it "
                            "has none "
                            "key=nats.0.credentials_file"));
}

}  // namespace
}  // namespace signaldb
