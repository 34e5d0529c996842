#include "proto/journal/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tidemark::journal {
namespace {

std::string Frames(const std::vector<std::string>& bodies, uint32_t& chain) {
  std::string frames;
  for (const std::string& body : bodies) {
    const size_t frame = BeginFrame(frames, FrameKind::kEvent);
    frames.append(body);
    EndFrame(frames, frame);
  }
  Seal(frames, chain);
  return frames;
}

std::string File(const FileHeader& header, const std::string& frames) {
  return EncodeFileHeader(header) + frames;
}

// The bodies that are read, and how it ended.
std::vector<std::string> Read(FrameReader& reader, absl::Status& end) {
  std::vector<std::string> bodies;
  for (;;) {
    const auto frame = reader.Next();
    end = frame.status();
    if (!frame.ok() || !frame->has_value()) return bodies;
    bodies.emplace_back((*frame)->body.view());
  }
}

TEST(JournalFrame, FramesComeBackAcrossFiles) {
  uint32_t chain = 0;
  const std::string first = File({.run = 5, .number = 1}, Frames({"a", "", "bc"}, chain));
  const FileHeader next{.run = 5, .number = 2, .chain = chain};
  const std::string second = File(next, Frames({std::string(100000, 'd')}, chain));
  FrameReader reader;
  absl::Status end;
  ASSERT_TRUE(reader.Open(Bytes::Copy(first)).ok());
  EXPECT_EQ(Read(reader, end), (std::vector<std::string>{"a", "", "bc"}));
  EXPECT_TRUE(end.ok());
  ASSERT_TRUE(reader.Open(Bytes::Copy(second)).ok());
  EXPECT_EQ(Read(reader, end), (std::vector<std::string>{std::string(100000, 'd')}));
  EXPECT_TRUE(end.ok());
}

TEST(JournalFrame, AnyByteThatIsFlippedIsFound) {
  uint32_t chain = 0;
  const std::string file = File({.run = 5, .number = 1}, Frames({"abc", "def", "ghi"}, chain));
  for (size_t at = 0; at < file.size(); ++at) {
    for (const char bit : {char{1}, char{-128}}) {
      std::string flipped = file;
      flipped[at] = static_cast<char>(flipped[at] ^ bit);
      FrameReader reader;
      absl::Status end = reader.Open(Bytes::Copy(flipped));
      if (end.ok()) (void)Read(reader, end);
      EXPECT_FALSE(end.ok()) << "byte " << at;
    }
  }
}

TEST(JournalFrame, AFileThatIsCutAnywhereGivesTheFramesBeforeTheCut) {
  uint32_t chain = 0;
  const std::string file = File({.run = 5, .number = 1}, Frames({"abc", "def", "ghi"}, chain));
  const size_t frame = kFrameHeaderBytes + 3;
  for (size_t cut = kFileHeaderBytes; cut < file.size(); ++cut) {
    FrameReader reader;
    ASSERT_TRUE(reader.Open(Bytes::Copy(file.substr(0, cut))).ok());
    absl::Status end;
    const size_t whole = (cut - kFileHeaderBytes) / frame;
    EXPECT_EQ(Read(reader, end).size(), whole);
    EXPECT_EQ(absl::IsOutOfRange(end), (cut - kFileHeaderBytes) % frame != 0) << end;
  }
}

TEST(JournalFrame, AFrameThatIsMissingRepeatedOrMovedBreaksTheChain) {
  uint32_t chain = 0;
  const std::string frames = Frames({"abc", "def", "ghi"}, chain);
  const size_t size = frames.size() / 3;
  const std::string a = frames.substr(0, size);
  const std::string b = frames.substr(size, size);
  const std::string c = frames.substr(2 * size);
  for (const std::string& order : {a + c, a + b + b, b + a + c, a + c + b}) {
    FrameReader reader;
    ASSERT_TRUE(reader.Open(Bytes::Copy(File({.run = 5, .number = 1}, order))).ok());
    absl::Status end;
    (void)Read(reader, end);
    EXPECT_TRUE(absl::IsDataLoss(end));
  }
}

TEST(JournalFrame, FilesOfAnotherRunOrOutOfOrderAreRefused) {
  uint32_t chain = 0;
  const std::string first = File({.run = 5, .number = 1}, Frames({"a"}, chain));
  for (const FileHeader& next : std::vector<FileHeader>{
           {.run = 6, .number = 2, .chain = chain},
           {.run = 5, .number = 3, .chain = chain},
           {.run = 5, .number = 1, .chain = chain},
           {.run = 5, .number = 2, .chain = chain + 1},
       }) {
    FrameReader reader;
    absl::Status end;
    ASSERT_TRUE(reader.Open(Bytes::Copy(first)).ok());
    (void)Read(reader, end);
    EXPECT_FALSE(reader.Open(Bytes::Copy(EncodeFileHeader(next))).ok());
  }
  FrameReader reader;
  EXPECT_FALSE(reader.Open(Bytes::Copy(EncodeFileHeader({.run = 5, .number = 2}))).ok());
}

TEST(JournalFrame, WhatIsNoJournalIsSaidToBeNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeFileHeader(std::string(64, 'x')).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeFileHeader("").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeFileHeader(EncodeFileHeader({}).substr(0, 31)).status()));
}

}  // namespace
}  // namespace tidemark::journal
