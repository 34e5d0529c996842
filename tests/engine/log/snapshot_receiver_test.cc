#include "engine/log/snapshot_receiver.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/log/hard_state.h"
#include "engine/log/segment.h"
#include "engine/log/verify.h"
#include "tests/engine/log/keyed_log.h"
#include "tests/engine/log/log_fixture.h"
#include "tests/engine/log/scrub_fixture.h"

namespace tidemark {
namespace {

// A source of segments as a node is one, without the node.
std::optional<SealedSegment> Wanted(const Log& log, LogIndex index) {
  return log.SealedSegmentAfter(index == LogIndex(0) ? LogIndex(0) : index - 1);
}

std::string PartOf(MemoryDisk& disk, const SealedSegment& segment, SegmentPart part) {
  const bool frames = part == SegmentPart::kFrames;
  const std::string& file = disk.Contents(frames ? segment.file() : segment.sidecar());
  return frames ? file.substr(kSegmentHeaderBytes, segment.size - kSegmentHeaderBytes)
                : file.substr(0, segment.sidecar_bytes);
}

// Answers what `receiver` asks for from `source` (a LogOnDisk or a KeyedLog), at most `piece` bytes
// at a time.
template <typename Source>
absl::Status Answer(SnapshotReceiver& receiver, const SnapshotReceiver::Want& want, Source& source,
                    size_t piece) {
  const std::optional<SealedSegment> segment = Wanted(*source.log, want.index);
  TIDEMARK_CHECK(segment.has_value());
  const bool known = want.length > 0;
  const uint64_t base = want.part == SegmentPart::kFrames ? kSegmentHeaderBytes : 0;
  const uint64_t pos = known ? want.pos.value() : kSegmentHeaderBytes;
  const std::string part = PartOf(source.disk, *segment, want.part);
  const size_t length = known ? std::min<size_t>(want.length, piece) : piece;
  return receiver.Feed(ShippedSegment::Of(*segment, source.log->compaction_checkpoint().clean_end),
                       want.part, FilePos(pos), std::string_view(part).substr(pos - base, length));
}

void ExecuteBatch(SnapshotReceiver& receiver, MemoryDisk& disk,
                  const std::function<void()>& at_step = {}) {
  const FileBatch batch = receiver.TakeBatch();
  for (const FileOp& op : batch.ops) {
    disk.ApplyOne(op);
    if (at_step) at_step();
  }
  for (const FileId& file : batch.sync) {
    disk.SyncFile(file);
    if (at_step) at_step();
  }
  if (MemoryDisk::ChangesNames(batch)) disk.SyncNames();
  receiver.OnBatchDurable();
  if (at_step) at_step();
}

// Receives up to and with entry `last`.
template <typename Source>
absl::Status Receive(SnapshotReceiver& receiver, Source& source, MemoryDisk& disk, LogIndex last,
                     size_t piece = 1000, const std::function<void()>& at_step = {}) {
  while (receiver.end_index() <= last) {
    if (receiver.has_batch()) {
      ExecuteBatch(receiver, disk, at_step);
      continue;
    }
    const std::optional<SnapshotReceiver::Want> want = receiver.Next();
    TIDEMARK_CHECK(want.has_value());
    const absl::Status status = Answer(receiver, *want, source, piece);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// A log of full segments, committed, whose last sealed entry is given back.
LogIndex Fill(LogOnDisk& source, int frames, Term term) {
  for (int i = 0; i < frames; ++i) {
    source.Append(1 + i % 3, 200, term);
    if (i % 5 == 4) source.Flush();
  }
  source.Flush();
  source.log->SetCommitted(source.log->last_index());
  source.Flush();
  return SealedSegments(*source.log).back().end_index - 1;
}

// The receiving side: a log of its own, and the hard state.
struct Target {
  explicit Target(int frames, Term term) {
    for (int i = 0; i < frames; ++i) {
      on_disk.Append(1, 100, term);
      if (i % 5 == 4) on_disk.Flush();
    }
    on_disk.Flush();
    record.generation = 1;
    record.term = term;
    Write();
  }
  void Write(const std::function<void()>& at_step = {}) {
    FileBatch batch;
    AppendHardState(kGroup, record, batch);
    for (const FileOp& op : batch.ops) {
      disk().ApplyOne(op);
      if (at_step) at_step();
    }
    disk().Sync(batch);
    if (at_step) at_step();
  }
  void Reserve() {
    record.snapshot = on_disk.log->ReserveForSnapshot(1000);
    ++record.generation;
    Write();
  }
  void Install(const SnapshotReceiver& receiver, const std::function<void()>& at_step = {}) {
    record.start = receiver.segments().front().base_index;
    record.commit = receiver.end_index() - 1;
    record.snapshot.live = on_disk.log->next_number();
    ++record.generation;
    Write(at_step);
  }
  MemoryDisk& disk() { return on_disk.disk; }

  LogOnDisk on_disk;
  HardStateRecord record;
};

absl::StatusOr<Log> Recovered(const DiskImage& image, const LogOptions& options,
                              Collector* collector) {
  const ImageView view(image);
  const auto record =
      DecodeHardState(*view.Contents({.group = kGroup, .kind = FileKind::kHardState, .number = 0}));
  TIDEMARK_CHECK(record.ok());
  return Log::Recover(kGroup, options, view, record->commit, collector,
                      std::max(record->start, LogIndex(1)), record->snapshot);
}

TEST(SnapshotReceiver, TheLogBecomesTheShippedOneByteForByteAndGoesOn) {
  for (const size_t piece : {size_t{37}, size_t{1000}, size_t{1} << 20}) {
    LogOnDisk source;
    const LogIndex last = Fill(source, 200, Term(5));
    Target target(60, Term(3));
    target.Reserve();
    // The log in use goes on meanwhile, beyond the numbers set aside.
    SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
    ASSERT_TRUE(Receive(receiver, source, target.disk(), LogIndex(20), piece).ok());
    for (int i = 0; i < 40; ++i) target.on_disk.Append(2, 300, Term(3));
    target.on_disk.Flush();
    ASSERT_TRUE(Receive(receiver, source, target.disk(), last, piece).ok());
    Collector before;
    ASSERT_TRUE(Recovered(target.disk().Image(), source.options, &before).ok());
    EXPECT_EQ(before.frames, target.on_disk.frames) << "no part of the log before the switch";

    target.Install(receiver);
    Collector collector;
    absl::StatusOr<Log> log = Recovered(target.disk().Image(), source.options, &collector);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(log->first_index(), LogIndex(1));
    EXPECT_EQ(log->last_index(), last);
    EXPECT_EQ(log->durable_index(), last);
    EXPECT_EQ(log->committed_index(), last);
    EXPECT_EQ(log->last_term(), Term(5));
    EXPECT_EQ(log->next_offset(), source.log->EndOffsetOf(last));
    EXPECT_EQ(collector.frames, std::vector<std::string>(
                                    source.frames.begin(),
                                    source.frames.begin() + static_cast<ptrdiff_t>(last.value())));
    EXPECT_TRUE(log->has_leftovers());
    // It goes on, what it replaced goes, and it reads back so.
    std::string frame = EncodeControlFrame("c");
    PatchBatch(frame.data(), log->next_offset(), Term(6));
    log->Append(*EntryOf(last + 1, Bytes::From(std::move(frame))), WallTime::FromMillis(1));
    while (log->has_staged()) {
      target.disk().ApplyAndSync(log->TakeBatch());
      log->OnBatchDurable();
    }
    EXPECT_FALSE(log->has_leftovers());
    for (const FileId& file : target.disk().Files()) {
      if (file.kind == FileKind::kHardState) continue;
      EXPECT_TRUE(target.record.snapshot.counts(file.number)) << PathOf(file);
    }
    Collector again;
    const absl::StatusOr<Log> reopened = Recovered(target.disk().Image(), source.options, &again);
    ASSERT_TRUE(reopened.ok()) << reopened.status();
    EXPECT_EQ(reopened->last_index(), last + 1);
    EXPECT_EQ(reopened->digest(), log->digest());
    const auto verified = VerifyGroup(kGroup, *target.disk().View());
    ASSERT_TRUE(verified.ok());
    EXPECT_FALSE(verified->refuses());
    EXPECT_TRUE(verified->findings.empty());
    EXPECT_EQ(verified->end_index, last + 2);
  }
}

TEST(SnapshotReceiver, ARestartFindsTheSegmentsThatWereWholeAndGoesOnBehindThem) {
  LogOnDisk source;
  const LogIndex last = Fill(source, 120, Term(2));
  for (size_t stop = 1;; ++stop) {
    Target target(10, Term(1));
    target.Reserve();
    size_t batches = 0;
    bool stopped = false;
    LogIndex whole;
    {
      SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
      while (receiver.end_index() <= last && !stopped) {
        if (receiver.has_batch()) {
          ExecuteBatch(receiver, target.disk());
          stopped = ++batches == stop;
        } else {
          ASSERT_TRUE(Answer(receiver, *receiver.Next(), source, 3000).ok());
        }
      }
      whole = receiver.end_index();
    }
    ReceivedSegments found = RecoverReceived(kGroup, target.record.snapshot, *target.disk().View());
    const LogIndex found_end =
        found.segments.empty() ? LogIndex(0) : found.segments.back().end_index;
    EXPECT_EQ(found_end, whole);
    SnapshotReceiver receiver(kGroup, target.record.snapshot, std::move(found));
    ASSERT_TRUE(Receive(receiver, source, target.disk(), last).ok());
    while (receiver.has_batch()) ExecuteBatch(receiver, target.disk());
    target.Install(receiver);
    Collector collector;
    const absl::StatusOr<Log> log = Recovered(target.disk().Image(), source.options, &collector);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(log->last_index(), last);
    EXPECT_EQ(collector.frames.size(), last.value());
    if (!stopped) break;
  }
}

// SIMULATION S07, S09, S11, S17, S19; SCENARIOS R1.
TEST(SnapshotReceiver, ACrashAtAnyStepLeavesTheOldLogOrTheShippedOne) {
  LogOnDisk source({.segment_bytes = 5000,
                    .index_interval_bytes = 300,
                    .cache_bytes = 1000,
                    .checkpoint_bytes = 2000,
                    .index_memory_bytes = 300});
  const LogIndex last = Fill(source, 45, Term(2));
  Target target(20, Term(1));
  target.on_disk.disk = MemoryDisk(target.disk().Image());
  const std::vector<std::string> shipped(
      source.frames.begin(), source.frames.begin() + static_cast<ptrdiff_t>(last.value()));
  size_t points = 0;
  size_t olds = 0;
  size_t news = 0;
  size_t partial = 0;
  const auto judge = [&](const DiskImage& image) {
    Collector collector;
    absl::StatusOr<Log> log = Recovered(image, source.options, &collector);
    ASSERT_TRUE(log.ok()) << log.status();
    const bool is_new = collector.frames == shipped;
    ASSERT_TRUE(is_new || collector.frames == target.on_disk.frames);
    ++(is_new ? news : olds);
    const ImageView view(image);
    const auto record = DecodeHardState(
        *view.Contents({.group = kGroup, .kind = FileKind::kHardState, .number = 0}));
    ASSERT_EQ(is_new, record->snapshot.installed());
    if (record->snapshot.receiving()) {
      // What counts as whole is what was sent.
      const ReceivedSegments found = RecoverReceived(kGroup, record->snapshot, view);
      for (const ReceivedSegment& segment : found.segments) {
        ++partial;
        const SealedSegment of = *source.log->SealedSegmentAfter(segment.base_index - 1);
        ASSERT_EQ(of.end_index, segment.end_index);
        ASSERT_EQ(
            view.Contents({.group = kGroup, .kind = FileKind::kSegment, .number = segment.number})
                ->substr(kSegmentHeaderBytes),
            PartOf(source.disk, of, SegmentPart::kFrames));
        ASSERT_EQ(
            *view.Contents({.group = kGroup, .kind = FileKind::kIndex, .number = segment.number}),
            PartOf(source.disk, of, SegmentPart::kSidecar));
      }
    }
    // Whichever it is goes on, and is the same after what it did not want is gone.
    MemoryDisk disk(image);
    while (log->has_staged()) {
      disk.ApplyAndSync(log->TakeBatch());
      log->OnBatchDurable();
    }
    Collector again;
    ASSERT_TRUE(Recovered(disk.Image(), source.options, &again).ok());
    ASSERT_EQ(again.frames, collector.frames);
  };
  const auto fail = [&] {
    ++points;
    const CrashSpace space(target.disk());
    std::set<uint64_t> seen;
    // All of up to so many; of more, every one in which one decision differs from the rest.
    const bool all = space.outcomes() <= 4096;
    std::vector<uint32_t> choice(space.alternatives().size(), 0);
    const auto look = [&] {
      if (seen.insert(space.HashOf(choice)).second) judge(space.ImageOf(choice));
    };
    for (bool more = all; more;) {
      look();
      size_t digit = 0;
      while (digit < choice.size() && ++choice[digit] == space.alternatives()[digit]) {
        choice[digit++] = 0;
      }
      more = digit < choice.size();
    }
    if (all) return;
    for (const bool newest : {false, true}) {
      for (size_t odd = 0; odd < choice.size(); ++odd) {
        for (size_t i = 0; i < choice.size(); ++i) choice[i] = newest ? space.newest()[i] : 0;
        choice[odd] = newest ? 0 : space.newest()[odd];
        look();
      }
    }
  };
  target.Reserve();
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, source, target.disk(), last, 3000, fail).ok());
  target.Install(receiver, fail);
  std::printf(
      "%zu failures: %zu disks with the old log, %zu with the shipped one; %zu whole "
      "segments found\n",
      points, olds, news, partial);
  EXPECT_GT(points, 20u);
  EXPECT_GT(olds, points);
  EXPECT_GT(news, 0u);
  EXPECT_GT(partial, 0u);
}

TEST(SnapshotReceiver, WhatIsDamagedOrDoesNotContinueIsRefused) {
  LogOnDisk source;
  const LogIndex last = Fill(source, 60, Term(2));
  Target target(5, Term(1));
  target.Reserve();
  // A bit of any byte on the way.
  const SealedSegment first = *source.log->SealedSegmentAfter(LogIndex(0));
  for (const SegmentPart part : {SegmentPart::kFrames, SegmentPart::kSidecar}) {
    const size_t bytes = PartOf(source.disk, first, part).size();
    for (size_t at = 0; at < bytes; at += 7) {
      MemoryDisk disk;
      SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
      absl::Status status;
      while (status.ok() && receiver.end_index() <= first.base_index) {
        if (receiver.has_batch()) {
          ExecuteBatch(receiver, disk);
          continue;
        }
        const SnapshotReceiver::Want want = *receiver.Next();
        std::string sent = PartOf(source.disk, first, want.part);
        if (want.part == part) sent[at] = static_cast<char>(sent[at] ^ 4);
        status = receiver.Feed(ShippedSegment::Of(first, Offset(0)), want.part,
                               want.length > 0 ? want.pos : FilePos(kSegmentHeaderBytes), sent);
      }
      ASSERT_TRUE(absl::IsDataLoss(status)) << "byte " << at << ": " << status;
      // It may be sent again.
      ASSERT_TRUE(Receive(receiver, source, disk, last).ok());
    }
  }
  // Another history.
  LogOnDisk other;
  Fill(other, 60, Term(3));
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, source, target.disk(), first.base_index).ok());
  EXPECT_TRUE(absl::IsDataLoss(Receive(receiver, other, target.disk(), last)));
  ShippedSegment insane = ShippedSegment::Of(first, Offset(0));
  insane.size = UINT64_MAX;
  EXPECT_TRUE(absl::IsDataLoss(receiver.Feed(insane, SegmentPart::kFrames, FilePos(4096), "x")));
}

