#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"

namespace tidemark::scenario {

// A statement as words, taken from the front. "->", "|", "," and ":" are words wherever they stand.
class Words {
 public:
  explicit Words(std::string_view statement);

  bool empty() const { return next_ == words_.size(); }
  // "" behind the end.
  std::string_view Peek() const { return empty() ? std::string_view() : words_[next_]; }
  std::string Take();
  // Whether the next words are these, which are then taken.
  bool TakeIf(std::string_view words);
  std::optional<uint64_t> TakeNumber();
  std::optional<NodeId> TakeNode();
  // All that is left.
  std::vector<std::string> TakeRest();

 private:
  std::vector<std::string> words_;
  size_t next_ = 0;
};

// Of `known`, those that `word` may have been meant for, the nearest first: at most three, and none
// that is further than half of its letters.
std::vector<std::string> Nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace tidemark::scenario
