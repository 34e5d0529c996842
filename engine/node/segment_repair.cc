#include "engine/node/segment_repair.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"

namespace tidemark {

std::optional<SealedSegment> SegmentRepair::Find(const Log& log, const Damaged& damaged) {
  std::optional<SealedSegment> segment = log.SealedSegmentAfter(damaged.base_index - 1);
  if (!segment.has_value() || segment->number != damaged.number) return std::nullopt;
  return segment;
}

bool SegmentRepair::Add(const Log& log, const FileId& file, Part part) {
  if (file.kind != FileKind::kSegment) return false;
  LogIndex after;
  while (const std::optional<SealedSegment> segment = log.SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    if (segment->file() != file) continue;
    if (segment->sparse && part != Part::kHeader) return false;
    const Damaged found{.number = segment->number, .base_index = segment->base_index};
    if (std::find(damaged_.begin(), damaged_.end(), found) == damaged_.end()) {
      damaged_.push_back(found);
    }
    return true;
  }
  return false;
}

void SegmentRepair::Expect(std::vector<DamagedSegment> damaged) {
  expected_ = std::move(damaged);
  expected_noted_ = false;
}

void SegmentRepair::TakeExpected(const Log& log, Effects& out) {
  if (!std::exchange(expected_noted_, true)) {
    for (const DamagedSegment& each : expected_) {
      out.push_back(Note{Note::Level::kError,
                         "segment_damaged",
                         {{"group", absl::StrCat(each.file.group.value())},
                          {"file", PathOf(each.file)},
                          {"what", each.what},
                          {"hint",
                           "nothing needs to be done: the segment is repaired from other "
                           "replicas, and until then this one leads nothing it need not"}}});
    }
  }
  const std::vector<FileId> files = log.Files();
  std::erase_if(expected_, [&](const DamagedSegment& each) {
    const bool there = std::find(files.begin(), files.end(), each.file) != files.end();
    return !there || Add(log, each.file, Part::kHeader);
  });
}

bool SegmentRepair::HandsOver(Instant now) {
  if (!hopeless_ || now < hand_over_at_) return false;
  hand_over_at_ = now + hand_over_pause_;
  hand_over_pause_ =
      std::min(hand_over_pause_ * 2, Duration::Millis(kRepairRetryMillis * kHandOverPausesMax));
  return true;
}

std::optional<FilePos> SegmentRepair::OwnPosOf(const FramesRequest& request, const FileId& file,
                                               const Log& log) const {
  if (!current_.has_value() || current_->asked != request.id || !log.replacing() ||
      current_->segment.file() != file) {
    return std::nullopt;
  }
  return log.replacement_pos();
}

void SegmentRepair::OnPeerUp(Instant now, NodeId peer) {
  if (!current_.has_value() || (current_->asked != 0 && current_->source != peer)) return;
  // What it was asked went to a connection that was not there.
  current_->asked = 0;
  refusals_ = 0;
  next_peer_ = peer;
  next_at_ = std::min(next_at_, now);
}

SegmentRepair::Progress SegmentRepair::progress() const {
  if (!current_.has_value()) return {};
  const Current& current = *current_;
  return {.segment = current.segment.number,
          .source = current.source,
          .bytes = current.bytes_given,
          .bytes_total = current.segment.size - kSegmentHeaderBytes};
}

std::optional<SegmentRepair::Ask> SegmentRepair::Drive(Now now, Log& log,
                                                       const std::vector<NodeId>& peers,
                                                       NodeShared& shared, Effects& out) {
  if (!expected_.empty()) TakeExpected(log, out);
  if (damaged_.empty() || peers.empty()) return std::nullopt;
  peers_ = peers.size();
  if (next_peer_.has_value()) {
    const auto at = std::find(peers.begin(), peers.end(), *next_peer_);
    if (at != peers.end()) turn_ = static_cast<size_t>(at - peers.begin());
    next_peer_.reset();
  }
  // What nobody has, as what others have let go of, does not keep the rest waiting.
  if (hopeless_ && damaged_.size() > 1 && current_.has_value() && current_->asked == 0 &&
      now.instant >= next_at_) {
    log.CancelReplacement();
    current_.reset();
    hopeless_ = false;
    std::rotate(damaged_.begin(), damaged_.begin() + 1, damaged_.end());
  }
  if (current_.has_value()) {
    Feed(now, log, out);
    if (current_.has_value() && !log.replacing()) Finish(now, shared, out);
  }
  if (!current_.has_value() && (now.instant < next_at_ || !Begin(now, log, out))) {
    return std::nullopt;
  }
  Current& current = *current_;
  if (current.given || !current.buffer.empty() || log.replacement_room() == 0 ||
      now.instant < next_at_ || now.instant < shared.snapshot_next_at) {
    return std::nullopt;
  }
  // One that does not answer.
  if (current.asked != 0) {
    silence_ = true;
    TryAnother(now);
    if (now.instant < next_at_) {
      current.asked = 0;
      return std::nullopt;
    }
  }
  current.asked = ++shared.last_snapshot_request;
  current.source = current.segment.sparse ? peers.front() : peers[turn_ % peers.size()];
  next_at_ = now.instant + Duration::Millis(kSnapshotRetryMillis);
  const auto bytes = static_cast<uint32_t>(std::min(log.replacement_room(), kSnapshotChunkBytes));
  if (shared.snapshot_bytes_per_second > 0) {
    shared.snapshot_next_at =
        now.instant + Duration::Nanos(static_cast<int64_t>(uint64_t{bytes} * 1'000'000'000 /
                                                           shared.snapshot_bytes_per_second));
  }
  Ask ask{.to = current.source,
          .request = {.id = current.asked, .first = current.next, .max_bytes = bytes}};
  if (current.segment.sparse) {
    ask.own = FileRange{.file = current.segment.file(),
                        .pos = log.replacement_pos(),
                        .length = bytes,
                        .first_index = current.segment.base_index,
                        .first_offset = current.segment.base_offset,
                        .sparse = true};
  }
  return ask;
}

bool SegmentRepair::Begin(Now now, Log& log, Effects& out) {
  while (!damaged_.empty()) {
    std::optional<SealedSegment> segment = Find(log, damaged_.front());
    if (!segment.has_value()) {
      // Retention or compaction took it.
      damaged_.erase(damaged_.begin());
      continue;
    }
    // Its sidecar is of the same frames at the same places.
    if (!log.BeginReplacement(segment->base_index - 1, {.segment = true, .sidecar = false}).ok()) {
      next_at_ = now.instant + Duration::Millis(kSnapshotRetryMillis);
      return false;
    }
    out.push_back(Note{Note::Level::kInfo,
                       "repair_begins",
                       {{"group", absl::StrCat(segment->group.value())},
                        {"file", PathOf(segment->file())},
                        {"bytes", absl::StrCat(segment->size)}}});
    const LogIndex base = segment->base_index;
    const Offset offset = segment->base_offset;
    current_.emplace(Current{
        .segment = *std::move(segment), .next = base, .next_offset = offset, .begun = now.instant});
    next_at_ = now.instant;
    return true;
  }
  hopeless_ = false;
  return false;
}

void SegmentRepair::Feed(Now now, Log& log, Effects& out) {
  Current& current = *current_;
  while (!current.buffer.empty() && log.replacement_room() > 0) {
    const size_t bytes = std::min(log.replacement_room(), current.buffer.size());
    const absl::Status status =
        log.FeedReplacement(std::string_view(current.buffer).substr(0, bytes));
    if (!status.ok()) {
      // From the beginning, of somebody else: which part of it was wrong is not known.
      NoteRefused(std::string(status.message()), out);
      const SealedSegment segment = std::exchange(current_, std::nullopt)->segment;
      // What compaction wrote nobody else has: it stays as it is.
      if (segment.sparse) {
        std::erase_if(damaged_, [&](const Damaged& each) { return each.number == segment.number; });
        return;
      }
      TryAnother(now);
      next_at_ = std::max(next_at_, now.instant + Duration::Millis(kSnapshotRetryMillis));
      return;
    }
    current.buffer.erase(0, bytes);
    current.bytes_given += bytes;
  }
  const bool all = current.segment.sparse
                       ? current.bytes_given + kSegmentHeaderBytes == current.segment.size
                       : current.next >= current.segment.end_index;
  current.given = current.given || (all && current.buffer.empty());
}

void SegmentRepair::Finish(Now now, NodeShared& shared, Effects& out) {
  const Current current = *std::exchange(current_, std::nullopt);
  // Cancelled: the segment, or the log, is not what it was.
  if (!current.given) return;
  std::erase_if(damaged_,
                [&](const Damaged& each) { return each.number == current.segment.number; });
  refusals_ = 0;
  hopeless_ = false;
  hand_over_pause_ = Duration::Millis(kRepairRetryMillis);
  ++shared.counters.segments_repaired;
  out.push_back(Note{Note::Level::kInfo,
                     "segment_repaired",
                     {{"group", absl::StrCat(current.segment.group.value())},
                      {"file", PathOf(current.segment.file())},
                      {"source", absl::StrCat(current.source.value())},
                      {"bytes", absl::StrCat(current.bytes_given)},
                      {"took_ms", absl::StrCat((now.instant - current.begun).millis())}}});
}

void SegmentRepair::OnReply(Now now, NodeId from, const FramesReply& reply, const Log& log,
                            Effects& out) {
  if (!current_.has_value() || current_->asked == 0 || reply.id != current_->asked) return;
  Current& current = *current_;
  current.asked = 0;
  next_at_ = now.instant;
  if (reply.bytes.empty() || reply.first != current.next) {
    TryAnother(now);
    return;
  }
  if (current.segment.sparse) {
    current.buffer.assign(reply.bytes.view());
    return;
  }
  std::string problem;
  std::string_view rest = reply.bytes.view();
  while (!rest.empty() && current.next < current.segment.end_index) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
    if (!header.ok() || header->total_bytes() > rest.size() ||
        !BatchChecksumMatches(rest.substr(0, header->total_bytes()))) {
      problem = "what it sent are no frames";
      break;
    }
    // What the log knows of the entry decides, not who sends it. Of these two no checksum tells.
    if (log.TermAt(current.next) != header->leader_epoch ||
        header->base_offset != current.next_offset) {
      problem = absl::StrCat("its entry ", current.next.value(), " has term ",
                             header->leader_epoch.value(), " and offset ",
                             header->base_offset.value(), ", which it never had");
      break;
    }
    current.next_offset = header->base_offset + header->offset_span();
    current.buffer.append(rest.substr(0, header->total_bytes()));
    rest.remove_prefix(header->total_bytes());
    ++current.next;
  }
  if (problem.empty()) {
    refusals_ = 0;
    return;
  }
  NoteRefused(absl::StrCat("node ", from.value(), ": ", problem), out);
  TryAnother(now);
}

