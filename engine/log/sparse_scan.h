#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "engine/log/log_impl.h"
#include "engine/log/recovery.h"
#include "engine/log/run_index.h"
#include "engine/log/scan.h"

namespace tidemark {

// Reads the frames of a sparse segment after a restart, tells `observer`, if there is one, of them,
// and returns its runs. `segment` is what its footer says; `sidecar` are the bytes of it whose
// entries are found.index.
//   Errors  kDataLoss: a sparse segment was durable as a whole, with its sidecar; whatever is not
//   as
//           it was written is rot.
absl::StatusOr<RunIndex> ScanSparse(const FoundSegment& found, const Segment& segment,
                                    std::string_view sidecar, RecoveryObserver* observer);

}  // namespace tidemark
