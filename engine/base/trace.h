#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/base/prng.h"

namespace tidemark {

// Running digest of what a node was told and what it decided. Two runs of one seed are equal
// exactly when their digests are; the simulator compares them across processes and compilers.
// Not cryptographic: it finds accidents, not adversaries.
class TraceHash {
 public:
  void Add(uint64_t value) { state_ = Mix64(state_ ^ value) + ++count_; }

  void Add(std::string_view bytes) {
    Add(static_cast<uint64_t>(bytes.size()));
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
      uint64_t word;
      std::memcpy(&word, bytes.data(), 8);
      Add(word);
    }
    if (!bytes.empty()) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), bytes.size());
      Add(word);
    }
  }

  uint64_t value() const { return state_; }
  // Number of values added: where two traces of different length part.
  uint64_t count() const { return count_; }

 private:
  uint64_t state_ = 0x7469646d61726b31;  // "tidmark1"
  uint64_t count_ = 0;
};

}  // namespace tidemark
