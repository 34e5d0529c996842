#include <gtest/gtest.h>

#include <algorithm>

#include "engine/log/index.h"
#include "engine/log/segment.h"
#include "tests/engine/log/log_fixture.h"

// Sidecars: footers, checkpoints, look-up tables.

namespace tidemark {
namespace {

FileId SidecarOf(uint64_t number) { return {kGroup, FileKind::kIndex, number}; }

std::optional<SegmentFooter> FooterIn(LogOnDisk& on_disk, uint64_t number) {
  return DecodeFooter(on_disk.disk.Contents(SidecarOf(number)));
}

constexpr LogIndex kLast{9};

// Frames of 1000 bytes and a bit, flushed one by one: nine fill two segments and begin a third.
LogOnDisk ThreeSegments() {
  LogOnDisk on_disk;
  for (uint64_t i = 0; i < kLast.value(); ++i) {
    on_disk.Append(2, 450, Term(1 + i / 2));
    on_disk.Flush();
  }
  return on_disk;
}

TEST(Seal, AFullSegmentGetsItsFooterOnceTheNextOneIsDurable) {
  LogOnDisk on_disk;
  on_disk.Append(1, 3000, Term(1));
  on_disk.Flush();
  on_disk.Append(1, 3000, Term(2));
  on_disk.Begin();
  EXPECT_FALSE(FooterIn(on_disk, 1).has_value());
  on_disk.Complete();
  EXPECT_FALSE(FooterIn(on_disk, 1).has_value());
  ASSERT_TRUE(on_disk.log->has_staged());
  on_disk.Flush();
  const auto footer = FooterIn(on_disk, 1);
  ASSERT_TRUE(footer.has_value());
  EXPECT_EQ(footer->count, 1u);
  EXPECT_EQ(footer->size, kSegmentHeaderBytes + on_disk.frames[0].size());
  EXPECT_EQ(footer->end_offset, 1u);
  EXPECT_EQ(footer->append_time_ms, 1'000'010);
  EXPECT_EQ(footer->terms, (std::vector<SegmentFooter::TermRun>{{.first = 0, .term = 1}}));
  EXPECT_FALSE(FooterIn(on_disk, 2).has_value());
}

TEST(Seal, TheFooterOfACutSegmentTellsWhereItWasCut) {
  LogOnDisk on_disk;
  for (int i = 0; i < 6; ++i) on_disk.Append(1, 60, Term(1));
  on_disk.Flush();
  on_disk.Truncate(LogIndex(3));
  on_disk.Flush();
  EXPECT_FALSE(FooterIn(on_disk, 1).has_value()) << "a crash may bring what was cut back";
  on_disk.Append(1, 60, Term(2));
  on_disk.Flush();
  const auto footer = FooterIn(on_disk, 1);
  ASSERT_TRUE(footer.has_value());
  EXPECT_EQ(footer->count, 2u);
  // The run that the cut went through is described anew.
  uint32_t frames = 0;
  for (const auto& each : DecodeIndex(on_disk.disk.Contents(SidecarOf(1)))) {
    frames += each.entry.count;
  }
  EXPECT_EQ(frames, 2u);
}

// Counts what recovery reads.
class Meter : public DirectoryView {
 public:
  explicit Meter(std::unique_ptr<DirectoryView> view) : view_(std::move(view)) {}
  std::vector<FileId> List(GroupId group) const override { return view_->List(group); }
  std::vector<GroupId> Groups() const override { return view_->Groups(); }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    whole.push_back(file);
    return view_->Contents(file);
  }
  absl::StatusOr<uint64_t> Size(const FileId& file) const override { return view_->Size(file); }
  absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                     uint32_t length) const override {
    bytes += length;
    return view_->ReadAt(file, pos, length);
  }

  mutable std::vector<FileId> whole;
  mutable uint64_t bytes = 0;

 private:
  std::unique_ptr<DirectoryView> view_;
};

TEST(Seal, ARestartReadsOnlyHeadersAndFootersOfCommittedSegments) {
  LogOnDisk on_disk = ThreeSegments();
  on_disk.log->SetCommitted(kLast);
  on_disk.log->StageCheckpoint();
  on_disk.Flush();
  const Meter meter(on_disk.disk.View());
  Counter counter;
  const auto log = Log::Recover(kGroup, on_disk.options, meter, LogIndex(0), &counter);
  ASSERT_TRUE(log.ok()) << log.status().message();
  EXPECT_EQ(meter.whole, (std::vector<FileId>{SidecarOf(3), {kGroup, FileKind::kSegment, 3}}));
  EXPECT_LE(meter.bytes, 3 * (kSegmentHeaderBytes + kFooterBytesMax));
  EXPECT_EQ(counter.checkpoint, kLast.value());
  EXPECT_EQ(counter.seen, 0u);
  EXPECT_EQ(log->last_index(), kLast);
  EXPECT_EQ(log->digest(), on_disk.log->digest());
}

