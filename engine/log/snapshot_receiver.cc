#include "engine/log/snapshot_receiver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

absl::Status Refused(std::string_view what) {
  return absl::DataLossError(
      absl::StrCat("what came of a snapshot is refused: ", std::string(what)));
}

// The segment `number`, if both its files are whole.
std::optional<ReceivedSegment> WholeSegment(GroupId group, uint64_t number,
                                            const DirectoryView& directory, SegmentHeader& header) {
  const FileId file{group, FileKind::kSegment, number};
  const absl::StatusOr<std::string> head =
      directory.ReadAt(file, FilePos(0), static_cast<uint32_t>(kSegmentHeaderBytes));
  const absl::StatusOr<uint64_t> size = directory.Size(file);
  const absl::StatusOr<std::string_view> sidecar =
      directory.Contents({group, FileKind::kIndex, number});
  if (!head.ok() || !size.ok() || !sidecar.ok()) return std::nullopt;
  const absl::StatusOr<SegmentHeader> decoded = DecodeSegmentHeader(*head);
  const std::optional<SegmentFooter> footer = DecodeFooter(*sidecar);
  if (!decoded.ok() || !footer.has_value() || decoded->group != group ||
      decoded->number != number || *size < footer->size || footer->terms.empty()) {
    return std::nullopt;
  }
  const std::vector<DecodedIndexEntry> index = DecodeIndex(*sidecar);
  if (index.empty() || index.back().end != footer->index_bytes) return std::nullopt;
  header = *decoded;
  ReceivedSegment segment{
      .number = number,
      .base_index = header.base_index,
      .end_index = header.base_index + footer->count,
      .end_offset = header.base_offset + footer->end_offset,
      .last_term = Term(footer->terms.back().term),
      .end_digest = footer->digest,
      .sparse = false,
      .has_state = std::any_of(index.begin(), index.end(), [](const DecodedIndexEntry& each) {
        return each.entry.is_checkpoint() && !each.state.empty();
      })};
  if (header.sparse.has_value()) {
    segment.sparse = true;
    segment.end_offset = header.sparse->end_offset;
    segment.end_digest = header.sparse->end_digest;
  }
  return segment;
}

}  // namespace

ReceivedSegments RecoverReceived(GroupId group, const SnapshotFiles& files,
                                 const DirectoryView& directory) {
  ReceivedSegments found;
  found.next_number = files.first;
  bool broken = false;
  const auto strange = [&](const FileId& file) { found.strangers.push_back(file); };
  for (const FileId& file : directory.List(group)) {
    const bool segment = file.kind == FileKind::kSegment;
    if ((!segment && file.kind != FileKind::kIndex) || !files.shipped(file.number)) continue;
    found.next_number = std::max(found.next_number, file.number + 1);
    const FileId sidecar{group, FileKind::kIndex, file.number};
    if (!segment) {
      // One without a segment; the others go, or stay, with theirs.
      if (!directory.Size({group, FileKind::kSegment, file.number}).ok()) strange(file);
      continue;
    }
    SegmentHeader header;
    const std::optional<ReceivedSegment> whole =
        broken ? std::nullopt : WholeSegment(group, file.number, directory, header);
    const ReceivedSegment* last = found.segments.empty() ? nullptr : &found.segments.back();
    if (whole.has_value() &&
        (last == nullptr ||
         (header.base_index == last->end_index && header.base_offset == last->end_offset &&
          header.previous_digest == last->end_digest && header.previous_number == last->number))) {
      found.segments.push_back(*whole);
      continue;
    }
    broken = true;
    strange(file);
    if (directory.Size(sidecar).ok()) strange(sidecar);
  }
  return found;
}

SnapshotReceiver::SnapshotReceiver(GroupId group, const SnapshotFiles& files,
                                   ReceivedSegments received)
    : group_(group),
      files_(files),
      next_number_(std::max(received.next_number, files.first)),
      received_(std::move(received.segments)),
      strangers_(std::move(received.strangers)) {}

