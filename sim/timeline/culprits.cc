#include "sim/timeline/culprits.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace tidemark::sim {
namespace {

constexpr std::array<std::string_view, 8> kNouns = {"group", "index",    "offset",   "term",
                                                    "node",  "producer", "consumer", "batch"};

bool IsWordByte(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The noun that `word` is, or the plural of.
std::string_view NounOf(std::string_view word) {
  for (const std::string_view noun : kNouns) {
    if (word == noun) return noun;
    if (word.size() == noun.size() + 1 && word.starts_with(noun) && word.back() == 's') return noun;
  }
  return {};
}

std::optional<uint64_t> NumberOf(std::string_view word) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(std::string(word), &number)) return std::nullopt;
  return number;
}

}  // namespace

std::vector<Culprit> CulpritsIn(std::string_view sentence) {
  std::vector<Culprit> culprits;
  std::string_view noun;
  while (!sentence.empty()) {
    const auto begin = std::find_if(sentence.begin(), sentence.end(), IsWordByte);
    sentence.remove_prefix(static_cast<size_t>(begin - sentence.begin()));
    const auto end = std::find_if_not(sentence.begin(), sentence.end(), IsWordByte);
    const std::string_view word = sentence.substr(0, static_cast<size_t>(end - sentence.begin()));
    sentence.remove_prefix(word.size());
    if (const std::string_view named = NounOf(word); !named.empty()) {
      noun = named;
    } else if (const std::optional<uint64_t> number = NumberOf(word); !number.has_value()) {
      if (word != "and") noun = {};
    } else if (!noun.empty()) {
      Culprit culprit{.what = std::string(noun), .number = *number};
      const bool known = std::find(culprits.begin(), culprits.end(), culprit) != culprits.end();
      if (!known) culprits.push_back(std::move(culprit));
    }
  }
  return culprits;
}

}  // namespace tidemark::sim
