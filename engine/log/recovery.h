#pragma once

#include <string_view>

#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "engine/log/entry.h"

namespace tidemark {

// Told of a log while it is recovered, in order: to rebuild what is derived from it.
class RecoveryObserver {
 public:
  virtual ~RecoveryObserver() = default;
  // Whether it wants all entries and no checkpoint.
  virtual bool needs_all_entries() const { return false; }
  // What a CheckpointSource gave: what the entries up to one of them amount to. The entries behind
  // it follow. At most once, and first; never called: the entries begin with the log.
  //   Result  false if it makes no sense: an earlier one is tried.
  virtual bool OnCheckpoint(std::string_view state) {
    static_cast<void>(state);
    return true;
  }
  // `entry.frame` is empty; `frame` is valid during the call.
  virtual void OnFrame(const Entry& entry, const BatchHeader& header, std::string_view frame,
                       WallTime append_time) = 0;
};

}  // namespace tidemark