// 100 GiB of segments that exist only as their headers and footers, and a last one without frames.
class HugeDirectory : public DirectoryView {
 public:
  static constexpr uint64_t kSegments = 1600;
  static constexpr uint64_t kBytes = 64u << 20;
  static constexpr uint32_t kFrames = 1000;

  std::vector<FileId> List(GroupId) const override {
    std::vector<FileId> files;
    for (const FileKind kind : {FileKind::kSegment, FileKind::kIndex}) {
      for (uint64_t number = 1; number <= kSegments + 1; ++number) {
        files.push_back({kGroup, kind, number});
      }
    }
    return files;
  }
  std::vector<GroupId> Groups() const override { return {kGroup}; }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    const bool last = file.number == kSegments + 1;
    if (!last) return absl::InternalError("only the last segment is worth reading");
    if (file.kind == FileKind::kIndex) return last_index_;
    last_segment_ = Header(file.number);
    last_segment_.resize(kSegmentHeaderBytes * 2, '\0');
    return last_segment_;
  }
  absl::StatusOr<uint64_t> Size(const FileId& file) const override {
    if (file.number == kSegments + 1) return Contents(file)->size();
    return file.kind == FileKind::kSegment ? kBytes : Footer(file.number).size();
  }
  absl::StatusOr<std::string> ReadAt(const FileId& file, FilePos pos,
                                     uint32_t length) const override {
    bytes += length;
    if (file.number == kSegments + 1) {
      return std::string(Contents(file)->substr(pos.value(), length));
    }
    const std::string all =
        file.kind == FileKind::kSegment ? Header(file.number) : Footer(file.number);
    TIDEMARK_CHECK_LE(pos.value() + length, all.size());
    return all.substr(pos.value(), length);
  }

  mutable uint64_t bytes = 0;

 private:
  static std::string Header(uint64_t number) {
    const uint64_t before = (number - 1) * kFrames;
    return EncodeSegmentHeader({.group = kGroup,
                                .number = number,
                                .base_index = LogIndex(before + 1),
                                .base_offset = Offset(before * 5),
                                .previous_number = number - 1,
                                .previous_term = Term(number == 1 ? 0 : 1),
                                .previous_digest = before,
                                .durable = LogIndex(before)});
  }
  static std::string Footer(uint64_t number) {
    return EncodeFooter({.count = kFrames,
                         .size = kBytes,
                         .end_offset = kFrames * 5,
                         .committed = kFrames,
                         .digest = number * kFrames,
                         .terms = {{.first = 0, .term = 1}},
                         .runs = {{.pos = kSegmentHeaderBytes}}});
  }
  std::string last_index_{IndexFileHeader()};
  mutable std::string last_segment_;
};

TEST(Seal, Reopening100GibReadsKilobytesPerSegment) {
  const HugeDirectory directory;
  const auto log = Log::Recover(kGroup, LogOptions{}, directory, LogIndex(0));
  ASSERT_TRUE(log.ok()) << log.status().message();
  EXPECT_EQ(log->last_index(), LogIndex(HugeDirectory::kSegments * HugeDirectory::kFrames));
  EXPECT_EQ(log->size_bytes() >> 30, 100u);
  EXPECT_LE(directory.bytes / HugeDirectory::kSegments, kSegmentHeaderBytes + kFooterBytesMax);
}

TEST(Seal, ACheckpointEverySoManyBytesBoundsWhatARestartReads) {
  LogOnDisk on_disk({.segment_bytes = 1u << 20,
                     .index_interval_bytes = 4096,
                     .cache_bytes = 0,
                     .checkpoint_bytes = 10'000});
  for (int i = 0; i < 300; ++i) {
    on_disk.Append(1, 400, Term(1));
    on_disk.Flush();
    on_disk.log->SetCommitted(on_disk.log->durable_index());
  }
  Counter counter;
  const auto log =
      Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0), &counter);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(counter.count, 300u);
  EXPECT_LE(counter.seen * 480, 10'000u + 2 * 480);
}

TEST(Seal, ACheckpointOfWhatMayBeCutIsNotUsed) {
  LogOnDisk on_disk;
  on_disk.Append(1, 100, Term(1));
  on_disk.Append(1, 100, Term(1));
  on_disk.log->StageCheckpoint();
  on_disk.Flush();
  Counter counter;
  auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(1), &counter);
  ASSERT_TRUE(log.ok());
  EXPECT_EQ(counter.checkpoint, 0u);
  EXPECT_EQ(counter.seen, 2u);
  log->TruncateSuffix(LogIndex(2));
  EXPECT_EQ(log->last_index(), LogIndex(1));
}

