#include "engine/log/recovery.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/status_macros.h"
#include "engine/log/log_impl.h"

// Rebuilding a log from its files. FORMAT.md section 6 states the rule that tells rot from a torn
// tail; this is its code.

namespace tidemark {
namespace {

struct Found {
  SegmentHeader header;
  std::string_view bytes;
};

absl::Status Rot(const FileId& file, uint64_t begin, uint64_t end, std::string_view what) {
  return absl::DataLossError(absl::StrCat(
      PathOf(file), ": bytes ", begin, " to ", end, " are damaged (", std::string(what),
      ") although they were durable: the disk lost or changed them. The file is left as it is. If "
      "other replicas are healthy, move this node's data directory away and start it empty"));
}

// What one segment's file holds, up to where its frames stop being right.
struct Scan {
  Segment segment;
  std::vector<std::pair<LogIndex, Term>> terms;
  uint64_t durable_frames = 0;  // known durable from its index
  uint64_t file_bytes = 0;
  bool clean_end = true;  // nothing but zeros behind the last frame
  std::string_view stop;  // why it ends, if not cleanly
};

class Scanner {
 public:
  Scanner(const Found& found, std::string_view index, Term term, RecoveryObserver* observer)
      : found_(found), index_(index), term_(term), observer_(observer) {}

  // Frames below `end` only (the rest was replaced by a later segment).
  Scan Run(LogIndex end) {
    Segment& segment = scan_.segment;
    segment.number = found_.header.number;
    segment.base_index = found_.header.base_index;
    segment.base_offset = found_.header.base_offset;
    segment.capacity = found_.bytes.size();
    scan_.file_bytes = found_.bytes.size();
    ReadIndex();
    while (segment.end_index() < end && Step()) {
    }
    if (segment.end_index() < end && scan_.stop.empty()) {
      scan_.clean_end = found_.bytes.substr(std::min<size_t>(segment.size, found_.bytes.size()))
                            .find_first_not_of('\0') == std::string_view::npos;
      if (!scan_.clean_end) scan_.stop = "no frame begins there";
    }
    DropIndexBehindFrames();
    return std::move(scan_);
  }

 private:
  void ReadIndex() {
    uint32_t chain = 0;
    entries_ = DecodeIndex(index_, chain);
    for (const IndexEntry& entry : entries_) {
      scan_.durable_frames = std::max<uint64_t>(scan_.durable_frames, entry.durable);
    }
  }

  bool Step() {
    Segment& segment = scan_.segment;
    const std::string_view rest =
        found_.bytes.substr(std::min<size_t>(segment.size, found_.bytes.size()));
    // A zero magic byte is never a frame.
    if (rest.size() < kBatchHeaderBytes || rest[16] == '\0') return false;
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
    if (!header.ok()) return Stop("a frame header makes no sense");
    if (header->total_bytes() > rest.size()) return Stop("a frame reaches past the file's end");
    if (header->base_offset != segment.end_offset()) return Stop("a frame has a wrong offset");
    if (header->leader_epoch < term_) return Stop("a frame has a term that went back");
    const std::string_view frame = rest.substr(0, header->total_bytes());
    if (!BatchChecksumMatches(frame)) return Stop("a frame's checksum is wrong");
    const LogIndex index = segment.end_index();
    if (observer_ != nullptr) {
      observer_->OnFrame(Entry{.index = index,
                               .term = header->leader_epoch,
                               .kind = header->magic,
                               .base_offset = header->base_offset,
                               .offset_span = header->offset_span()},
                         *header, frame, TimeOf(segment.frames.size()));
    }
    if (scan_.terms.empty() ? header->leader_epoch != term_ || index == LogIndex(1)
                            : scan_.terms.back().second != header->leader_epoch) {
      scan_.terms.emplace_back(index, header->leader_epoch);
    }
    term_ = header->leader_epoch;
    segment.frames.push_back(
        {.pos = static_cast<uint32_t>(segment.size),
         .end_offset = static_cast<uint32_t>(header->base_offset + header->offset_span() -
                                             segment.base_offset)});
    segment.size += frame.size();
    return true;
  }

  bool Stop(std::string_view why) {
    scan_.stop = why;
    scan_.clean_end = false;
    return false;
  }

  WallTime TimeOf(size_t ordinal) {
    while (next_entry_ < entries_.size() && entries_[next_entry_].first <= ordinal) ++next_entry_;
    if (next_entry_ == 0) return found_.header.created;
    return WallTime::FromMillis(entries_[next_entry_ - 1].append_time_ms);
  }

  // The index may be ahead of the data (it is not synced with it) or belong to frames that were
  // cut.
  void DropIndexBehindFrames() {
    Segment& segment = scan_.segment;
    uint32_t chain = 0;
    for (const IndexEntry& entry : entries_) {
      if (entry.first + uint64_t{entry.count} > segment.frames.size()) break;
      std::string ignored = EncodeIndexEntry(entry, chain);
      segment.index_bytes += kIndexEntryBytes;
      segment.index_chain = chain;
      segment.times.emplace_back(entry.first, WallTime::FromMillis(entry.append_time_ms));
    }
  }

