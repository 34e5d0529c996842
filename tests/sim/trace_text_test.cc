#include "sim/trace_text.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>

#include "sim/run.h"

namespace tidemark::sim {
namespace {

TEST(TraceText, SaysWhatMessagesSay) {
  const PeerMessage append{.group = GroupId{4},
                           .message = {.from = NodeId{1},
                                       .to = NodeId{2},
                                       .term = Term{3},
                                       .body = raft::AppendRequest{.prev_index = LogIndex{5},
                                                                   .prev_term = Term{2},
                                                                   .commit = LogIndex{5},
                                                                   .sequence = 9}}};
  EXPECT_EQ(TextOf(Event(PeerReceived{NodeId{1}, append})),
            "1 -> 2 group 4 term 3: append after 5 (term 2), 0 entries, commit 5, sequence 9");
  EXPECT_EQ(TextOf(Effect(SendPeer{NodeId{2}, append})),
            TextOf(Event(PeerReceived{NodeId{1}, append})));
}

TEST(TraceText, SaysWhatFlushesWrite) {
  const FileId file{.group = GroupId{7}, .kind = FileKind::kSegment, .number = 1};
  Flush flush{.token = IoToken{3}, .group = GroupId{7}, .batch = {}};
  flush.batch.ops.push_back(CreateFile{.file = file});
  flush.batch.ops.push_back(
      WriteFile{.file = file, .pos = FilePos{64}, .data = {Bytes::Copy("abc"), Bytes::Copy("de")}});
  flush.batch.sync.push_back(file);
  const std::string path = PathOf(file);
  EXPECT_EQ(TextOf(Effect(flush)), "flush 3 of group 7: create " + path + "; write " + path +
                                       " at 64, 5 bytes; sync " + path);
}

TEST(TraceText, AWriterTellsEveryStepOfARun) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = ::open_memstream(&text, &size);
  TraceWriter writer(out);
  Execution run(PlanOf(3), {.listener = &writer});
  for (uint64_t task = 1; task <= 2000; ++task) {
    writer.BeginTask(task);
    run.Advance();
  }
  std::fclose(out);
  const std::string told(text, size);
  std::free(text);
  EXPECT_NE(told.find("#0 0.000000000 node "), std::string::npos);
  EXPECT_NE(told.find("vote granted"), std::string::npos);
  EXPECT_NE(told.find("> flush "), std::string::npos);
  EXPECT_EQ(told.find("of another kind"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::sim
