#include "tests/scenario/raft/words.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tidemark::scenario {
namespace {

// Insertions, removals and replacements of letters.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

}  // namespace

Words::Words(std::string_view statement) {
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words_.push_back(std::exchange(word, {}));
  };
  while (!statement.empty()) {
    size_t length = 1;
    if (statement.starts_with("->")) length = 2;
    const std::string_view piece = statement.substr(0, length);
    if (piece == "->" || piece == "|" || piece == "," || piece == ":") {
      finish();
      words_.emplace_back(piece);
    } else if (piece == " " || piece == "\t") {
      finish();
    } else {
      word.append(piece);
    }
    statement.remove_prefix(length);
  }
  finish();
}

std::string Words::Take() { return empty() ? std::string() : words_[next_++]; }

bool Words::TakeIf(std::string_view words) {
  const std::vector<std::string> wanted = Words(words).words_;
  if (words_.size() - next_ < wanted.size()) return false;
  if (!std::equal(wanted.begin(), wanted.end(), words_.begin() + static_cast<ptrdiff_t>(next_))) {
    return false;
  }
  next_ += wanted.size();
  return true;
}

std::optional<uint64_t> Words::TakeNumber() {
  const std::string_view word = Peek();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) {
    return std::nullopt;
  }
  ++next_;
  return number;
}

std::optional<NodeId> Words::TakeNode() {
  const std::optional<uint64_t> number = TakeNumber();
  if (!number) return std::nullopt;
  return NodeId{*number};
}

std::vector<std::string> Words::TakeRest() {
  std::vector<std::string> rest(words_.begin() + static_cast<ptrdiff_t>(next_), words_.end());
  next_ = words_.size();
  return rest;
}

std::vector<std::string> Nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr size_t kMost = 3;
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& name : known) {
    const size_t distance = EditDistance(word, name);
    if (distance * 2 <= std::max(word.size(), name.size())) near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < near.size() && i < kMost; ++i) names.push_back(near[i].second);
  return names;
}

}  // namespace tidemark::scenario