LogIndex SnapshotReceiver::end_index() const {
  return received_.empty() ? LogIndex(0) : received_.back().end_index;
}

std::optional<SnapshotReceiver::Want> SnapshotReceiver::Next() const {
  if (next_number_ >= files_.end) return std::nullopt;
  if (!current_.has_value()) return Want{.index = end_index()};
  if (current_->done || current_->pending.size() >= kReplacementPieceBytes) return std::nullopt;
  const auto want = [&](SegmentPart part, uint64_t pos, uint64_t end) {
    return Want{
        .index = current_->shipped.base_index,
        .part = part,
        .pos = FilePos(pos),
        .length = static_cast<uint32_t>(std::min<uint64_t>(end - pos, kSnapshotChunkBytes))};
  };
  if (current_->frames.end() < current_->shipped.size) {
    return want(SegmentPart::kFrames, current_->frames.end(), current_->shipped.size);
  }
  return want(SegmentPart::kSidecar, current_->sidecar_pos, current_->shipped.sidecar_bytes);
}

absl::StatusOr<bool> SnapshotReceiver::Begin(const ShippedSegment& segment) {
  if (!segment.IsSane()) return Refused("it describes no segment that can be");
  if (!received_.empty() && segment.base_index > end_index()) {
    // What is between is gone for good: it begins there.
    GiveUpAll();
  }
  bool given_up = false;
  const LogIndex began = received_.empty() ? LogIndex(0) : received_.front().base_index;
  while (!received_.empty() && received_.back().end_index > segment.base_index) {
    GiveUp(received_.back().number);
    received_.pop_back();
    given_up = true;
  }
  // Where sources have compacted differently, one may have removed the tombstone of a record that
  // another still has: a compacted segment continues only what is as clean. A dense one removed
  // nothing.
  const auto dirtier = [&](const ReceivedSegment& each) {
    return each.clean_end < segment.clean_end;
  };
  if (segment.sparse && std::any_of(received_.begin(), received_.end(), dirtier)) {
    GiveUpAll();
    return false;
  }
  // Where one source compacted more than another, a segment of the one may reach into what the
  // other has behind it: then from the beginning, which is not gone.
  if (given_up && received_.empty() && segment.base_index > began) return false;
  if (!received_.empty()) {
    const ReceivedSegment& last = received_.back();
    // A place where nothing received ends: from one that does.
    if (given_up && last.end_index != segment.base_index) return false;
    if (segment.base_index != last.end_index || segment.base_offset != last.end_offset ||
        segment.base_digest != last.end_digest || segment.previous_term != last.last_term) {
      return Refused(absl::StrCat("the segment from index ", segment.base_index.value(),
                                  " does not continue what was received before"));
    }
  }
  current_.emplace(group_, next_number_++, segment);
  const uint64_t previous = received_.empty() ? 0 : received_.back().number;
  SegmentHeader header{.group = group_,
                       .number = current_->number,
                       .base_index = segment.base_index,
                       .base_offset = segment.base_offset,
                       .previous_number = previous,
                       .previous_term = segment.previous_term,
                       .previous_digest = segment.base_digest,
                       .created = WallTime::FromMillis(0),
                       .durable = segment.base_index - 1};
  if (segment.sparse) {
    header.sparse = {.end_index = segment.end_index,
                     .end_offset = segment.end_offset,
                     .last_number = current_->number,
                     .end_digest = segment.end_digest};
  }
  current_->pending = EncodeSegmentHeader(header);
  current_->last_term = segment.previous_term;
  return true;
}

absl::Status SnapshotReceiver::Feed(const ShippedSegment& segment, SegmentPart part, FilePos pos,
                                    std::string_view bytes) {
  // The source compacted it, or is another one.
  if (current_.has_value() && !current_->done && current_->shipped != segment) GiveUpCurrent();
  if (!current_.has_value()) {
    TIDEMARK_ASSIGN_OR_RETURN(const bool begun, Begin(segment));
    if (!begun) {
      Advance();
      return absl::OkStatus();
    }
  }
  const std::optional<Want> want = Next();
  if (!want.has_value() || want->part != part || want->pos != pos) return absl::OkStatus();
  const std::string_view taken = bytes.substr(0, want->length);
  received_bytes_ += taken.size();
  const absl::Status status = part == SegmentPart::kFrames ? FeedFrames(taken) : FeedSidecar(taken);
  if (!status.ok()) GiveUpCurrent();
  Advance();
  return status;
}

