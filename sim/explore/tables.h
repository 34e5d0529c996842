#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/prng.h"

// Tables that give things numbers in the order in which they come, so that whatever is kept of them
// is small and does not depend on where it is in memory. Nothing is ever removed.

namespace tidemark::sim::explore {

// Where something with a hash may be: open addressing over numbers that the caller keeps.
class HashIndex {
 public:
  HashIndex() : slots_(kSlotsMin) {}

  // The number of what has `hash` and `is_it(number)`; else kNone, and `Add` may follow.
  static constexpr uint32_t kNone = 0xffffffff;
  template <typename IsIt>
  uint32_t Find(uint64_t hash, const IsIt& is_it) {
    const size_t mask = slots_.size() - 1;
    const uint32_t tag = TagOf(hash);
    for (at_ = hash & mask;; at_ = (at_ + 1) & mask) {
      const Slot& slot = slots_[at_];
      if (slot.number == kNone) return kNone;
      if (slot.tag == tag && is_it(slot.number)) return slot.number;
    }
  }
  // `number`, at which the last Find ended without a result. `hash_of(number)` for growing.
  template <typename HashOf>
  void Add(uint64_t hash, uint32_t number, const HashOf& hash_of) {
    slots_[at_] = {.tag = TagOf(hash), .number = number};
    if (++used_ * 8 < slots_.size() * 5) return;
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    const size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.number == kNone) continue;
      size_t at = hash_of(slot.number) & mask;
      while (slots_[at].number != kNone) at = (at + 1) & mask;
      slots_[at] = slot;
    }
  }

 private:
  static constexpr size_t kSlotsMin = 1 << 10;
  struct Slot {
    uint32_t tag = 0;
    uint32_t number = kNone;
  };
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

  std::vector<Slot> slots_;
  size_t used_ = 0;
  size_t at_ = 0;
};

inline uint64_t HashOf(std::span<const uint32_t> words) {
  uint64_t hash = words.size();
  for (const uint32_t word : words) {
    hash = (hash ^ word) * 0x9fb21c651e98df25ull;
    hash ^= hash >> 32;
  }
  return Mix64(hash);
}

// Records of one size, in pieces, so that growing copies nothing.
class Records {
 public:
  explicit Records(size_t words) : words_(words) {}

  uint32_t size() const { return size_; }
  std::span<const uint32_t> operator[](uint32_t number) const {
    return {pieces_[number >> kPieceBits].get() + (number & kPieceMask) * words_, words_};
  }
  void Add(std::span<const uint32_t> record) {
    if ((size_ & kPieceMask) == 0) {
      pieces_.push_back(std::make_unique<uint32_t[]>((kPieceMask + 1) * words_));
    }
    uint32_t* to = pieces_.back().get() + (size_ & kPieceMask) * words_;
    for (const uint32_t word : record) *to++ = word;
    ++size_;
  }

 private:
  static constexpr uint32_t kPieceBits = 16;
  static constexpr uint32_t kPieceMask = (1 << kPieceBits) - 1;

  size_t words_;
  uint32_t size_ = 0;
  std::vector<std::unique_ptr<uint32_t[]>> pieces_;
};

// Sequences of words, each once.
class Sequences {
 public:
  uint32_t Intern(std::span<const uint32_t> words);
  std::span<const uint32_t> operator[](uint32_t number) const {
    return {words_.data() + begins_[number], begins_[number + 1] - begins_[number]};
  }
  size_t size() const { return begins_.size() - 1; }

 private:
  HashIndex index_;
  std::vector<uint32_t> words_;
  std::vector<uint64_t> begins_ = {0};
};

// Texts of any length, of which 128 bits are kept: two that share them pass for one, which at 2^32
// of them has a chance of 2^-65.
class Digests {
 public:
  // The number of `text`; `fresh` tells whether it is new.
  uint32_t Intern(std::string_view text, bool& fresh);

 private:
  struct Digest {
    uint64_t low = 0;
    uint64_t high = 0;
    friend bool operator==(const Digest&, const Digest&) = default;
  };
  HashIndex index_;
  std::vector<Digest> digests_;
};

}  // namespace tidemark::sim::explore
