#include "engine/log/compaction_policy.h"

#include "engine/base/check.h"

namespace tidemark {
namespace {

using Wide = __int128;  // times and sizes may come from damaged files: nothing overflows

bool Passed(WallTime since, WallTime now, Duration wait) {
  return Wide{now.millis()} - since.millis() >= wait.millis();
}

}  // namespace

uint32_t DirtyPermille(const CompactionSizes& sizes) {
  // The sum and the product below fit 64 bits.
  const int shift = (sizes.clean_bytes | sizes.dirty_bytes) >> 52 != 0 ? 12 : 0;
  const uint64_t dirty = sizes.dirty_bytes >> shift;
  const uint64_t all = (sizes.clean_bytes >> shift) + dirty;
  return all == 0 ? 0 : static_cast<uint32_t>(dirty * 1000 / all);
}

bool WorthCompacting(const CompactionSizes& sizes, const CompactionPolicy& policy, WallTime now) {
  if (sizes.dirty_bytes == 0) return false;
  const Wide all = Wide{sizes.clean_bytes} + sizes.dirty_bytes;
  return Wide{sizes.dirty_bytes} * 100 >= all * policy.dirty_percent_min ||
         Passed(sizes.dirty_since, now, policy.lag_max);
}

Offset SettledEnd(const CompactionCheckpoint& checkpoint, WallTime now, Duration retention) {
  return Passed(checkpoint.pending_since, now, retention) ? checkpoint.pending_end
                                                          : checkpoint.settled_end;
}

CompactionCheckpoint AfterPass(const CompactionCheckpoint& checkpoint, Offset clean_end,
                               WallTime now, Duration retention) {
  TIDEMARK_CHECK_LE(checkpoint.clean_end, clean_end);
  CompactionCheckpoint after = checkpoint;
  after.clean_end = clean_end;
  if (Passed(checkpoint.pending_since, now, retention)) {
    after.settled_end = checkpoint.pending_end;
    after.pending_end = clean_end;
    after.pending_since = now;
  }
  return after;
}

}  // namespace tidemark