TEST(SnapshotReceiver, BeginsAnewWhereTheSourceRemovedWhatComesNext) {
  LogOnDisk source;
  const LogIndex last = Fill(source, 150, Term(2));
  Target target(5, Term(1));
  target.Reserve();
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, source, target.disk(), LogIndex(1)).ok());
  const LogIndex kept = SealedSegments(*source.log)[3].base_index;
  source.log->TruncatePrefix(kept);
  ASSERT_TRUE(Receive(receiver, source, target.disk(), last).ok());
  EXPECT_EQ(receiver.segments().front().base_index, kept);
  while (receiver.has_batch()) ExecuteBatch(receiver, target.disk());
  target.Install(receiver);
  Collector collector;
  const absl::StatusOr<Log> log = Recovered(target.disk().Image(), source.options, &collector);
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(log->first_index(), kept);
  EXPECT_EQ(log->last_index(), last);
  EXPECT_EQ(log->TermAt(kept - 1), Term(2));
  // What was given up is gone.
  for (const FileId& file : target.disk().Files()) {
    if (file.kind != FileKind::kSegment || !target.record.snapshot.shipped(file.number)) continue;
    EXPECT_GE(file.number, receiver.segments().front().number);
  }
}

// Seed 8175 of profile membership: what came of a former leader ended where nobody went on.
TEST(SnapshotReceiver, StartsOverWhereNobodyContinuesWhatIsHere) {
  LogOnDisk source;
  const LogIndex last = Fill(source, 150, Term(2));
  Target target(5, Term(1));
  target.Reserve();
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, source, target.disk(), LogIndex(1)).ok());
  ASSERT_FALSE(receiver.segments().empty());
  const uint64_t given_up = receiver.segments().back().number;
  receiver.StartOver();
  EXPECT_EQ(receiver.end_index(), LogIndex(0));
  EXPECT_EQ(receiver.Next()->index, LogIndex(0));
  ASSERT_TRUE(Receive(receiver, source, target.disk(), last).ok());
  EXPECT_EQ(receiver.segments().front().base_index, LogIndex(1));
  EXPECT_GT(receiver.segments().front().number, given_up);
  while (receiver.has_batch()) ExecuteBatch(receiver, target.disk());
  EXPECT_FALSE(target.disk().Exists({kGroup, FileKind::kSegment, given_up}));
}

