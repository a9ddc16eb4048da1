#include "adapters/object_store/s3_dsn.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace signaldb {

namespace {

constexpr auto kSchemes = std::to_array<std::string_view>({"s3://", "s3a://", "s3n://"});
constexpr std::size_t kBucketLengthMin = 3;
constexpr std::size_t kBucketLengthMax = 63;

std::string_view SchemeOf(std::string_view dsn) {
  for (const std::string_view scheme : kSchemes) {
    if (dsn.starts_with(scheme)) return scheme;
  }
  return {};
}

bool IsBucketCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

bool IsPrefixCharacter(char c) { return c > ' ' && c < 0x7f && c != '%' && c != '#' && c != '\\'; }

Status CheckBucket(std::string_view bucket) {
  if (bucket.find_first_of("@:") != bucket.npos) {
    return Fail(ErrorKind::kInvalid,
                "expected \"s3://bucket/prefix\" without host and credentials: the host goes into "
                "?endpoint=https://host:port, keys into storage.access_key_id and "
                "storage.secret_access_key");
  }
  if (bucket.size() < kBucketLengthMin || bucket.size() > kBucketLengthMax ||
      !std::ranges::all_of(bucket, IsBucketCharacter)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected a bucket of {} to {} characters of a-z 0-9 . - bucket={}",
                            kBucketLengthMin, kBucketLengthMax, bucket));
  }
  return {};
}

// The prefix with a slash before each part.
Result<std::string> NormalPrefix(std::string_view prefix) {
  std::string normal;
  while (!prefix.empty()) {
    const std::string_view part = prefix.substr(0, prefix.find('/'));
    prefix.remove_prefix(std::min(part.size() + 1, prefix.size()));
    if (part.empty()) continue;
    if (part == "." || part == ".." || !std::ranges::all_of(part, IsPrefixCharacter)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("expected a prefix of plain parts, without . .. % # and blanks "
                              "part={}",
                              part));
    }
    normal += fmt::format("/{}", part);
  }
  return normal;
}

Status SetOption(std::string_view option, S3Dsn& dsn) {
  const std::size_t equals = std::min(option.find('='), option.size());
  const std::string_view name = option.substr(0, equals);
  const std::string value(option.substr(std::min(equals + 1, option.size())));
  if (name == "endpoint" && !value.empty()) {
    dsn.endpoint = value;
  } else if (name == "region" && !value.empty()) {
    dsn.region = value;
  } else if (name == "path_style" && (value == "true" || value == "false")) {
    dsn.path_style = value == "true";
  } else {
    return Fail(ErrorKind::kInvalid,
                fmt::format("expected options endpoint=URL, region=NAME, path_style=true|false "
                            "option={}",
                            option));
  }
  return {};
}

}  // namespace

bool IsS3Dsn(std::string_view dsn) { return !SchemeOf(dsn).empty(); }

Result<S3Dsn> ParseS3Dsn(std::string_view dsn) {
  dsn.remove_prefix(SchemeOf(dsn).size());
  const std::size_t question = std::min(dsn.find('?'), dsn.size());
  std::string_view options = dsn.substr(std::min(question + 1, dsn.size()));
  dsn = dsn.substr(0, question);
  const std::string_view bucket = dsn.substr(0, dsn.find('/'));
  SIGNALDB_TRY(CheckBucket(bucket));
  SIGNALDB_ASSIGN(const std::string prefix, NormalPrefix(dsn.substr(bucket.size())));
  S3Dsn parsed{.warehouse = fmt::format("s3://{}{}", bucket, prefix),
               .endpoint = {},
               .region = {},
               .path_style = {}};
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find('&'));
    options.remove_prefix(std::min(option.size() + 1, options.size()));
    SIGNALDB_TRY(SetOption(option, parsed));
  }
  return parsed;
}

}  // namespace signaldb
