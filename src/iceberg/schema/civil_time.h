#pragma once

#include <cstdint>
#include <string>

namespace signaldb {

inline constexpr std::int64_t kMicrosPerSecond = 1'000'000;
inline constexpr std::int64_t kMicrosPerHour = 3'600 * kMicrosPerSecond;
inline constexpr std::int64_t kMicrosPerDay = 24 * kMicrosPerHour;
inline constexpr std::int64_t kNanosPerMicro = 1'000;

/// Division that rounds down for negative numbers too, as times before 1970 need it.
[[nodiscard]] constexpr std::int64_t FloorDiv(std::int64_t a, std::int64_t positive) {
  return a / positive - (a % positive < 0 ? 1 : 0);
}

/// What `FloorDiv` leaves over: 0 <= result < positive.
[[nodiscard]] constexpr std::int64_t FloorMod(std::int64_t a, std::int64_t positive) {
  const std::int64_t rest = a % positive;
  return rest < 0 ? rest + positive : rest;
}

/// A day of the proleptic Gregorian calendar. std::chrono::year ends at 32767, Iceberg dates do
/// not.
struct CivilDay {
  std::int64_t year;
  std::int32_t month;  ///< 1 to 12.
  std::int32_t day;    ///< 1 to 31.
};

[[nodiscard]] CivilDay CivilFromDays(std::int64_t days_since_1970);

/// "2017-11-16"; years are padded to four digits and negative before year 0.
[[nodiscard]] std::string DayText(std::int64_t days_since_1970);

/// "22:31:08" with ".ddd" to `fraction_digits` digits if the fraction is not zero. `in_units` are
/// 10^-fraction_digits seconds since midnight.
[[nodiscard]] std::string TimeOfDayText(std::int64_t in_units, int fraction_digits);

}  // namespace signaldb