TEST(SnapshotReceiver, ASourceWithOtherSegmentsGivesItTheBeginningAgain) {
  LogOnDisk source({.segment_bytes = 12288,
                    .index_interval_bytes = 300,
                    .cache_bytes = 1000,
                    .checkpoint_bytes = 2000,
                    .index_memory_bytes = 300});
  LogOnDisk other;
  Fill(source, 150, Term(2));
  const LogIndex last = Fill(other, 150, Term(2));
  Target target(5, Term(1));
  target.Reserve();
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, source, target.disk(), LogIndex(1)).ok());
  const std::optional<SealedSegment> next = Wanted(*other.log, receiver.end_index());
  ASSERT_TRUE(next.has_value());
  ASSERT_LT(next->base_index, receiver.end_index());
  ASSERT_GT(next->base_index, LogIndex(1));
  ASSERT_TRUE(Receive(receiver, other, target.disk(), last).ok());
  EXPECT_EQ(receiver.segments().front().base_index, LogIndex(1));
}

// A key that is deleted, in two logs of the same records of which one was compacted until the
// tombstone was gone. No segment loses enough to be joined with the next.
struct Deleted {
  Deleted() {
    for (KeyedLog* log : {&dense, &clean}) {
      log->wall = 1'700'000'000'000;
      for (int i = 0; i < 40; ++i) Put(*log, "key" + std::to_string(i));
      log->Put("key3", std::nullopt);
      for (int i = 41; i < 100; ++i) Put(*log, "key" + std::to_string(i));
      log->Flush();
    }
    TIDEMARK_CHECK(clean.Compact().ok());
    clean.wall += clean.compaction.tombstone_retention.nanos() / 1'000'000 + 1;
    for (int round = 0; round < 2; ++round) {
      for (KeyedLog* log : {&dense, &clean}) {
        for (int i = 0; i < 40; ++i) {
          Put(*log, "more" + std::to_string(round) + "." + std::to_string(i));
        }
        log->Flush();
      }
      TIDEMARK_CHECK(clean.Compact().ok());
    }
  }
  static void Put(KeyedLog& log, const std::string& key) {
    log.Put(key, key + std::string(500, 'v'));
    if (log.history.size() % 3 == 0) log.Flush();
  }
  KeyedLog dense;
  KeyedLog clean;
};