  const Found& found_;
  const std::string_view index_;
  Term term_;
  RecoveryObserver* const observer_;
  std::vector<IndexEntry> entries_;
  size_t next_entry_ = 0;
  Scan scan_;
};

}  // namespace

absl::StatusOr<Log> Log::Recover(GroupId group, const LogOptions& options,
                                 const DirectoryView& directory, LogIndex committed,
                                 RecoveryObserver* observer) {
  auto impl = std::make_unique<Impl>(group, options);
  std::vector<Found> all;
  std::vector<FileId> remove;
  for (const FileId& file : directory.List(group)) {
    if (file.kind != FileKind::kSegment) continue;
    impl->next_number = std::max(impl->next_number, file.number + 1);
    TIDEMARK_ASSIGN_OR_RETURN(const std::string_view bytes, directory.Contents(file));
    absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
    if (absl::IsFailedPrecondition(header.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(PathOf(file), ": ", header.status().message()));
    }
    if (!header.ok()) {
      // Never became whole: nothing in it was durable, unless what is known to be committed turns
      // out to be missing below.
      remove.push_back(file);
      continue;
    }
    if (header->group != group || header->number != file.number) {
      return absl::FailedPreconditionError(absl::StrCat(
          PathOf(file), " is segment ", header->number, " of group ", header->group.value(),
          ": it was copied or renamed; put it back where it belongs"));
    }
    all.push_back({*header, bytes});
  }
  std::sort(all.begin(), all.end(),
            [](const Found& a, const Found& b) { return a.header.number < b.header.number; });

  // A segment replaces what earlier ones have from its base index on.
  std::vector<Found> live;
  for (const Found& found : all) {
    while (!live.empty() && live.back().header.base_index >= found.header.base_index) {
      remove.push_back({group, FileKind::kSegment, live.back().header.number});
      live.pop_back();
    }
    live.push_back(found);
  }

  Term term;
  LogIndex known_durable = committed;
  for (size_t i = 0; i < live.size(); ++i) {
    const Found& found = live[i];
    const FileId file{group, FileKind::kSegment, found.header.number};
    const LogIndex expected = impl->last_index() + 1;
    const bool last = i + 1 == live.size();
    if (found.header.base_index != expected || found.header.base_offset != impl->next_offset()) {
      // A segment is begun only when everything before it is in the log.
      return Rot(file, 0, kSegmentHeaderBytes,
                 absl::StrCat("it begins at index ", found.header.base_index.value(),
                              ", the log before it ends at ", impl->last_index().value()));
    }
    const absl::StatusOr<std::string_view> index =
        directory.Contents({group, FileKind::kIndex, found.header.number});
    const LogIndex end = last ? LogIndex(UINT64_MAX) : live[i + 1].header.base_index;
    Scan scan = Scanner(found, index.ok() ? *index : std::string_view(), term, observer).Run(end);
    if (last) {
      known_durable = std::max(known_durable, scan.segment.base_index + scan.durable_frames - 1);
    }
    impl->terms.insert(impl->terms.end(), scan.terms.begin(), scan.terms.end());
    const LogIndex reached = scan.segment.end_index() - 1;
    if (!last && reached + 1 < end) {
      return Rot(file, scan.segment.size, scan.file_bytes,
                 scan.stop.empty() ? "frames are missing" : scan.stop);
    }
    if (last && reached < known_durable) {
      return Rot(file, scan.segment.size, scan.file_bytes,
                 scan.stop.empty() ? "frames are missing" : scan.stop);
    }
    // What is torn stays where it is, for people to look at; the next append begins a segment.
    if (last && !scan.clean_end) impl->seal = true;
    for (const auto& time : scan.segment.times) {
      impl->last_append = std::max(impl->last_append, time.second);
    }
    if (!impl->terms.empty()) term = impl->terms.back().second;
    impl->segments.push_back(std::move(scan.segment));
  }
  if (impl->last_index() < committed) {
    return Rot({group, FileKind::kSegment, impl->next_number}, 0, 0,
               absl::StrCat("the log ends at index ", impl->last_index().value(), ", ",
                            committed.value(), " entries were committed"));
  }
  if (!impl->segments.empty()) {
    // A sidecar that is gone or short is begun anew with the next segment; until then this one's
    // frames are found by scanning.
    const Segment& segment = impl->segments.back();
    impl->run_first = static_cast<uint32_t>(segment.frames.size());
    const bool index_whole = directory.Contents(impl->IndexFile(segment)).ok();
    if (!index_whole) impl->seal = true;
    if (impl->last_append == WallTime()) impl->last_append = live.back().header.created;
  }
  for (const FileId& file : remove) {
    impl->staged.ops.push_back(RemoveFile{file});
    impl->staged.ops.push_back(RemoveFile{{group, FileKind::kIndex, file.number}});
  }
  impl->durable = std::min(impl->last_index(), known_durable);
  if (impl->durable < impl->last_index()) {
    impl->staged_sync.insert(impl->SegmentFile(impl->segments.back()));
  }
  return Log(std::move(impl));
}

}  // namespace tidemark