absl::Status SnapshotReceiver::FeedFrames(std::string_view bytes) {
  SealedFrames& frames = current_->frames;
  frames.Add(bytes);
  while (!frames.at_end()) {
    const SealedFrames::Step step = frames.Look();
    if (step == SealedFrames::Step::kMore) return absl::OkStatus();
    if (step == SealedFrames::Step::kWrong) {
      return Refused(absl::StrCat("at byte ", frames.pos(), " of the segment from index ",
                                  current_->shipped.base_index.value(), ", ",
                                  std::string(frames.wrong())));
    }
    current_->pending.append(frames.frame());
    current_->last_term = frames.header().leader_epoch;
    frames.Pass();
  }
  if (!IsAllOf(current_->shipped.As(group_, current_->number), frames)) {
    return Refused("the frames are intact, but not those of the segment that was announced");
  }
  return absl::OkStatus();
}

absl::Status SnapshotReceiver::FeedSidecar(std::string_view bytes) {
  Current& current = *current_;
  const ShippedSegment& shipped = current.shipped;
  current.pending.append(bytes);
  std::string_view entries = current.sidecar_pos >= shipped.index_bytes
                                 ? std::string_view()
                                 : bytes.substr(0, shipped.index_bytes - current.sidecar_pos);
  current.footer.append(bytes.substr(entries.size()));
  current.sidecar_pos += bytes.size();
  IndexEntry entry;
  while (!entries.empty()) {
    const IndexReader::Step step = current.reader.Next(entries, entry);
    if (step == IndexReader::Step::kWrong) return Refused("the sidecar's checksums are wrong");
    current.has_state |=
        step == IndexReader::Step::kEntry && entry.is_checkpoint() && entry.length > 0;
  }
  if (current.sidecar_pos < shipped.sidecar_bytes) return absl::OkStatus();
  const std::optional<SegmentFooter> footer = DecodeFooter(current.footer);
  if (current.reader.end() != shipped.index_bytes || !footer.has_value() ||
      footer->index_bytes != shipped.index_bytes || footer->size != shipped.size ||
      footer->digest != shipped.digest || footer->count != shipped.end_index - shipped.base_index ||
      footer->terms.empty() || shipped.base_offset + footer->end_offset != shipped.frames_end ||
      footer->compaction.has_value() != shipped.sparse) {
    return Refused("the sidecar is not that of its segment");
  }
  // Compaction may have taken the last frames, and with them their terms.
  if (shipped.sparse) current.last_term = Term(footer->terms.back().term);
  if (Term(footer->terms.back().term) != current.last_term) {
    return Refused("the sidecar has other terms than its segment");
  }
  current.done = true;
  return absl::OkStatus();
}

void SnapshotReceiver::GiveUp(uint64_t number) {
  strangers_.push_back(SegmentFile(number));
  strangers_.push_back(IndexFile(number));
}

void SnapshotReceiver::GiveUpAll() {
  for (const ReceivedSegment& each : std::exchange(received_, {})) GiveUp(each.number);
}

void SnapshotReceiver::StartOver() {
  GiveUpCurrent();
  GiveUpAll();
  Advance();
}

void SnapshotReceiver::GiveUpCurrent() {
  if (!current_.has_value()) return;
  GiveUp(current_->number);
  current_.reset();
  completes_ = false;
  DropStaged();
}

void SnapshotReceiver::DropStaged() {
  for (const FileOp& op : std::exchange(staged_, {}).ops) {
    if (const auto* remove = std::get_if<RemoveFile>(&op)) strangers_.push_back(remove->file);
  }
}