TEST(Seal, ACheckpointThatMakesNoSenseIsPassedOver) {
  LogOnDisk on_disk = ThreeSegments();
  on_disk.log->SetCommitted(kLast);
  on_disk.log->StageCheckpoint();
  on_disk.Flush();
  class Picky : public Counter {
   public:
    bool OnCheckpoint(std::string_view state) override {
      ++asked;
      return LoadLittle<uint64_t>(state.data()) < 3 && Counter::OnCheckpoint(state);
    }
    int asked = 0;
  } picky;
  const auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0), &picky);
  ASSERT_TRUE(log.ok()) << log.status().message();
  EXPECT_GT(picky.asked, 1);
  EXPECT_LT(picky.checkpoint, 3u);
  EXPECT_EQ(picky.count, kLast.value());
}

TEST(Seal, ASealedSegmentThatIsCutShortIsRefused) {
  LogOnDisk on_disk = ThreeSegments();
  on_disk.log->SetCommitted(kLast);
  on_disk.log->StageCheckpoint();
  on_disk.Flush();
  std::string& first = on_disk.disk.Contents({kGroup, FileKind::kSegment, 1});
  first.resize(FooterIn(on_disk, 1)->size - 1);
  Counter counter;
  const auto log =
      Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(0), &counter);
  EXPECT_TRUE(absl::IsDataLoss(log.status())) << log.status().message();
}

TEST(Seal, ASegmentThatDoesNotContinueTheDigestIsRefused) {
  LogOnDisk on_disk = ThreeSegments();
  on_disk.log->SetCommitted(kLast);
  on_disk.Flush();
  // Another log's footer, right in itself.
  std::string& sidecar = on_disk.disk.Contents(SidecarOf(1));
  SegmentFooter footer = *DecodeFooter(sidecar);
  footer.digest ^= 1;
  sidecar.resize(footer.index_bytes);
  sidecar += EncodeFooter(footer);
  Counter counter;
  const auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), kLast, &counter);
  EXPECT_TRUE(absl::IsDataLoss(log.status())) << log.status().message();
}

TEST(Tables, DroppedOnesPointEarlyUntilTheSidecarIsRead) {
  LogOptions options{.segment_bytes = 1u << 20,
                     .index_interval_bytes = 1,
                     .cache_bytes = 0,
                     .index_memory_bytes = 0};
  LogOnDisk on_disk(options);
  for (int i = 0; i < 1500; ++i) on_disk.Append(1, 930 + i % 2, Term(1));
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->durable_index());
  on_disk.Append(1, 930, Term(1));
  on_disk.Flush();
  ASSERT_GT(on_disk.log->Files().size(), 2u);
  const Offset wanted(487);
  const auto range = on_disk.log->RangeOfOffset(wanted, LogIndex(1500), 1);
  ASSERT_TRUE(range.ok());
  EXPECT_LT(range->first_offset, wanted);
  auto entries = on_disk.Read(*range);
  ASSERT_TRUE(entries.ok());
  EXPECT_GT(entries->back().end_offset(), wanted) << "early, but never without what was asked for";

  const auto sidecar = on_disk.log->IndexOfOffset(wanted);
  ASSERT_TRUE(sidecar.has_value());
  const std::string bytes = on_disk.disk.Contents(sidecar->file).substr(0, sidecar->length);
  std::string damaged = bytes;
  damaged[200] ^= 1;
  on_disk.log->OnIndexRead(*sidecar, damaged);
  EXPECT_TRUE(on_disk.log->IndexOfOffset(wanted).has_value()) << "what disagrees is ignored";
}

TEST(Tables, WithTheSidecarReadLookUpsAreExact) {
  LogOptions options{.segment_bytes = 1u << 20,
                     .index_interval_bytes = 1,
                     .cache_bytes = 0,
                     .index_memory_bytes = 100};
  LogOnDisk on_disk(options);
  for (int i = 0; i < 2500; ++i) on_disk.Append(1, 930 + i % 2, Term(1));
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->durable_index());
  on_disk.Append(1, 930, Term(1));
  on_disk.Flush();
  on_disk.options.index_memory_bytes = 1u << 20;
  Counter counter;
  auto log = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(2500), &counter);
  ASSERT_TRUE(log.ok());
  for (const uint64_t wanted : {0, 487, 1040}) {
    const auto sidecar = log->IndexOfOffset(Offset(wanted));
    ASSERT_TRUE(sidecar.has_value());
    log->OnIndexRead(*sidecar, on_disk.disk.Contents(sidecar->file).substr(0, sidecar->length));
    EXPECT_FALSE(log->IndexOfOffset(Offset(wanted)).has_value());
    const auto range = log->RangeOfOffset(Offset(wanted), LogIndex(2500), 1);
    ASSERT_TRUE(range.ok());
    EXPECT_EQ(range->first_offset, Offset(wanted));
    EXPECT_EQ(range->first_index, LogIndex(wanted + 1));
    EXPECT_EQ(range->length, on_disk.frames[wanted].size());
    EXPECT_EQ(log->RangeOf(LogIndex(wanted + 1), 1).pos, range->pos);
    break;  // one segment's table fits
  }
}

