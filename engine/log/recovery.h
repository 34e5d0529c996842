#pragma once

#include <string_view>

#include "engine/base/time.h"
#include "engine/log/batch.h"
#include "engine/log/entry.h"

namespace tidemark {

// Sees every entry of a log while it is recovered, in order: to rebuild what is derived from it.
class RecoveryObserver {
 public:
  virtual ~RecoveryObserver() = default;
  // `entry.frame` is empty; `frame` is valid during the call.
  virtual void OnFrame(const Entry& entry, const BatchHeader& header, std::string_view frame,
                       WallTime append_time) = 0;
};

}  // namespace tidemark
