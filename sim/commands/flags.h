#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace tidemark::sim {

using Args = std::vector<std::string>;

// The flags of one command: each is declared once, with where its value goes.
//   Lives   what flags point to must outlive Parse.
class Flags {
 public:
  // "--name", without a value: sets `*to`.
  Flags& Switch(std::string name, bool* to);
  // "--name VALUE".
  Flags& Text(std::string name, std::string* to);
  // A whole number of at least `min`.
  Flags& Number(std::string name, uint64_t min, uint64_t* to);
  // "--name VALUE", read by `take`, which says what it wants instead if it does not like it.
  Flags& Value(std::string name, std::function<absl::Status(const std::string&)> take);
  // Arguments that are no flags go to `to`, `max` at most.
  Flags& Rest(size_t max, std::vector<std::string>* to);

  // Errors  kInvalidArgument, with what is wrong with which flag.
  absl::Status Parse(const Args& args) const;

 private:
  struct Flag {
    std::string name;
    bool has_value = false;
    std::function<absl::Status(const std::string&)> take;
  };
  std::vector<Flag> flags_;
  size_t rest_max_ = 0;
  std::vector<std::string>* rest_ = nullptr;
};

// Seeds [first, last].
struct SeedRange {
  uint64_t first = 0;
  uint64_t last = 0;
};

// "A..B" with A <= B, or "A".
absl::Status ParseSeeds(std::string_view text, SeedRange& seeds);

}  // namespace tidemark::sim