// Offsets of a segment whose frames are alike are found by arithmetic, so its table goes at once
// and its sidecar is never read again.
TEST(Tables, FramesThatAreAlikeNeedNone) {
  LogOnDisk on_disk({.segment_bytes = 64u << 10, .index_interval_bytes = 1, .cache_bytes = 0});
  constexpr uint64_t kFrames = 1000;
  for (uint64_t i = 0; i < kFrames; ++i) {
    on_disk.Append(3, 300, Term(1));
    if (i % 10 == 0) on_disk.Flush();
    on_disk.log->SetCommitted(on_disk.log->durable_index());
  }
  on_disk.Flush();
  ASSERT_TRUE(FooterIn(on_disk, 1).has_value());
  EXPECT_EQ(FooterIn(on_disk, 1)->stride,
            (FrameStride{.bytes = static_cast<uint32_t>(on_disk.frames[0].size()), .records = 3}));
  const uint64_t frame_bytes = on_disk.frames[0].size();
  const auto check = [&](const Log& log) {
    for (uint64_t frame = 0; frame < kFrames; ++frame) {
      const Offset wanted(frame * 3 + frame % 3);
      EXPECT_FALSE(log.IndexOfOffset(wanted).has_value());
      const auto range = log.RangeOfOffset(wanted, LogIndex(kFrames), 2 * frame_bytes + 1);
      ASSERT_TRUE(range.ok());
      EXPECT_EQ(range->first_offset, Offset(frame * 3));
      EXPECT_EQ(range->first_index, LogIndex(frame + 1));
      EXPECT_LE(range->length, 2 * frame_bytes);
      const auto entries = on_disk.Read(*range);
      ASSERT_TRUE(entries.ok()) << entries.status().message();
      EXPECT_EQ(entries->front().frame.view(), on_disk.frames[frame]);
    }
  };
  check(*on_disk.log);
  const auto again = Log::Recover(kGroup, on_disk.options, *on_disk.disk.View(), LogIndex(kFrames));
  ASSERT_TRUE(again.ok());
  check(*again);
}

TEST(Tables, OneFrameThatDiffersMakesASegmentUneven) {
  for (const auto& [records, value] : {std::pair<uint32_t, size_t>{0, 0}, {3, 301}, {2, 450}}) {
    LogOnDisk on_disk({.segment_bytes = 64u << 10, .index_interval_bytes = 1, .cache_bytes = 0});
    for (int i = 0; i < 200; ++i) {
      on_disk.Append(i == 20 ? records : 3, i == 20 ? value : 300, Term(1));
      on_disk.Flush();
      on_disk.log->SetCommitted(on_disk.log->durable_index());
    }
    ASSERT_TRUE(FooterIn(on_disk, 2).has_value());
    EXPECT_FALSE(FooterIn(on_disk, 1)->stride.even());
    EXPECT_TRUE(FooterIn(on_disk, 2)->stride.even());
    for (const uint64_t wanted : {0, 59, 61, 100}) {
      const auto range = on_disk.log->RangeOfOffset(Offset(wanted), LogIndex(200), 1);
      ASSERT_TRUE(range.ok());
      const auto entries = on_disk.Read(*range);
      ASSERT_TRUE(entries.ok());
      EXPECT_LE(entries->front().base_offset, Offset(wanted));
      EXPECT_GT(entries->back().end_offset(), Offset(wanted));
    }
  }
}

// What is cut and written anew differently: no look-up may count on the old stride.
TEST(Tables, ACutSegmentGoesOnBeingWhatItsFramesAre) {
  LogOnDisk on_disk({.segment_bytes = 64u << 10, .index_interval_bytes = 1, .cache_bytes = 0});
  for (int i = 0; i < 20; ++i) on_disk.Append(3, 300, Term(1));
  on_disk.Flush();
  on_disk.Truncate(LogIndex(1));
  for (int i = 0; i < 200; ++i) on_disk.Append(2, 200, Term(2));
  on_disk.Flush();
  on_disk.log->SetCommitted(on_disk.log->durable_index());
  on_disk.Append(2, 200, Term(2));
  on_disk.Flush();
  for (uint64_t frame = 0; frame < 200; ++frame) {
    const auto range = on_disk.log->RangeOf(LogIndex(frame + 1), 1);
    const auto entries = on_disk.Read(range);
    ASSERT_TRUE(entries.ok());
    EXPECT_EQ(entries->front().frame.view(), on_disk.frames[frame]);
  }
}

}  // namespace
}  // namespace tidemark
