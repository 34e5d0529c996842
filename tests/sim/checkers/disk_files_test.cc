#include "sim/checkers/disk_files.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/log/log.h"
#include "engine/raft/raft.h"
#include "sim/coverage.h"
#include "sim/decisions.h"

namespace tidemark::sim {
namespace {

constexpr GroupId kGroup{3};
constexpr NodeId kNode{7};

// A node with one group, whose log has a few entries on the disk.
class DiskFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) {
      const Record record{.key = std::nullopt, .value = "value", .headers = {}, .timestamp_ms = 0};
      std::string frame = *EncodeBatch(std::span(&record, 1), {});
      PatchBatch(frame.data(), log.next_offset(), Term(1));
      log.Append(*EntryOf(log.last_index() + 1, Bytes::From(std::move(frame))),
                 WallTime::FromMillis(1));
    }
    Flush();
  }
  void Flush() {
    while (log.has_staged()) {
      FileBatch batch = log.TakeBatch();
      ASSERT_TRUE(disk.Execute(batch).ok());
      disk.Synced(batch);
      log.OnBatchDurable(std::move(batch));
    }
  }
  std::string Verdicts(const std::vector<GroupView>& groups) {
    Verdict verdict;
    DiskFiles(&verdict).Finish(kNode, groups, disk);
    return verdict.ok() ? "" : verdict.oracle() + ": " + verdict.what();
  }

  Decisions decisions{1};
  Coverage coverage;
  Disk disk{0, 512, &decisions, &coverage};
  Log log = *Log::Recover(kGroup, {}, *disk.View(), LogIndex(0));
};

TEST_F(DiskFilesTest, SaysNothingOfWhatIsHealthy) {
  EXPECT_EQ(Verdicts({{.group = kGroup, .log = &log}}), "");
}

TEST_F(DiskFilesTest, SpeaksOfFilesOfAGroupThatIsNotHere) {
  EXPECT_EQ(Verdicts({}),
            "disk_files: node 7, group 3: g0000000000000003/00000000000000000001.log is left over, "
            "of a group that this node has no replica of");
  EXPECT_EQ(Verdicts({{.group = kGroup, .log = &log, .removing = true}}), "") << "they are going";
}

TEST_F(DiskFilesTest, SpeaksOfWhatTheEngineWroteAndNotOfWhatTheDiskDid) {
  const FileId file{kGroup, FileKind::kSegment, 1};
  disk.Rot(file, FilePos(4096 + 65));
  EXPECT_EQ(Verdicts({{.group = kGroup, .log = &log}}), "") << "nobody has come by yet";
  disk.Unrot(file);
  FileBatch batch;
  batch.ops.push_back(WriteFile{file, FilePos(4096 + 65), {Bytes::From("?")}});
  batch.sync.push_back(file);
  ASSERT_TRUE(disk.Execute(batch).ok());
  disk.Synced(batch);
  const std::string verdict = Verdicts({{.group = kGroup, .log = &log}});
  EXPECT_TRUE(verdict.starts_with(
      "disk_files: node 7, group 3: rot in g0000000000000003/00000000000000000001.log [4096, "))
      << verdict;
}

}  // namespace
}  // namespace tidemark::sim
