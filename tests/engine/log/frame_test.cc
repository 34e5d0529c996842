#include "engine/log/frame.h"

#include <gtest/gtest.h>

#include "engine/base/coding.h"
#include "engine/base/crc32c.h"

namespace tidemark {
namespace {

std::string Frame(Offset offset, Term term, size_t bytes = 100) {
  BatchBuilder builder;
  builder.Add(std::nullopt, std::string(bytes, 'v'), 1000);
  std::string frame = builder.Finish();
  PatchBatch(frame.data(), offset, term);
  return frame;
}

TEST(Frame, BeginsOnlyWhereItFitsWhatCameBefore) {
  const std::string file = Frame(Offset(5), Term(2)) + std::string(100, '\0');
  std::string_view wrong;
  EXPECT_TRUE(FrameAt(file, {Offset(5), Term(2)}, wrong).has_value());
  EXPECT_TRUE(FrameAt(file, {Offset(5), Term(1)}, wrong).has_value());
  EXPECT_FALSE(FrameAt(file, {Offset(4), Term(2)}, wrong).has_value());
  EXPECT_EQ(wrong, "a frame has a wrong offset");
  EXPECT_FALSE(FrameAt(file, {Offset(5), Term(3)}, wrong).has_value());
  EXPECT_EQ(wrong, "a frame has a term that went back");
  EXPECT_FALSE(FrameAt(std::string_view(file).substr(0, 100), {Offset(5), Term(2)}, wrong));
  EXPECT_EQ(wrong, "a frame reaches past the file's end");
  std::string damaged = file;
  damaged[80] ^= 1;
  EXPECT_FALSE(FrameAt(damaged, {Offset(5), Term(2)}, wrong).has_value());
  EXPECT_EQ(wrong, "a frame's checksum is wrong");
}

// SCENARIOS L7: a valid header whose checksum is 0 taken for an empty tail.
TEST(Frame, WithAChecksumOfZeroIsAFrameAndZerosAreNot) {
  // A CRC can be steered to any value by four free bytes: search a control payload.
  std::string frame = EncodeControlFrame(std::string(8, '\0'));
  const size_t free_bytes = frame.size() - 4;
  // The CRC is affine in the last four bytes: solve bit by bit with Gaussian elimination.
  const auto crc_of = [&](uint32_t tail) {
    StoreLittle(frame.data() + free_bytes, tail);
    return Crc32c(std::string_view(frame).substr(21));
  };
  const uint32_t base = crc_of(0);
  uint32_t rows[32];
  uint32_t inputs[32];
  for (uint32_t bit = 0; bit < 32; ++bit) {
    rows[bit] = crc_of(1u << bit) ^ base;
    inputs[bit] = 1u << bit;
  }
  uint32_t wanted = base;
  uint32_t tail = 0;
  for (uint32_t bit = 0, row = 0; bit < 32; ++bit) {
    uint32_t pivot = row;
    while (pivot < 32 && (rows[pivot] >> bit & 1) == 0) ++pivot;
    if (pivot == 32) continue;
    std::swap(rows[pivot], rows[row]);
    std::swap(inputs[pivot], inputs[row]);
    for (uint32_t other = 0; other < 32; ++other) {
      if (other != row && (rows[other] >> bit & 1) != 0) {
        rows[other] ^= rows[row];
        inputs[other] ^= inputs[row];
      }
    }
    if ((wanted >> bit & 1) != 0) {
      wanted ^= rows[row];
      tail ^= inputs[row];
    }
    ++row;
  }
  ASSERT_EQ(crc_of(tail), 0u);
  StoreBig<uint32_t>(frame.data() + 17, 0);
  std::string_view wrong;
  EXPECT_TRUE(FrameAt(frame, {Offset(0), Term(0)}, wrong).has_value());
  EXPECT_FALSE(FrameAt(std::string(4096, '\0'), {Offset(0), Term(0)}, wrong).has_value());
  EXPECT_EQ(wrong, "");
}

TEST(LaterFrame, IsFoundBehindDamage) {
  std::string file = Frame(Offset(0), Term(1)) + Frame(Offset(1), Term(1));
  const size_t second = file.size() / 2;
  file[30] ^= 1;
  bool gave_up = true;
  EXPECT_EQ(FindLaterFrame(file, 1, {Offset(0), Term(1)}, gave_up), second);
  EXPECT_FALSE(gave_up);
  // One that is older than what came before is a leftover, not a later frame.
  EXPECT_EQ(FindLaterFrame(file, 1, {Offset(2), Term(1)}, gave_up), std::nullopt);
  EXPECT_EQ(FindLaterFrame(file, 1, {Offset(0), Term(2)}, gave_up), std::nullopt);
  file[second + 40] ^= 1;
  EXPECT_EQ(FindLaterFrame(file, 1, {Offset(0), Term(1)}, gave_up), std::nullopt);
}

TEST(LaterFrame, SearchOfHostileBytesIsBounded) {
  // Headers every 61 bytes, each claiming all the rest: quadratic without the bound.
  std::string file;
  constexpr size_t kHeaders = 2000;
  const std::string frame = Frame(Offset(0), Term(1));
  for (size_t i = 0; i < kHeaders; ++i) {
    std::string header = frame.substr(0, kBatchHeaderBytes);
    StoreBig(header.data() + 8, static_cast<uint32_t>((kHeaders - i) * kBatchHeaderBytes - 12));
    file += header;
  }
  bool gave_up = false;
  EXPECT_EQ(FindLaterFrame(file, 0, {Offset(0), Term(1)}, gave_up), std::nullopt);
  EXPECT_TRUE(gave_up);
}

TEST(LostSector, IsOneThatIsAllZeros) {
  std::string file(4096, 'x');
  EXPECT_FALSE(LostSectorIn(file, 100, 4000));
  file.replace(1024, 512, std::string(512, '\0'));
  EXPECT_TRUE(LostSectorIn(file, 100, 4000));
  EXPECT_FALSE(LostSectorIn(file, 100, 1024));
  EXPECT_FALSE(LostSectorIn(file, 1536, 4000));
  file[1535] = 'x';
  EXPECT_FALSE(LostSectorIn(file, 100, 4000));
  // Of the first sector only the part that was written counts.
  file.replace(100, 412, std::string(412, '\0'));
  EXPECT_TRUE(LostSectorIn(file, 100, 200));
  EXPECT_FALSE(LostSectorIn(file, 99, 200));
}

TEST(Zeros, AreOnlyZeros) {
  EXPECT_TRUE(AllZeros(""));
  EXPECT_TRUE(AllZeros(std::string(1000, '\0')));
  for (const size_t at : {0, 1, 500, 999}) {
    std::string bytes(1000, '\0');
    bytes[at] = 1;
    EXPECT_FALSE(AllZeros(bytes)) << at;
  }
}

}  // namespace
}  // namespace tidemark
