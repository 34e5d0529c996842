#include "engine/log/file.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tidemark {
namespace {

TEST(FileNames, AreReadableAndSortLikeNumbers) {
  EXPECT_EQ(PathOf({GroupId(7), FileKind::kSegment, 1000}),
            "g0000000000000007/00000000000000001000.log");
  EXPECT_EQ(PathOf({GroupId(0xabc), FileKind::kIndex, 2}),
            "g0000000000000abc/00000000000000000002.idx");
  EXPECT_EQ(PathOf({GroupId(1), FileKind::kTemporary, 3}),
            "g0000000000000001/00000000000000000003.tmp");
  EXPECT_EQ(PathOf({GroupId(1), FileKind::kHardState, 0}), "g0000000000000001/hard_state");
  EXPECT_EQ(PathOf({GroupId(0), FileKind::kNodeMeta, 0}), "node_meta");
}

RC_GTEST_PROP(FileNameProperty, EveryFileIsFoundByItsName, (uint64_t group, uint64_t number)) {
  for (const FileKind kind : {FileKind::kSegment, FileKind::kIndex, FileKind::kTemporary}) {
    const FileId file{GroupId(group), kind, number};
    const auto parsed = ParsePath(PathOf(file));
    RC_ASSERT(parsed.ok());
    RC_ASSERT(*parsed == file);
  }
}

TEST(FileNames, NothingElseParses) {
  for (const char* path :
       {"", "x", "LOCK", "g0000000000000007", "g0000000000000007/", "g0000000000000007/x.log",
        "g000000000000000G/hard_state", "g0000000000000007/hard_state.tmp",
        "g000000000000000A/hard_state", "g0000000000000007/0000000000000000100.log",
        "g0000000000000007/99999999999999999999.log", "g0000000000000007/00000000000000001000.logx",
        "h0000000000000007/hard_state", "g0000000000000007/000000000000000000-1.log"}) {
    const auto parsed = ParsePath(path);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

}  // namespace
}  // namespace tidemark
