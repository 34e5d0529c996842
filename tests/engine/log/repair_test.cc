#include "engine/log/repair.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/base/prng.h"
#include "engine/log/hard_state.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/log_fixture.h"

namespace tidemark {
namespace {

const FileId kHardState{kGroup, FileKind::kHardState, 0};

void Fill(LogOnDisk& on_disk) {
  for (size_t i = 0; i < 40; ++i) {
    on_disk.Append(static_cast<uint32_t>(i % 4), 100 + i * 7 % 400, Term(1 + i / 10));
    if (i % 3 == 0) on_disk.Flush();
    if (i == 20) on_disk.Truncate(LogIndex(18));
  }
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->last_index());
  FileBatch batch;
  AppendHardState(kGroup,
                  {.generation = 1,
                   .term = Term(9),
                   .vote = NodeId(2),
                   .commit = on_disk.log->last_index(),
                   .start = LogIndex(1)},
                  batch);
  on_disk.disk.ApplyAndSync(batch);
}

GroupVerification Verify(const LogOnDisk& on_disk) {
  absl::StatusOr<GroupVerification> result = VerifyGroup(kGroup, *on_disk.disk.View());
  TIDEMARK_CHECK(result.ok());
  return *std::move(result);
}

absl::StatusOr<RepairPlan> Plan(const LogOnDisk& on_disk, bool accept) {
  const GroupVerification result = Verify(on_disk);
  std::vector<LostRange> accepted;
  if (accept && result.cut.has_value()) accepted = result.cut->ranges;
  return PlanRepair(result, *on_disk.disk.View(), accepted);
}

HardStateRecord HardState(LogOnDisk& on_disk) {
  return *DecodeHardState(on_disk.disk.Contents(kHardState));
}

void Flip(LogOnDisk& on_disk, LogIndex index) {
  const std::string& frame = on_disk.frames[index.value() - 1];
  for (const FileId& file : on_disk.disk.Files()) {
    const size_t pos = on_disk.disk.Contents(file).rfind(frame);
    if (file.kind == FileKind::kSegment && pos != std::string::npos) {
      on_disk.disk.Contents(file)[pos + 65] ^= 1;
      return;
    }
  }
  TIDEMARK_CHECK(false);
}

TEST(Repair, DoesNothingWithoutTheExactRangesAndNamesThem) {
  LogOnDisk on_disk;
  Fill(on_disk);
  Flip(on_disk, LogIndex(30));
  const absl::StatusOr<RepairPlan> plan = Plan(on_disk, false);
  ASSERT_TRUE(absl::IsFailedPrecondition(plan.status()));
  const std::string message(plan.status().message());
  EXPECT_NE(message.find("--accept-loss g0000000000000007/"), std::string::npos) << message;
  EXPECT_NE(message.find("before index 30"), std::string::npos) << message;
  EXPECT_NE(message.find("7 entries"), std::string::npos) << message;
  const GroupVerification result = Verify(on_disk);
  std::vector<LostRange> less = result.cut->ranges;
  less.back().end = less.back().end - 1;
  EXPECT_FALSE(PlanRepair(result, *on_disk.disk.View(), less).ok());
}

TEST(Repair, EndsTheLogBeforeTheDamageAndKeepsTermAndVote) {
  LogOnDisk on_disk;
  Fill(on_disk);
  std::vector<std::string> kept = on_disk.frames;
  kept.resize(29);
  Flip(on_disk, LogIndex(30));
  EXPECT_FALSE(on_disk.Reopen(HardState(on_disk).commit).ok());
  const absl::StatusOr<RepairPlan> plan = Plan(on_disk, true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->steps.empty());
  for (const FileBatch& batch : plan->batches) on_disk.disk.ApplyAndSync(batch);
  EXPECT_TRUE(Verify(on_disk).findings.empty());
  EXPECT_EQ(HardState(on_disk).term, Term(9));
  EXPECT_EQ(HardState(on_disk).vote, NodeId(2));
  ASSERT_TRUE(on_disk.Reopen(HardState(on_disk).commit).ok());
  EXPECT_EQ(on_disk.frames, kept);
  // And goes on.
  on_disk.Append(1, 10, Term(10));
  on_disk.Flush();
  EXPECT_TRUE(on_disk.Reopen(on_disk.log->last_index()).ok());
  EXPECT_EQ(on_disk.frames.size(), 30u);
}

TEST(Repair, MakesSidecarsAnewWithoutLossOrConsent) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const std::vector<std::string> frames = on_disk.frames;
  const std::string was = on_disk.disk.Contents({kGroup, FileKind::kIndex, 1});
  on_disk.disk.Contents({kGroup, FileKind::kIndex, 1})[100] ^= 1;
  on_disk.disk.ApplyAndSync({.ops = {RemoveFile{{kGroup, FileKind::kIndex, 2}}}});
  const absl::StatusOr<RepairPlan> plan = Plan(on_disk, false);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->changed, (std::vector<FileId>{{kGroup, FileKind::kIndex, 1}}));
  for (const FileBatch& batch : plan->batches) on_disk.disk.ApplyAndSync(batch);
  const GroupVerification after = Verify(on_disk);
  EXPECT_TRUE(after.findings.empty()) << after.findings.front().what;
  ASSERT_TRUE(on_disk.Reopen(LogIndex(36)).ok());
  EXPECT_EQ(on_disk.frames, frames);
}

