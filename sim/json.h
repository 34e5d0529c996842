#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tidemark::sim {

// A JSON text as it was read, with the line of each value, so that whoever refuses one can say
// where it is. Source: RFC 8259; of two members with one name the text is refused.
struct Json {
  struct Member;
  Json();
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();

  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  int line = 1;
  bool boolean = false;
  // The text of a string, or a number as it is written.
  std::string text;
  std::vector<Json> items;
  std::vector<Member> members;

  // The member of that name; null if there is none.
  const Json* Find(std::string_view name) const;
};

struct Json::Member {
  std::string name;
  Json value;
};

inline constexpr size_t kJsonDepthMax = 16;

// Errors  kInvalidArgument: "line 7: what is wrong there".
absl::StatusOr<Json> ParseJson(std::string_view text);

// `text` in quotes, escaped.
std::string JsonString(std::string_view text);

// An InvalidArgumentError "line N: what".
absl::Status JsonError(const Json& at, std::string_view what);

}  // namespace tidemark::sim
