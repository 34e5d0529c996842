#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"

// Which record of each key is the newest: what compaction remembers between its two passes.

namespace tidemark {

// 128 secret bits. Whoever chooses keys without knowing the seed cannot make two of them collide.
struct KeySeed {
  uint64_t first = 0;
  uint64_t second = 0;
};

// A key as the table knows it.
struct KeyHash {
  uint64_t low = 0;
  uint64_t high = 0;
  friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

// SipHash-2-4 with 128 bits of output. Two of n keys collide with a chance of about n^2 / 2^129:
// 2^-87 for a full table, far below that of an undetected memory error, so keys are not compared.
//   Source  Aumasson & Bernstein, "SipHash: a fast short-input PRF", 2012; the authors' reference
//           implementation for the 128-bit variant.
KeyHash HashKey(KeySeed seed, std::string_view key);

// Key -> the highest offset noted for it. Open addressing in a fixed number of slots: memory does
// not depend on how long keys are, and nothing is ever moved. Slots come into being in chunks when
// a key first falls there, so neither making nor filling a table ever stalls.
class KeyTable {
 public:
  // For at most `keys_max` keys, 36 bytes each once they are there.
  //   Checks  dies unless 1 <= keys_max <= kCompactionKeysMax.
  explicit KeyTable(size_t keys_max);

  // Notes `offset` for `key`. False, and nothing is changed, if the key is new and the table full.
  //   Checks  dies if a higher offset was noted for this key.
  [[nodiscard]] bool Put(KeyHash key, Offset offset);
  // The offset noted for `key`, if any.
  std::optional<Offset> Find(KeyHash key) const;
  // Tells the processor that `key` will be looked at soon: a table is larger than its caches.
  void Prefetch(KeyHash key) const;

  size_t size() const { return size_; }
  // Bytes of the chunks that exist.
  size_t memory_bytes() const;

 private:
  struct Slot {
    KeyHash key;
    uint64_t end = 0;  // offset + 1; 0 in a free slot
  };
  static constexpr size_t kChunkSlots = 1024;

  size_t HomeOf(KeyHash key) const;
  // The slot that holds `key`, or the free one where it would be; nullptr if that has no chunk yet.
  Slot* Locate(KeyHash key, size_t& position) const;

  size_t keys_max_;
  size_t slot_count_;  // more than keys_max_: a search always ends at a free slot
  size_t size_ = 0;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
};

}  // namespace tidemark