TEST(Repair, RefusesToMakeUpAHardState) {
  LogOnDisk on_disk;
  Fill(on_disk);
  for (size_t copy = 0; copy < 4; ++copy) on_disk.disk.Contents(kHardState)[copy * 2048 + 9] ^= 1;
  const absl::StatusOr<RepairPlan> plan = Plan(on_disk, true);
  EXPECT_TRUE(absl::IsFailedPrecondition(plan.status()));
}

TEST(Repair, HasNothingToDoInAHealthyLog) {
  LogOnDisk on_disk;
  Fill(on_disk);
  const absl::StatusOr<RepairPlan> plan = Plan(on_disk, true);
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->batches.empty());
  const std::vector<LostRange> made_up{{.file = {kGroup, FileKind::kSegment, 1}}};
  EXPECT_FALSE(PlanRepair(Verify(on_disk), *on_disk.disk.View(), made_up).ok());
}

// Compaction gives segments numbers that are higher than those of later entries.
TEST(Repair, KeepsWhatCompactionWroteBeforeTheDamage) {
  KeyedLog keyed;
  for (int i = 0; i < 100; ++i) keyed.Put(std::to_string(i % 9), std::string(500, 'v'));
  keyed.Flush();
  ASSERT_TRUE(keyed.Compact().ok());
  const LogIndex compacted = keyed.log->compacted_end();
  ASSERT_GT(compacted, LogIndex(1));
  const FileRange damaged = keyed.log->RangeOf(compacted, 1);
  keyed.disk.Contents(damaged.file)[damaged.pos.value() + 65] ^= 1;
  EXPECT_FALSE(keyed.Reopen().ok());
  for (const bool accept : {false, true}) {
    const absl::StatusOr<GroupVerification> found = VerifyGroup(kGroup, *keyed.disk.View());
    ASSERT_TRUE(found.ok());
    ASSERT_TRUE(found->cut.has_value());
    EXPECT_EQ(found->cut->ranges.front().file, damaged.file);
    std::vector<LostRange> accepted;
    if (accept) accepted = found->cut->ranges;
    const absl::StatusOr<RepairPlan> plan = PlanRepair(*found, *keyed.disk.View(), accepted);
    ASSERT_EQ(plan.ok(), accept) << plan.status();
    if (!accept) continue;
    for (const FileBatch& batch : plan->batches) keyed.disk.ApplyAndSync(batch);
  }
  const absl::StatusOr<GroupVerification> after = VerifyGroup(kGroup, *keyed.disk.View());
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after->findings.empty()) << after->findings.front().what;
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_GE(keyed.log->last_index() + 1, compacted);
  EXPECT_EQ(keyed.Read(), keyed.Expected());
}

