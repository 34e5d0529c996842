#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/log/log_impl.h"
#include "engine/log/recovery.h"
#include "engine/log/run_index.h"
#include "engine/log/scan.h"

namespace tidemark {

// What reading all of a sparse segment has shown.
struct SparseWalk {
  // What is damaged: bytes [begin, end) of `file`; empty `what`: nothing. A sparse segment was
  // durable as a whole, with its sidecar: whatever is not as it was written is rot.
  std::string what;
  FileId file;
  uint64_t begin = 0;
  uint64_t end = 0;
  RunIndex runs;  // unless something is damaged
  // Intact frames in front of the damage, and the offsets that they span.
  uint64_t frames = 0;
  uint64_t records = 0;
};

// Reads the frames of a sparse segment, and tells `observer`, if there is one, of them. `segment`
// is what its footer says; `sidecar` are the bytes of it whose entries are found.index.
SparseWalk WalkSparse(const FoundSegment& found, const Segment& segment, std::string_view sidecar,
                      RecoveryObserver* observer);

// The same after a restart; returns its runs.
//   Errors  kDataLoss: what is damaged.
absl::StatusOr<RunIndex> ScanSparse(const FoundSegment& found, const Segment& segment,
                                    std::string_view sidecar, RecoveryObserver* observer);

}  // namespace tidemark