size_t FramesOf(const std::vector<std::string>& frames, std::string_view key) {
  size_t count = 0;
  for (const std::string& frame : frames) {
    const auto records = DecodeBatch(frame);
    TIDEMARK_CHECK(records.ok());
    for (const DecodedRecord& record : *records) count += record.record.key == key ? 1u : 0u;
  }
  return count;
}

TEST(SnapshotReceiver, ACompactedSegmentContinuesOnlyWhatIsAsClean) {
  Deleted logs;
  ASSERT_EQ(FramesOf(logs.dense.Consume(), "key3"), 2u);
  ASSERT_EQ(FramesOf(logs.clean.Consume(), "key3"), 0u);
  const LogIndex last = SealedSegments(*logs.clean.log).back().end_index - 1;
  for (const bool restart : {false, true}) {
    Target target(5, Term(1));
    target.Reserve();
    std::optional<SnapshotReceiver> receiver(std::in_place, kGroup, target.record.snapshot,
                                             ReceivedSegments());
    ASSERT_TRUE(Receive(*receiver, logs.dense, target.disk(), LogIndex(10)).ok());
    // What comes next would fit otherwise, and it does not have the tombstone.
    const std::optional<SealedSegment> next = Wanted(*logs.clean.log, receiver->end_index());
    ASSERT_TRUE(next.has_value() && next->sparse);
    ASSERT_EQ(next->base_index, receiver->end_index());
    ASSERT_LT(next->base_index, LogIndex(41));
    if (restart) {
      receiver.emplace(
          kGroup, target.record.snapshot,
          RecoverReceived(kGroup, target.record.snapshot, ImageView(target.disk().Image())));
    }
    ASSERT_TRUE(Receive(*receiver, logs.clean, target.disk(), last).ok());
    while (receiver->has_batch()) ExecuteBatch(*receiver, target.disk());
    EXPECT_TRUE(receiver->segments().front().sparse);
    target.Install(*receiver);
    Collector collector;
    const auto log = Recovered(target.disk().Image(), logs.clean.options, &collector);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(FramesOf(collector.frames, "key3"), 0u);
    EXPECT_EQ(FramesOf(collector.frames, "key2"), 1u);
  }
}

TEST(SnapshotReceiver, ADenseSegmentContinuesACleanerOneAndNothingIsAskedForTwice) {
  Deleted logs;
  const LogIndex last = SealedSegments(*logs.dense.log).back().end_index - 1;
  Target target(5, Term(1));
  target.Reserve();
  SnapshotReceiver receiver(kGroup, target.record.snapshot, {});
  ASSERT_TRUE(Receive(receiver, logs.clean, target.disk(), LogIndex(60)).ok());
  ASSERT_TRUE(receiver.segments().back().sparse);
  const uint64_t before = receiver.segments().size();
  ASSERT_TRUE(Receive(receiver, logs.dense, target.disk(), last).ok());
  EXPECT_TRUE(receiver.segments()[before - 1].sparse);
  EXPECT_FALSE(receiver.segments()[before].sparse);
}

}  // namespace
}  // namespace tidemark
