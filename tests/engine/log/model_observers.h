#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/coding.h"
#include "engine/log/batch.h"
#include "engine/log/recovery.h"

namespace tidemark {

// Is shown every entry.
class Witness : public RecoveryObserver {
 public:
  bool needs_all_entries() const override { return true; }
  void OnFrame(const Entry& entry, const BatchHeader&, std::string_view frame, WallTime) override {
    entries.push_back(entry);
    frames.push_back(frame);
  }
  std::vector<Entry> entries;
  std::vector<std::string_view> frames;
};

// Recovers as a partition does: from footers and the last checkpoint (the number of entries).
class Hurried : public RecoveryObserver {
 public:
  bool OnCheckpoint(std::string_view state) override {
    if (state.size() != 8) return false;
    count = LoadLittle<uint64_t>(state.data());
    return true;
  }
  void OnFrame(const Entry&, const BatchHeader&, std::string_view, WallTime) override { ++count; }
  uint64_t count = 0;
};

}  // namespace tidemark
