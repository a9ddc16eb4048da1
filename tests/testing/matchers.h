#pragma once

#include <ostream>

#include <gmock/gmock.h>

#include "signaldb/result.h"

namespace signaldb {

inline void PrintTo(const Error& error, std::ostream* os) {
  *os << ToString(error.kind) << ": " << error.message;
}

namespace testing {

MATCHER(IsOk, "is a success") {
  if (arg.has_value()) return true;
  *result_listener << ToString(arg.error().kind) << ": " << arg.error().message;
  return false;
}

MATCHER_P(IsError, kind, std::string("is an error of kind ") + std::string(ToString(kind))) {
  if (arg.has_value()) {
    *result_listener << "a success";
    return false;
  }
  *result_listener << ToString(arg.error().kind) << ": " << arg.error().message;
  return arg.error().kind == kind;
}

MATCHER_P2(IsErrorSaying, kind, part, "is an error whose message says it") {
  if (arg.has_value()) {
    *result_listener << "a success";
    return false;
  }
  *result_listener << ToString(arg.error().kind) << ": " << arg.error().message;
  return arg.error().kind == kind && arg.error().message.find(part) != std::string::npos;
}

MATCHER_P(IsOkAnd, matcher, "is a success whose value matches") {
  if (!arg.has_value()) {
    *result_listener << ToString(arg.error().kind) << ": " << arg.error().message;
    return false;
  }
  return ::testing::ExplainMatchResult(matcher, *arg, result_listener);
}

}  // namespace testing
}  // namespace signaldb
