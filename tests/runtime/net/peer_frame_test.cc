#include "runtime/net/peer_frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark::net {
namespace {

std::string FrameOf(FrameType type, const std::string& payload) {
  std::string out;
  AppendFrame(out, type, {Bytes::Copy(payload)});
  return out;
}

std::string ErrorOf(const std::string& bytes, size_t limit = kPeerFrameBytesMax) {
  const auto frame = NextFrame(bytes, limit);
  return frame.ok() ? (frame->has_value() ? "a frame" : "needs more")
                    : std::string(frame.status().message());
}

TEST(PeerFrame, HasTheDocumentedBytes) {
  const std::string frame = FrameOf(FrameType::kRaft, "abc");
  ASSERT_EQ(frame.size(), 12u);
  EXPECT_EQ(LoadLittle<uint32_t>(frame.data()), 3u);
  EXPECT_EQ(LoadLittle<uint32_t>(frame.data() + 4), Crc32c("\x02"
                                                           "abc"));
  EXPECT_EQ(frame.substr(8),
            "\x02"
            "abc");
}

TEST(PeerFrame, NeedsMoreAtEveryByteBeforeTheLast) {
  const std::string frame = FrameOf(FrameType::kGossip, "payload");
  for (size_t length = 0; length < frame.size(); ++length) {
    EXPECT_EQ(ErrorOf(frame.substr(0, length)), "needs more") << length;
  }
}

TEST(PeerFrame, EveryFlippedBitIsNoticed) {
  const std::string frame = FrameOf(FrameType::kRaft, "payload");
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string bad = frame;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(ErrorOf(bad), "a frame") << bit;
  }
}

TEST(PeerFrame, LengthIsJudgedByTheHeaderAlone) {
  const std::string frame = FrameOf(FrameType::kHello, std::string(100, 'x'));
  EXPECT_EQ(ErrorOf(frame, 100), "a frame");
  EXPECT_EQ(ErrorOf(frame.substr(0, kFrameHeaderBytes), 99),
            "a frame of 100 bytes where 99 are allowed");
}

TEST(PeerFrame, UnknownTypesEndTheStream) {
  for (const int type : {0, 5, 255}) {
    std::string frame = FrameOf(FrameType::kRaft, "x");
    frame[8] = static_cast<char>(type);
    EXPECT_NE(ErrorOf(frame).find("unknown type"), std::string::npos) << type;
  }
}

RC_GTEST_PROP(PeerFrameProperty, AnyFramesInAnyPartsComeBackInOrder, ()) {
  const auto payloads = *rc::gen::arbitrary<std::vector<std::vector<std::string>>>();
  std::string stream;
  for (const auto& parts : payloads) {
    std::vector<Bytes> bytes;
    for (const std::string& part : parts) bytes.push_back(Bytes::Copy(part));
    AppendFrame(stream, FrameType::kRaft, bytes);
  }
  std::string_view rest = stream;
  for (const auto& parts : payloads) {
    std::string whole;
    for (const std::string& part : parts) whole += part;
    const auto frame = NextFrame(rest);
    RC_ASSERT(frame.ok());
    RC_ASSERT(frame->has_value());
    RC_ASSERT((*frame)->payload == whole);
    rest.remove_prefix((*frame)->total_bytes);
  }
  RC_ASSERT(rest.empty());
}

}  // namespace
}  // namespace tidemark::net
