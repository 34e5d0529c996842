#include "sim/explore/tables.h"

#include <algorithm>
#include <cstring>

namespace tidemark::sim::explore {

uint32_t Sequences::Intern(std::span<const uint32_t> words) {
  const uint64_t hash = HashOf(words);
  const uint32_t known = index_.Find(hash, [&](uint32_t number) {
    const std::span<const uint32_t> other = (*this)[number];
    return std::equal(words.begin(), words.end(), other.begin(), other.end());
  });
  if (known != HashIndex::kNone) return known;
  const uint32_t number = static_cast<uint32_t>(size());
  words_.insert(words_.end(), words.begin(), words.end());
  begins_.push_back(words_.size());
  index_.Add(hash, number, [this](uint32_t each) { return HashOf((*this)[each]); });
  return number;
}

uint32_t Digests::Intern(std::string_view text, bool& fresh) {
  Digest digest{.low = text.size(), .high = ~text.size()};
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t count = std::min(text.size(), sizeof(word));
    std::memcpy(&word, text.data(), count);
    text.remove_prefix(count);
    digest.low = Mix64(digest.low ^ word);
    digest.high = Mix64((digest.high * 3) ^ word);
  }
  const uint32_t known =
      index_.Find(digest.low, [&](uint32_t number) { return digests_[number] == digest; });
  fresh = known == HashIndex::kNone;
  if (!fresh) return known;
  const uint32_t number = static_cast<uint32_t>(digests_.size());
  digests_.push_back(digest);
  index_.Add(digest.low, number, [this](uint32_t each) { return digests_[each].low; });
  return number;
}

}  // namespace tidemark::sim::explore