void SegmentRepair::NoteRefused(const std::string& why, Effects& out) const {
  out.push_back(Note{Note::Level::kWarning,
                     "repair_refused",
                     {{"group", absl::StrCat(current_->segment.group.value())},
                      {"file", PathOf(current_->segment.file())},
                      {"source", absl::StrCat(current_->source.value())},
                      {"error", why}}});
}

void SegmentRepair::TryAnother(Now now) {
  ++turn_;
  next_at_ = now.instant;
  if (++refusals_ < peers_) return;
  refusals_ = 0;
  hopeless_ = true;
  all_answered_ = !std::exchange(silence_, false);
  next_at_ = now.instant + Duration::Millis(kRepairRetryMillis);
}

Instant SegmentRepair::next_deadline(const Log& log, const NodeShared& shared) const {
  if (damaged_.empty()) return Instant::Never();
  if (!current_.has_value()) return next_at_;
  // Else it waits for the disk, whose answer is an event.
  if (current_->given || !current_->buffer.empty() || log.replacement_room() == 0) {
    return Instant::Never();
  }
  return std::max(next_at_, shared.snapshot_next_at);
}

Bytes IntactFrames(const FileRange& range, const Bytes& bytes, LogIndex first, LogIndex last,
                   uint64_t max_bytes) {
  const std::string_view all = bytes.view();
  size_t begin = 0;
  size_t end = 0;
  LogIndex index = range.first_index;
  while (index <= last && end < all.size()) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(all.substr(end));
    if (!header.ok() || header->total_bytes() > all.size() - end) break;
    const size_t length = header->total_bytes();
    if (index < first) {
      begin = end + length;
    } else if (!BatchChecksumMatches(all.substr(end, length)) ||
               (end > begin && end + length - begin > max_bytes)) {
      break;
    }
    end += length;
    ++index;
  }
  return index > first ? bytes.Slice(begin, end - begin) : Bytes();
}

}  // namespace tidemark
