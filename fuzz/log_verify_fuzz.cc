#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/hard_state.h"
#include "engine/log/log.h"
#include "engine/log/repair.h"
#include "engine/log/segment_scrub.h"
#include "engine/log/verify.h"
#include "fuzz/plain_disk.h"

// A log of a few segments, damaged as the input says, then verified while in use (by the log that
// was opened before and the one that is opened behind it), and offline, and repaired: what is
// accepted as lost ends in a log that starts.

namespace tidemark {
namespace {

constexpr GroupId kGroup{1};

PlainDisk Healthy() {
  const LogOptions options{.segment_bytes = 8192, .index_interval_bytes = 200, .cache_bytes = 500};
  PlainDisk disk;
  Log log = *Log::Recover(kGroup, options, disk, LogIndex(0));
  for (size_t i = 0; i < 9; ++i) {
    BatchBuilder builder;
    builder.Add(std::nullopt, std::string(100 + i * 300, 'd'), 1);
    std::string frame = i % 3 == 0 ? EncodeControlFrame(std::string(50, 'c')) : builder.Finish();
    PatchBatch(frame.data(), log.next_offset(), Term(1 + i / 4));
    log.Append(*EntryOf(log.last_index() + 1, Bytes::From(frame)), WallTime::FromMillis(1));
    while (i % 2 == 0 && log.has_staged()) {
      disk.Execute(log.TakeBatch());
      log.OnBatchDurable();
    }
    if (i == 5) log.TruncateSuffix(LogIndex(4));
  }
  FileBatch batch;
  AppendHardState(kGroup, {.generation = 1, .term = Term(3), .commit = log.last_index()}, batch);
  disk.Execute(batch);
  return disk;
}

void CheckPlace(const Finding& finding) {
  TIDEMARK_CHECK_LE(finding.begin, finding.end);
  TIDEMARK_CHECK_LE(finding.first_index, finding.end_index);
  TIDEMARK_CHECK_LE(finding.first_offset, finding.end_offset);
}

// How many findings there are in the full segments of `log`.
size_t Scrub(const Log& log, const PlainDisk& disk) {
  size_t findings = 0;
  LogIndex after;
  while (const auto segment = log.SealedSegmentAfter(after)) {
    TIDEMARK_CHECK_GT(segment->end_index, after + 1);
    after = segment->end_index - 1;
    SegmentScrub scrub(*segment);
    while (const auto read = scrub.NextRead()) {
      TIDEMARK_CHECK_LE(read->length, kScrubReadBytes);
      const auto found = disk.files.find(read->file);
      if (found == disk.files.end()) {
        scrub.OnMissing();
        continue;
      }
      const std::string_view content = found->second;
      scrub.OnRead(
          content.substr(std::min<size_t>(read->pos.value(), content.size()), read->length));
    }
    for (const Finding& finding : scrub.TakeFindings()) {
      CheckPlace(finding);
      ++findings;
    }
  }
  return findings;
}

void Run(const uint8_t* data, size_t size) {
  PlainDisk disk = Healthy();
  const LogIndex committed = VerifyGroup(kGroup, disk)->hard_state.commit;
  const Log opened_before = *Log::Recover(kGroup, {}, disk, committed);
  TIDEMARK_CHECK_EQ(Scrub(opened_before, disk), 0u);
  // Edits of 6 bytes: file, two of position, what to do, two of value.
  for (; size >= 6; data += 6, size -= 6) {
    auto file = disk.files.begin();
    std::advance(file, data[0] % disk.files.size());
    std::string& content = file->second;
    const size_t at = content.empty() ? 0 : (data[1] | data[2] << 8) % content.size();
    const uint16_t value = static_cast<uint16_t>(data[4] | data[5] << 8);
    switch (data[3] % 5) {
      case 0:
        content.resize(at);
        break;
      case 1:
        if (!content.empty()) content[at] = static_cast<char>(data[4]);
        break;
      case 2:
        content.replace(at, value % 2000, std::string(value % 2000, '\0'));
        break;
      case 3:
        content.insert(at, std::string(value % 2000, static_cast<char>(data[5])));
        break;
      default:
        if (disk.files.size() > 1) disk.files.erase(file);
    }
  }
  Scrub(opened_before, disk);
  if (const auto opened = Log::Recover(kGroup, {}, disk, committed); opened.ok()) {
    Scrub(*opened, disk);
  }
  for (int round = 0; round < 2; ++round) {
    const absl::StatusOr<GroupVerification> result = VerifyGroup(kGroup, disk);
    if (!result.ok()) {
      TIDEMARK_CHECK(absl::IsFailedPrecondition(result.status()));
      return;
    }
    for (const Finding& finding : result->findings) CheckPlace(finding);
    std::vector<LostRange> accepted;
    if (result->cut.has_value()) accepted = result->cut->ranges;
    const absl::StatusOr<RepairPlan> plan = PlanRepair(*result, disk, accepted);
    if (!plan.ok()) return;  // a hard state that nothing can replace
    for (const FileBatch& batch : plan->batches) disk.Execute(batch);
  }
  const absl::StatusOr<GroupVerification> after = VerifyGroup(kGroup, disk);
  TIDEMARK_CHECK(after.ok());
  TIDEMARK_CHECK(!after->refuses());
  TIDEMARK_CHECK(Log::Recover(kGroup, {}, disk, after->hard_state.commit).ok());
}

}  // namespace
}  // namespace tidemark

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::Run(data, size);
  return 0;
}