// One batch names one file, so that each is durable before what vouches for it.
void SnapshotReceiver::Advance() {
  if (outstanding_ || !staged_.empty()) return;
  if (!strangers_.empty()) {
    for (const FileId& file : std::exchange(strangers_, {})) {
      staged_.ops.push_back(RemoveFile{file});
    }
    return;
  }
  if (!current_.has_value()) return;
  Current& current = *current_;
  const bool frames_whole = current.frames.at_end();
  if (!current.frames_done) {
    if (current.sidecar_pos == 0 && !frames_whole &&
        current.pending.size() < kReplacementPieceBytes) {
      return;
    }
    const uint64_t pos = current.staged_pos;
    // What is there of the sidecar by now comes behind.
    const uint64_t rest = current.sidecar_pos;
    std::string piece = current.pending.substr(0, current.pending.size() - rest);
    current.pending.erase(0, piece.size());
    const FileId file = SegmentFile(current.number);
    if (pos == 0) staged_.ops.push_back(CreateFile{file, current.shipped.size});
    current.staged_pos += piece.size();
    staged_.ops.push_back(WriteFile{file, FilePos(pos), {Bytes::From(std::move(piece))}});
    staged_.sync = {file};
    if (current.staged_pos < current.shipped.size) return;
    current.frames_done = true;
    current.staged_pos = 0;
    return;
  }
  if (current.pending.empty() ||
      (!current.done && current.pending.size() < kReplacementPieceBytes)) {
    return;
  }
  const FileId file = IndexFile(current.number);
  // The footer last, by itself: what it vouches for is durable.
  std::string piece = std::exchange(current.pending, {});
  const uint64_t end = current.staged_pos + piece.size();
  if (current.done && end > current.shipped.index_bytes &&
      current.staged_pos < current.shipped.index_bytes) {
    const size_t entries = current.shipped.index_bytes - current.staged_pos;
    current.pending = piece.substr(entries);
    piece.resize(entries);
  }
  if (!std::exchange(current.created_sidecar, true)) staged_.ops.push_back(CreateFile{file, 0});
  const uint64_t pos = std::exchange(current.staged_pos, current.staged_pos + piece.size());
  staged_.ops.push_back(WriteFile{file, FilePos(pos), {Bytes::From(std::move(piece))}});
  staged_.sync = {file};
  completes_ = current.done && current.pending.empty();
}

FileBatch SnapshotReceiver::TakeBatch() {
  TIDEMARK_CHECK(has_batch());
  outstanding_ = true;
  return std::exchange(staged_, {});
}

void SnapshotReceiver::OnBatchDurable() {
  TIDEMARK_CHECK(outstanding_);
  outstanding_ = false;
  if (std::exchange(completes_, false) && current_.has_value()) {
    const ShippedSegment& shipped = current_->shipped;
    received_.push_back({.number = current_->number,
                         .base_index = shipped.base_index,
                         .end_index = shipped.end_index,
                         .end_offset = shipped.end_offset,
                         .last_term = current_->last_term,
                         .end_digest = shipped.end_digest,
                         .sparse = shipped.sparse,
                         .has_state = current_->has_state,
                         .clean_end = shipped.clean_end});
    current_.reset();
  }
  Advance();
}

ReceivedSegments SnapshotReceiver::Leave() {
  TIDEMARK_CHECK(!outstanding_);
  GiveUpCurrent();
  DropStaged();
  return {.segments = std::exchange(received_, {}),
          .strangers = std::exchange(strangers_, {}),
          .next_number = next_number_};
}

std::vector<FileId> SnapshotReceiver::Files() const {
  std::vector<FileId> files = strangers_;
  const auto add = [&](uint64_t number) {
    files.push_back(SegmentFile(number));
    files.push_back(IndexFile(number));
  };
  for (const ReceivedSegment& segment : received_) add(segment.number);
  if (current_.has_value()) add(current_->number);
  return files;
}

}  // namespace tidemark
