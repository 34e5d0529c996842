#include "sim/commands/flags.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace tidemark::sim {

Flags& Flags::Switch(std::string name, bool* to) {
  flags_.push_back({.name = std::move(name), .take = [to](const std::string&) {
                      *to = true;
                      return absl::OkStatus();
                    }});
  return *this;
}

Flags& Flags::Text(std::string name, std::string* to) {
  return Value(std::move(name), [to](const std::string& text) {
    *to = text;
    return absl::OkStatus();
  });
}

Flags& Flags::Number(std::string name, uint64_t min, uint64_t* to) {
  std::string wants = absl::StrCat(name, " wants a whole number",
                                   min > 0 ? absl::StrCat(" of at least ", min) : std::string());
  return Value(std::move(name), [to, min, wants = std::move(wants)](const std::string& text) {
    uint64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < min) {
      return absl::InvalidArgumentError(absl::StrCat(wants, ", not \"", text, "\""));
    }
    *to = number;
    return absl::OkStatus();
  });
}

Flags& Flags::Value(std::string name, std::function<absl::Status(const std::string&)> take) {
  flags_.push_back({.name = std::move(name), .has_value = true, .take = std::move(take)});
  return *this;
}

Flags& Flags::Rest(size_t max, std::vector<std::string>* to) {
  rest_max_ = max;
  rest_ = to;
  return *this;
}

absl::Status Flags::Parse(const Args& args) const {
  for (size_t i = 0; i < args.size(); ++i) {
    const auto flag = std::find_if(flags_.begin(), flags_.end(),
                                   [&](const Flag& known) { return known.name == args[i]; });
    if (flag == flags_.end()) {
      if (rest_ == nullptr || rest_->size() >= rest_max_ || args[i].starts_with("-")) {
        return absl::InvalidArgumentError(absl::StrCat("do not understand ", args[i]));
      }
      rest_->push_back(args[i]);
      continue;
    }
    if (flag->has_value && i + 1 == args.size()) {
      return absl::InvalidArgumentError(absl::StrCat(args[i], " wants a value after it"));
    }
    TIDEMARK_RETURN_IF_ERROR(flag->take(flag->has_value ? args[++i] : std::string()));
  }
  return absl::OkStatus();
}

absl::Status ParseSeeds(std::string_view text, SeedRange& seeds) {
  const size_t dots = text.find("..");
  const std::string first(text.substr(0, dots));
  const std::string last(dots == std::string_view::npos ? first : text.substr(dots + 2));
  if (!absl::SimpleAtoi(first, &seeds.first) || !absl::SimpleAtoi(last, &seeds.last) ||
      seeds.first > seeds.last) {
    return absl::InvalidArgumentError("--seeds wants A..B with A <= B");
  }
  return absl::OkStatus();
}

}  // namespace tidemark::sim
