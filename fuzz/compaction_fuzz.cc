#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/batch.h"
#include "tests/engine/log/compaction_fixture.h"

// Any bytes as the frames of a log to compact: it is refused, or readers see the same afterwards.
// Input: 4 bytes of options, then frames, each behind 3 bytes: its length (little-endian) and which
// fields to make right, or little would get past them.

namespace tidemark {
namespace {

enum Repair : uint8_t { kLength = 1, kOffset = 2, kChecksum = 4 };

StoredLog FramesIn(std::string_view input) {
  StoredLog log;
  Offset next;
  while (input.size() > 3) {
    const size_t length = LoadLittle<uint16_t>(input.data());
    const uint8_t repair = static_cast<uint8_t>(input[2]);
    input.remove_prefix(3);
    std::string frame(input.substr(0, length));
    input.remove_prefix(frame.size());
    if (frame.size() >= kBatchHeaderBytes) {
      if ((repair & kOffset) != 0) StoreBig(frame.data(), next.value());
      if ((repair & kLength) != 0) {
        StoreBig(frame.data() + 8, static_cast<uint32_t>(frame.size() - 12));
      }
      if ((repair & kChecksum) != 0) {
        StoreBig(frame.data() + 17, Crc32c(std::string_view(frame).substr(21)));
      }
      const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
      if (header.ok()) next = header->base_offset + header->offset_span();
    }
    if (frame.size() < 8) break;
    log.push_back({.index = LogIndex(log.size() + 1), .append_time = {}, .bytes = frame});
  }
  return log;
}

bool HasCompressed(const StoredLog& log) {
  return std::any_of(log.begin(), log.end(), [](const StoredFrame& frame) {
    return DecodeBatchHeader(frame.bytes)->codec() != Codec::kNone;
  });
}

void Run(std::string_view input) {
  if (input.size() < 4) return;
  const auto option = [&](size_t i) { return static_cast<uint8_t>(input[i]); };
  const CompactorOptions options{.segment_bytes = kSegmentBytesMin,
                                 .keys_max = size_t{option(0)} + 1,
                                 .tombstone_retention = Duration::Millis(100)};
  CompactionRange range{.begin_index = LogIndex(1), .begins_at_log_start = (option(1) & 1) != 0};
  FakeContext context;
  if ((option(1) & 2) != 0) context.last[option(2)] = Offset(option(3));
  const int64_t step = (option(1) & 4) != 0 ? 1 : 1 << 20;
  const StoredLog log = FramesIn(input.substr(4));
  const Compacted once = Compact(log, options, range, context, WallTime::FromMillis(0), step);
  if (!once.status.ok()) {
    TIDEMARK_CHECK(absl::IsDataLoss(once.status));
    return;
  }
  const Compacted twice =
      Compact(once.out.log, options, range, context, WallTime::FromMillis(0), step);
  TIDEMARK_CHECK(twice.status.ok());
  TIDEMARK_CHECK(twice.out.log == once.out.log);
  if (!HasCompressed(log)) TIDEMARK_CHECK(StateOf(once.out.log) == StateOf(log));

  // Everything clean, settled and old: tombstones go, and nothing comes back.
  range.dirty_begin = range.settled_end = once.clean_end;
  const Compacted settled =
      Compact(once.out.log, options, range, context, WallTime::FromMillis(1000), step);
  TIDEMARK_CHECK(settled.status.ok());
  if (!HasCompressed(log)) TIDEMARK_CHECK(StateOf(settled.out.log) == StateOf(log));
}

}  // namespace
}  // namespace tidemark

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
