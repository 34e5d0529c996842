#include "proto/journal/directory_image.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tidemark::journal {
namespace {

class MapView : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId group) const override {
    std::vector<FileId> list;
    for (const auto& [file, bytes] : files) {
      if (file.group == group) list.push_back(file);
    }
    return list;
  }
  std::vector<GroupId> Groups() const override {
    std::set<GroupId> groups;
    for (const auto& [file, bytes] : files) groups.insert(file.group);
    return {groups.begin(), groups.end()};
  }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    if (unreadable.contains(file)) return absl::DataLossError("bad sector");
    const auto found = files.find(file);
    if (found == files.end()) return absl::NotFoundError(PathOf(file));
    return std::string_view(found->second);
  }
  std::map<FileId, std::string> files;
  std::set<FileId> unreadable;
};

FileId Segment(uint64_t group, uint64_t number) {
  return {.group = GroupId(group), .kind = FileKind::kSegment, .number = number};
}

// What was seen, through the bytes of a journal. `frame_bytes` becomes their number.
DirectoryImage Through(const RecordingView& seen, size_t& frame_bytes) {
  std::string frames;
  seen.Encode([&](const std::string& some) { frames.append(some); });
  frame_bytes = frames.size();
  uint32_t chain = 0;
  Seal(frames, chain);
  FrameReader reader;
  EXPECT_TRUE(reader.Open(Bytes::From(EncodeFileHeader({}) + frames)).ok());
  DirectoryImage image;
  for (;;) {
    const auto frame = reader.Next();
    EXPECT_TRUE(frame.ok());
    if (!frame.ok() || !frame->has_value()) return image;
    EXPECT_TRUE(image.Add(**frame).ok());
  }
}

TEST(DirectoryImage, ShowsWhatWasSeenAndNotWhatWasNot) {
  MapView disk;
  disk.files[Segment(1, 1)] = "abcdef";
  disk.files[Segment(1, 2)] = std::string(10000, 'x');
  disk.files[Segment(2, 1)] = "";
  const RecordingView seen(&disk);
  EXPECT_EQ(seen.Groups().size(), 2u);
  EXPECT_EQ(*seen.Contents(Segment(1, 1)), "abcdef");
  EXPECT_EQ(*seen.ReadAt(Segment(1, 2), FilePos(9990), 100), std::string(10, 'x'));
  EXPECT_EQ(*seen.Contents(Segment(2, 1)), "");
  EXPECT_TRUE(absl::IsNotFound(seen.Contents(Segment(9, 9)).status()));

  size_t bytes = 0;
  const DirectoryImage image = Through(seen, bytes);
  EXPECT_EQ(image.Groups(), disk.Groups());
  EXPECT_EQ(image.List(GroupId(1)), disk.List(GroupId(1)));
  EXPECT_EQ(*image.Contents(Segment(1, 1)), "abcdef");
  EXPECT_EQ(*image.Contents(Segment(2, 1)), "");
  EXPECT_EQ(*image.Size(Segment(1, 2)), 10000u);
  EXPECT_EQ(*image.ReadAt(Segment(1, 2), FilePos(9990), 100), std::string(10, 'x'));
  EXPECT_EQ(*image.ReadAt(Segment(1, 1), FilePos(2), 3), "cde");
  EXPECT_TRUE(absl::IsInternal(image.Contents(Segment(1, 2)).status()));
  EXPECT_TRUE(absl::IsNotFound(image.Contents(Segment(9, 9)).status()));
}

TEST(DirectoryImage, RunsOfZerosCostNothing) {
  MapView disk;
  std::string& file = disk.files[Segment(1, 1)];
  file.assign(8u << 20, '\0');
  file.replace(5000, 3, "abc");
  file.replace(6u << 20, 2, "de");
  file.back() = 'f';
  const RecordingView seen(&disk);
  (void)seen.Groups();
  (void)seen.Contents(Segment(1, 1));
  size_t bytes = 0;
  const DirectoryImage image = Through(seen, bytes);
  EXPECT_EQ(*image.Contents(Segment(1, 1)), file);
  EXPECT_LT(bytes, 20000u);
}

TEST(DirectoryImage, ADeviceThatCannotReadCannotInTheImage) {
  MapView disk;
  disk.files[Segment(1, 1)] = "abc";
  disk.unreadable.insert(Segment(1, 1));
  const RecordingView seen(&disk);
  (void)seen.Groups();
  EXPECT_TRUE(absl::IsDataLoss(seen.Contents(Segment(1, 1)).status()));
  size_t bytes = 0;
  const DirectoryImage image = Through(seen, bytes);
  EXPECT_EQ(image.Contents(Segment(1, 1)).status(), absl::DataLossError("bad sector"));
  EXPECT_EQ(image.List(GroupId(1)).size(), 1u);
}

TEST(DirectoryImage, LargeFilesComeInPieces) {
  MapView disk;
  std::string& file = disk.files[Segment(1, 1)];
  for (size_t i = 0; file.size() < (5u << 20); ++i) file += std::to_string(i);
  const RecordingView seen(&disk);
  (void)seen.Groups();
  (void)seen.Contents(Segment(1, 1));
  size_t calls = 0;
  seen.Encode([&](const std::string& frames) {
    ++calls;
    EXPECT_LT(frames.size(), 3u << 20);
  });
  EXPECT_GE(calls, 4u);
  size_t bytes = 0;
  EXPECT_EQ(*Through(seen, bytes).Contents(Segment(1, 1)), file);
}

TEST(DirectoryImage, BytesOutsideOfTheirFileAreRefused) {
  MapView disk;
  disk.files[Segment(1, 1)] = "abcdef";
  const RecordingView seen(&disk);
  (void)seen.Groups();
  (void)seen.Contents(Segment(1, 1));
  std::string frames;
  seen.Encode([&](const std::string& some) { frames.append(some); });
  uint32_t chain = 0;
  Seal(frames, chain);
  FrameReader reader;
  ASSERT_TRUE(reader.Open(Bytes::From(EncodeFileHeader({}) + frames)).ok());
  const Frame file = **reader.Next();
  const Frame bytes = **reader.Next();
  ASSERT_EQ(bytes.kind, FrameKind::kBytes);
  DirectoryImage image;
  EXPECT_FALSE(image.Add(bytes).ok()) << "no file was named";
  ASSERT_TRUE(image.Add(file).ok());
  std::string outside(bytes.body.view());
  outside[0] = 12;  // position 6 as a zig-zag varint
  EXPECT_FALSE(image.Add({.kind = FrameKind::kBytes, .body = Bytes::Copy(outside)}).ok());
  EXPECT_TRUE(image.Add(bytes).ok());
}

}  // namespace
}  // namespace tidemark::journal
