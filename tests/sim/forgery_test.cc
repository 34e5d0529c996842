#include "sim/forgery.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "engine/log/batch.h"

namespace tidemark::sim {
namespace {

std::string FrameAt(uint64_t offset) {
  const Record record{.key = "k", .value = std::string(100, 'v'), .timestamp_ms = 1};
  std::string frame = *EncodeBatch(std::span(&record, 1), {});
  PatchBatch(frame.data(), Offset(offset), Term(7));
  return frame;
}

TEST(Forgery, ChangesOneFrameThatIsWholeInItself) {
  const std::string first = FrameAt(1);
  const std::string second = FrameAt(2);
  const Bytes frames = Bytes::From(first + second);
  for (size_t at = 0; at < frames.size(); ++at) {
    const std::optional<Bytes> forged = WithAnotherFrame(frames, at);
    ASSERT_TRUE(forged.has_value());
    ASSERT_EQ(forged->size(), frames.size());
    const std::string_view one = forged->view().substr(0, first.size());
    const std::string_view two = forged->view().substr(first.size());
    EXPECT_TRUE(BatchChecksumMatches(one) && BatchChecksumMatches(two)) << at;
    EXPECT_EQ(one == first, at >= first.size());
    EXPECT_EQ(two == second, at < first.size());
    EXPECT_EQ(two.substr(0, 17), second.substr(0, 17)) << "where it belongs is as it was";
  }
}

TEST(Forgery, ChangesFramesWithoutRecords) {
  const Bytes frame = Bytes::From(EncodeControlFrame(""));
  const std::optional<Bytes> forged = WithAnotherFrame(frame, 0);
  ASSERT_TRUE(forged.has_value());
  EXPECT_TRUE(BatchChecksumMatches(forged->view()));
  EXPECT_NE(forged->view(), frame.view());
  EXPECT_TRUE(DecodeBatchHeader(forged->view()).ok());
}

TEST(Forgery, LeavesWhatIsNoFrame) {
  EXPECT_FALSE(WithAnotherFrame(Bytes::From(std::string(100, 'x')), 50).has_value());
  const std::string cut = FrameAt(1).substr(0, 90);
  EXPECT_FALSE(WithAnotherFrame(Bytes::From(std::string(cut)), 50).has_value());
}

}  // namespace
}  // namespace tidemark::sim