// Nothing tells which entries are left in it: the log ends before.
TEST(Repair, EndsTheLogBeforeACompactedSegmentThatIsDamaged) {
  KeyedLog keyed;
  for (int i = 0; i < 100; ++i) keyed.Put(std::to_string(i % 9), std::string(500, 'v'));
  keyed.Flush();
  ASSERT_TRUE(keyed.Compact().ok());
  const FileRange damaged = keyed.log->RangeOf(LogIndex(1), 1);
  ASSERT_TRUE(damaged.sparse);
  keyed.disk.Contents(damaged.file)[damaged.pos.value() + 65] ^= 1;
  const absl::StatusOr<GroupVerification> found = VerifyGroup(kGroup, *keyed.disk.View());
  ASSERT_TRUE(found.ok());
  ASSERT_TRUE(found->cut.has_value());
  const absl::StatusOr<RepairPlan> plan =
      PlanRepair(*found, *keyed.disk.View(), found->cut->ranges);
  ASSERT_TRUE(plan.ok()) << plan.status();
  for (const FileBatch& batch : plan->batches) keyed.disk.ApplyAndSync(batch);
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_EQ(keyed.log->last_index(), LogIndex(0));
  keyed.Put("key", "value");
  keyed.Flush();
  ASSERT_TRUE(keyed.Reopen().ok());
  EXPECT_EQ(keyed.log->last_index(), LogIndex(1));
}

// Whatever is damaged, also while a repair is interrupted: in the end the log starts and holds a
// beginning of something it was.
RC_GTEST_PROP(RepairProperty, AnyDamageEndsInALogThatStarts, (uint64_t seed)) {
  Prng prng(seed);
  LogOnDisk on_disk;
  Fill(on_disk);
  const std::vector<std::string> frames = on_disk.frames;
  for (uint64_t i = prng.Below(4); i < 4; ++i) {
    const std::vector<FileId> files = on_disk.disk.Files();
    const FileId file = files[prng.Below(files.size())];
    std::string& contents = on_disk.disk.Contents(file);
    if (contents.empty()) continue;
    if (prng.Chance(1, 8) && file.kind != FileKind::kHardState) {
      on_disk.disk.ApplyAndSync({.ops = {RemoveFile{file}}});
    } else if (prng.Chance(1, 8) && file.kind != FileKind::kHardState) {
      contents.resize(prng.Below(contents.size()));
    } else {
      contents[prng.Below(contents.size())] ^= static_cast<char>(1 << prng.Below(8));
    }
  }
  const GroupVerification first = Verify(on_disk);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const absl::StatusOr<RepairPlan> plan = Plan(on_disk, true);
    RC_ASSERT(plan.ok());
    for (const FileBatch& batch : plan->batches) {
      if (attempt < 2 && prng.Chance(1, 2)) {
        on_disk.disk.Apply(batch);
        on_disk.disk.Crash(MemoryDisk::Tear::kWholeFiles, [&](size_t n) { return prng.Below(n); });
        on_disk.disk.SyncNames();
        break;
      }
      on_disk.disk.ApplyAndSync(batch);
    }
  }
  RC_ASSERT(!Verify(on_disk).refuses());
  RC_ASSERT(on_disk.Reopen(HardState(on_disk).commit).ok());
  on_disk.frames.resize(std::min<size_t>(on_disk.frames.size(), on_disk.log->last_index().value()));
  // Of something it was: with a file and the sidecar before it both gone, what was cut is back.
  const std::vector<std::string>& now = on_disk.frames;
  RC_ASSERT(std::any_of(on_disk.versions.begin(), on_disk.versions.end(), [&](const auto& version) {
    return now.size() <= version.size() && std::equal(now.begin(), now.end(), version.begin());
  }));
  if (!first.refuses() && !first.cut.has_value()) RC_ASSERT(on_disk.frames == frames);
}

}  // namespace
}  // namespace tidemark
