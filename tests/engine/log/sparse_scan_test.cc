#include "engine/log/sparse_scan.h"

#include <gtest/gtest.h>

#include "tests/engine/log/keyed_log.h"

namespace tidemark {
namespace {

// A log whose first segment is sparse.
void Make(KeyedLog& keyed) {
  for (int i = 0; i < 40; ++i) {
    keyed.Put("key" + std::to_string(i % 4), std::to_string(i) + std::string(300, 'v'));
    if (i % 9 == 0) keyed.PutControl("kept");
  }
  keyed.Flush();
  TIDEMARK_CHECK(keyed.Compact().ok());
}

TEST(SparseScan, ShowsTheObserverWhatIsLeft) {
  KeyedLog keyed;
  Make(keyed);
  Collector collector;
  const auto view = keyed.disk.View();
  ASSERT_TRUE(Log::Recover(kGroup, keyed.options, *view, LogIndex(0), &collector).ok());
  std::vector<std::string> data;
  LogIndex before;
  for (size_t i = 0; i < collector.entries.size(); ++i) {
    EXPECT_GT(collector.entries[i].index, before);
    before = collector.entries[i].index;
    if (collector.entries[i].kind == EntryKind::kData) data.push_back(collector.frames[i]);
  }
  EXPECT_EQ(data, keyed.Consume());
}

TEST(SparseScan, NoFlippedByteGoesUnnoticed) {
  KeyedLog keyed;
  Make(keyed);
  const FileId segment = keyed.log->Files()[0];
  const FileId sidecar = keyed.log->Files()[1];
  for (const FileId& file : {segment, sidecar}) {
    std::string& bytes = keyed.disk.Contents(file);
    for (size_t at = 0; at < bytes.size(); ++at) {
      bytes[at] ^= 4;
      const absl::Status status = keyed.Reopen();
      EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status))
          << PathOf(file) << " " << at << " " << status.message();
      bytes[at] ^= 4;
    }
    const std::string whole = bytes;
    for (size_t size = 0; size < whole.size(); size += 13) {
      bytes.resize(size);
      EXPECT_TRUE(absl::IsDataLoss(keyed.Reopen())) << PathOf(file) << " cut to " << size;
      bytes = whole;
    }
  }
  EXPECT_TRUE(keyed.Reopen().ok());
}

}  // namespace
}  // namespace tidemark
