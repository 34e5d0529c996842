#include "engine/log/key_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

// The four words of SipHash's state.
struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }

  uint64_t Squeeze() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

}  // namespace

KeyHash HashKey(KeySeed seed, std::string_view key) {
  SipState state{.v0 = seed.first ^ 0x736f6d6570736575ull,
                 .v1 = seed.second ^ 0x646f72616e646f6dull ^ 0xee,
                 .v2 = seed.first ^ 0x6c7967656e657261ull,
                 .v3 = seed.second ^ 0x7465646279746573ull};
  uint64_t last = uint64_t{key.size()} << 56;
  for (; key.size() >= 8; key.remove_prefix(8)) state.Absorb(LoadLittle<uint64_t>(key.data()));
  char tail[8] = {};
  std::copy(key.begin(), key.end(), tail);
  state.Absorb(last | LoadLittle<uint64_t>(tail));
  state.v2 ^= 0xee;
  const uint64_t low = state.Squeeze();
  state.v1 ^= 0xdd;
  return {.low = low, .high = state.Squeeze()};
}

// Two thirds full at most: a search then looks at two slots on average, at five for a new key.
KeyTable::KeyTable(size_t keys_max)
    : keys_max_(keys_max), slot_count_(keys_max + keys_max / 2 + 1) {
  TIDEMARK_CHECK_GE(keys_max, size_t{1});
  TIDEMARK_CHECK_LE(keys_max, kCompactionKeysMax);
  chunks_.resize((slot_count_ + kChunkSlots - 1) / kChunkSlots);
}

size_t KeyTable::HomeOf(KeyHash key) const {
  return static_cast<size_t>(static_cast<unsigned __int128>(key.low) * slot_count_ >> 64);
}

KeyTable::Slot* KeyTable::Locate(KeyHash key, size_t& position) const {
  position = HomeOf(key);
  while (true) {
    Slot* chunk = chunks_[position / kChunkSlots].get();
    if (chunk == nullptr) return nullptr;
    Slot& slot = chunk[position % kChunkSlots];
    if (slot.end == 0 || slot.key == key) return &slot;
    if (++position == slot_count_) position = 0;
  }
}

bool KeyTable::Put(KeyHash key, Offset offset) {
  size_t position = 0;
  Slot* slot = Locate(key, position);
  if (slot == nullptr || slot->end == 0) {
    if (size_ == keys_max_) return false;
    ++size_;
    if (slot == nullptr) {
      std::unique_ptr<Slot[]>& chunk = chunks_[position / kChunkSlots];
      chunk = std::make_unique<Slot[]>(kChunkSlots);
      slot = &chunk[position % kChunkSlots];
    }
    slot->key = key;
  }
  TIDEMARK_CHECK_LE(slot->end, offset.value());
  slot->end = offset.value() + 1;
  return true;
}

std::optional<Offset> KeyTable::Find(KeyHash key) const {
  size_t position = 0;
  const Slot* slot = Locate(key, position);
  if (slot == nullptr || slot->end == 0) return std::nullopt;
  return Offset(slot->end - 1);
}

void KeyTable::Prefetch(KeyHash key) const {
  const size_t home = HomeOf(key);
  const Slot* chunk = chunks_[home / kChunkSlots].get();
  if (chunk != nullptr) __builtin_prefetch(chunk + home % kChunkSlots);
}

size_t KeyTable::memory_bytes() const {
  const auto made = std::count_if(chunks_.begin(), chunks_.end(),
                                  [](const auto& chunk) { return chunk != nullptr; });
  return static_cast<size_t>(made) * kChunkSlots * sizeof(Slot);
}

}  // namespace tidemark
