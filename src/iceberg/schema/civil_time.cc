#include "iceberg/schema/civil_time.h"

#include <fmt/format.h>

namespace signaldb {

CivilDay CivilFromDays(std::int64_t days_since_1970) {
  // Years are counted from 1 March so that the leap day ends them, in eras of 400 years.
  constexpr std::int64_t kDaysPerEra = 146'097;
  constexpr std::int64_t kDaysFromYear0March = 719'468;
  const std::int64_t days = days_since_1970 + kDaysFromYear0March;
  const std::int64_t era = FloorDiv(days, kDaysPerEra);
  const std::int64_t day_of_era = FloorMod(days, kDaysPerEra);
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const std::int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const std::int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return {year, static_cast<std::int32_t>(month), static_cast<std::int32_t>(day)};
}

std::string DayText(std::int64_t days_since_1970) {
  const CivilDay civil = CivilFromDays(days_since_1970);
  return fmt::format("{}{:04}-{:02}-{:02}", civil.year < 0 ? "-" : "",
                     civil.year < 0 ? -civil.year : civil.year, civil.month, civil.day);
}

std::string TimeOfDayText(std::int64_t in_units, int fraction_digits) {
  std::int64_t units_per_second = 1;
  for (int i = 0; i < fraction_digits; ++i) units_per_second *= 10;
  const std::int64_t seconds = FloorDiv(in_units, units_per_second);
  const std::int64_t fraction = FloorMod(in_units, units_per_second);
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3'600, seconds / 60 % 60, seconds % 60);
  if (fraction != 0) text += fmt::format(".{:0{}}", fraction, fraction_digits);
  return text;
}

}  // namespace signaldb
