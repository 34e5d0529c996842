#include "engine/log/recovery.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/frame.h"
#include "engine/log/log_impl.h"

// Rebuilding a log from its files. FORMAT.md section 6 states the rule that tells rot from a torn
// tail; this is its code.

namespace tidemark {
namespace {

struct Found {
  SegmentHeader header;
  std::string_view bytes;
  std::vector<IndexEntry> index;
  bool has_index = false;
  uint64_t index_file_bytes = 0;
  // Past the last index whose frame is looked for here: the next segment's base index.
  LogIndex end = LogIndex(UINT64_MAX);

  FileId file() const { return {header.group, FileKind::kSegment, header.number}; }
  // Last index that the segment's header or sidecar vouches for as durable.
  LogIndex durable() const {
    uint64_t frames = 0;
    for (const IndexEntry& entry : index) frames = std::max<uint64_t>(frames, entry.durable);
    if (frames == 0) return header.durable;
    return std::min(header.base_index + frames, end) - 1;
  }
};

absl::Status Rot(const FileId& file, uint64_t begin, uint64_t end, std::string_view what) {
  return absl::DataLossError(absl::StrCat(
      PathOf(file), ": bytes ", begin, " to ", end, " are damaged (", std::string(what),
      ") although they were durable: the disk lost or changed them. The file is left as it is. If "
      "other replicas are healthy, move this node's data directory away and start it empty"));
}

// Reads the frames of one segment, up to the first thing that is not the next frame.
class Scanner {
 public:
  Scanner(const Found& found, Term term, RecoveryObserver* observer)
      : found_(found), term_(term), observer_(observer) {
    segment_.number = found.header.number;
    segment_.base_index = found.header.base_index;
    segment_.base_offset = found.header.base_offset;
    segment_.capacity = found.bytes.size();
    segment_.has_index = found.has_index;
  }

  absl::Status Run() {
    while (segment_.end_index() < found_.end && Step()) {
    }
    return AdoptIndex();
  }

  bool complete() const { return segment_.end_index() == found_.end; }
  // Why the scan ended before `found.end`; empty if no frame begins there.
  std::string_view wrong() const { return wrong_; }
  bool clean_end() const { return wrong_.empty() && AllZeros(rest()); }
  FrameContext context() const { return {.next_offset = segment_.end_offset(), .term = term_}; }
  const std::vector<std::pair<LogIndex, Term>>& terms() const { return terms_; }
  const Segment& segment() const { return segment_; }

 private:
  std::string_view rest() const {
    return found_.bytes.substr(std::min<size_t>(segment_.size, found_.bytes.size()));
  }

  bool Step() {
    const std::optional<BatchHeader> header = FrameAt(rest(), context(), wrong_);
    if (!header.has_value()) return false;
    const uint64_t end_offset = header->base_offset + header->offset_span() - segment_.base_offset;
    if (segment_.size > UINT32_MAX || end_offset > UINT32_MAX) {
      wrong_ = "a frame lies beyond what a segment may hold";
      return false;
    }
    const LogIndex index = segment_.end_index();
    if (observer_ != nullptr) {
      observer_->OnFrame(Entry{.index = index,
                               .term = header->leader_epoch,
                               .kind = header->magic,
                               .base_offset = header->base_offset,
                               .offset_span = header->offset_span(),
                               .frame = {}},
                         *header, rest().substr(0, header->total_bytes()),
                         TimeOf(segment_.frames.size()));
    }
    if (header->leader_epoch != term_ || index == LogIndex(1)) {
      terms_.emplace_back(index, header->leader_epoch);
    }
    term_ = header->leader_epoch;
    segment_.frames.push_back({.pos = static_cast<uint32_t>(segment_.size),
                               .end_offset = static_cast<uint32_t>(end_offset)});
    segment_.size += header->total_bytes();
    return true;
  }

  WallTime TimeOf(size_t ordinal) {
    while (next_entry_ < found_.index.size() && found_.index[next_entry_].first <= ordinal) {
      ++next_entry_;
    }
    if (next_entry_ == 0) return found_.header.created;
    return WallTime::FromMillis(found_.index[next_entry_ - 1].append_time_ms);
  }

  // The sidecar may be ahead of the data (it is not synced with it). Where both are there they
  // agree: a sidecar's bytes are never written twice.
  absl::Status AdoptIndex() {
    uint32_t chain = 0;
    for (const IndexEntry& entry : found_.index) {
      const uint64_t end = entry.first + uint64_t{entry.count};
      if (end > segment_.frames.size()) break;
      const uint64_t pos = segment_.frames[entry.first].pos;
      const uint64_t run_end = segment_.FrameEnd(end - 1);
      uint32_t digest = 0;
      for (uint64_t i = entry.first; i < end; ++i) {
        digest = Crc32c(found_.bytes.substr(segment_.frames[i].pos, kFrameHeadBytes), digest);
      }
      if (entry.pos != pos || entry.length != run_end - pos || entry.digest != digest) {
        return Rot(found_.file(), pos, run_end, "its frames are not those the sidecar remembers");
      }
      EncodeIndexEntry(entry, chain);
      segment_.index_bytes += kIndexEntryBytes;
      segment_.index_chain = chain;
      segment_.times.emplace_back(entry.first, WallTime::FromMillis(entry.append_time_ms));
    }
    return absl::OkStatus();
  }

  const Found& found_;
  Term term_;
  RecoveryObserver* const observer_;
  size_t next_entry_ = 0;
  Segment segment_;
  std::vector<std::pair<LogIndex, Term>> terms_;
  std::string_view wrong_;
};

}  // namespace

// One recovery: the steps of FORMAT.md section 6 in order.
class Recoverer {
 public:
  Recoverer(Log::Impl* log, const DirectoryView& directory, LogIndex committed,
            RecoveryObserver* observer)
      : log_(*log), directory_(directory), known_durable_(committed), observer_(observer) {}

  absl::Status Run() {
    TIDEMARK_RETURN_IF_ERROR(ReadDirectory());
    DropReplaced();
    for (const Found& found : live_) known_durable_ = std::max(known_durable_, found.durable());
    for (size_t i = 0; i < live_.size() && !torn_; ++i) {
      TIDEMARK_RETURN_IF_ERROR(ReadSegment(i));
    }
    if (log_.last_index() < known_durable_) {
      return absl::DataLossError(
          absl::StrCat("the log of group ", log_.group.value(), " ends at index ",
                       log_.last_index().value(), ", but entries up to ", known_durable_.value(),
                       " were durable: files are missing. Put them back, or, if other replicas are "
                       "healthy, move "
                       "this node's data directory away and start it empty"));
    }
    StageRepairs();
    return absl::OkStatus();
  }

 private:
  absl::Status ReadDirectory() {
    std::set<uint64_t> sidecars;
    std::set<uint64_t> segments;
    for (const FileId& file : directory_.List(log_.group)) {
      if (file.number > UINT64_MAX / 2) {
        return absl::FailedPreconditionError(
            absl::StrCat(PathOf(file), " was not written by this program; move it away"));
      }
      log_.next_number = std::max(log_.next_number, file.number + 1);
      if (file.kind == FileKind::kIndex) sidecars.insert(file.number);
      if (file.kind == FileKind::kSegment) segments.insert(file.number);
    }
    for (const uint64_t number : segments) {
      TIDEMARK_RETURN_IF_ERROR(ReadFiles(number, sidecars.contains(number)));
    }
    for (const uint64_t number : sidecars) {
      if (!segments.contains(number)) unwanted_.push_back({log_.group, FileKind::kIndex, number});
    }
    return absl::OkStatus();
  }

  absl::Status ReadFiles(uint64_t number, bool has_index) {
    const FileId file{log_.group, FileKind::kSegment, number};
    const FileId sidecar{log_.group, FileKind::kIndex, number};
    Found found;
    TIDEMARK_ASSIGN_OR_RETURN(found.bytes, directory_.Contents(file));
    // An unreadable sidecar is as good as none: the frames say the same.
    const absl::StatusOr<std::string_view> index =
        has_index ? directory_.Contents(sidecar) : absl::StatusOr<std::string_view>("");
    uint32_t chain = 0;
    if (index.ok()) {
      found.index = DecodeIndex(*index, chain);
      found.index_file_bytes = index->size();
    }
    found.has_index = has_index;
    const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(found.bytes);
    if (absl::IsFailedPrecondition(header.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(PathOf(file), ": ", header.status().message()));
    }
    if (!header.ok()) {
      const bool vouched = std::any_of(found.index.begin(), found.index.end(),
                                       [](const IndexEntry& entry) { return entry.durable > 0; });
      // All fields lie in the first sector: it is as it was written, or it never was.
      if (vouched || (found.bytes.size() >= kSegmentHeaderBytes &&
                      !AllZeros(found.bytes.substr(0, kSectorBytes)))) {
        return Rot(file, 0, kSegmentHeaderBytes, std::string(header.status().message()));
      }
      unwanted_.push_back(file);
      if (has_index) unwanted_.push_back(sidecar);
      return absl::OkStatus();
    }
    if (header->group != log_.group || header->number != number) {
      return absl::FailedPreconditionError(absl::StrCat(
          PathOf(file), " is segment ", header->number, " of group ", header->group.value(),
          ": it was copied or renamed; put it back where it belongs"));
    }
    found.header = *header;
    all_.push_back(std::move(found));
    return absl::OkStatus();
  }

  void Unwanted(const Found& found) {
    unwanted_.push_back(found.file());
    if (found.has_index) {
      unwanted_.push_back({log_.group, FileKind::kIndex, found.header.number});
    }
  }

  // A segment replaces what earlier ones have from its base index on.
  void DropReplaced() {
    for (Found& found : all_) {
      while (!live_.empty() && live_.back().header.base_index >= found.header.base_index) {
        Unwanted(live_.back());
        live_.pop_back();
      }
      if (!live_.empty()) live_.back().end = found.header.base_index;
      live_.push_back(std::move(found));
    }
  }

  absl::Status ReadSegment(size_t i) {
    const Found& found = live_[i];
    const LogIndex expected = log_.last_index() + 1;
    const uint64_t previous = log_.segments.empty() ? 0 : log_.segments.back().number;
    if (found.header.base_index != expected || found.header.previous_number != previous) {
      // What was between was lost, with its file: it may be the crash of the flush that began both.
      if (expected <= known_durable_) {
        return Rot(found.file(), 0, kSegmentHeaderBytes,
                   absl::StrCat("it begins at index ", found.header.base_index.value(),
                                " and continues segment ", found.header.previous_number,
                                "; the log before it ends at index ", log_.last_index().value(),
                                " in segment ", previous));
      }
      CutBefore(i);
      return absl::OkStatus();
    }
    if (found.header.base_offset != log_.next_offset() ||
        found.header.previous_term != log_.last_term()) {
      return Rot(found.file(), 0, kSegmentHeaderBytes, "it does not continue the log before it");
    }
    Scanner scanner(found, log_.last_term(), observer_);
    TIDEMARK_RETURN_IF_ERROR(scanner.Run());
    log_.terms.insert(log_.terms.end(), scanner.terms().begin(), scanner.terms().end());
    for (const auto& time : scanner.segment().times) {
      log_.last_append = std::max(log_.last_append, time.second);
    }
    log_.last_append = std::max(log_.last_append, found.header.created);
    log_.segments.push_back(scanner.segment());
    const bool last = i + 1 == live_.size();
    const bool clean_end = last && log_.last_index() >= known_durable_ && scanner.clean_end();
    if (scanner.complete() || clean_end) return absl::OkStatus();
    TIDEMARK_RETURN_IF_ERROR(CheckTorn(found, scanner));
    CutBefore(i + 1);
    return absl::OkStatus();
  }

  // Whether what ends the log in `found` can be a flush that a crash interrupted.
  absl::Status CheckTorn(const Found& found, const Scanner& scanner) {
    const size_t pos = log_.segments.back().size;
    const auto rot = [&](std::string_view why) {
      return Rot(found.file(), pos, found.bytes.size(), why);
    };
    const std::string_view wrong =
        scanner.wrong().empty() ? "no frame begins there" : scanner.wrong();
    if (log_.last_index() < known_durable_) return rot(wrong);
    if (pos >= found.bytes.size()) return absl::OkStatus();
    bool gave_up = false;
    const std::optional<size_t> later =
        FindLaterFrame(found.bytes, pos + 1, scanner.context(), gave_up);
    if (gave_up) return rot("it cannot be told from rot");
    if (later.has_value() && !LostSectorIn(found.bytes, pos, *later)) {
      return rot(absl::StrCat(std::string(wrong), ", and an intact one follows at byte ", *later));
    }
    return absl::OkStatus();
  }

  // The log ends here. A torn tail stays where it is, for people to look at: the next append begins
  // a segment that replaces it. Segments behind it were begun in the same flush and go.
  void CutBefore(size_t i) {
    torn_ = true;
    log_.seal = true;
    for (; i < live_.size(); ++i) Unwanted(live_[i]);
  }

  // Writes again what is there but not known durable. After the crash of a process (not of the
  // machine) it may be in the page cache alone, and after a failed sync the kernel calls such pages
  // clean: only writing makes them durable.
  void StageRewrite(const Segment& segment, const Found& found) {
    const FileId file = log_.SegmentFile(segment);
    const uint64_t known =
        known_durable_ + 1 > segment.base_index ? known_durable_ + 1 - segment.base_index : 0;
    const uint64_t begin = known == 0                      ? 0
                           : known < segment.frames.size() ? segment.frames[known].pos
                                                           : segment.size;
    if (begin == segment.size) return;
    log_.staged.ops.push_back(WriteFile{
        file, FilePos(begin), {Bytes::Copy(found.bytes.substr(begin, segment.size - begin))}});
    log_.staged_sync.insert(file);
    // Its name may be as young; a removal makes the directory durable.
    if (begin == 0)
      log_.staged.ops.push_back(RemoveFile{{log_.group, FileKind::kTorn, segment.number}});
  }

  void StageRepairs() {
    for (size_t i = 0; i < log_.segments.size(); ++i) StageRewrite(log_.segments[i], live_[i]);
    log_.durable = std::min(log_.last_index(), known_durable_);
    if (!log_.segments.empty()) {
      const Segment& segment = log_.segments.back();
      log_.run_first = static_cast<uint32_t>(segment.frames.size());
      // What a sidecar holds beyond the data could be taken for the index of what is appended next.
      const Found& found = live_[log_.segments.size() - 1];
      if (!segment.has_index || segment.index_bytes != found.index_file_bytes) log_.seal = true;
    }
    // Files that a younger segment replaces go when that one is durable, see Log::Impl::replaced.
    if (log_.staged.ops.empty()) {
      for (const FileId& file : unwanted_) log_.staged.ops.push_back(RemoveFile{file});
    } else {
      log_.replaced_staged = std::move(unwanted_);
    }
  }

  Log::Impl& log_;
  const DirectoryView& directory_;
  LogIndex known_durable_;  // entries up to here were durable
  RecoveryObserver* const observer_;
  std::vector<Found> all_;   // in order of creation
  std::vector<Found> live_;  // in order of the log
  std::vector<FileId> unwanted_;
  bool torn_ = false;
};

absl::StatusOr<Log> Log::Recover(GroupId group, const LogOptions& options,
                                 const DirectoryView& directory, LogIndex committed,
                                 RecoveryObserver* observer) {
  TIDEMARK_CHECK_LE(options.segment_bytes, kSegmentBytesMax);
  auto impl = std::make_unique<Impl>(group, options);
  TIDEMARK_RETURN_IF_ERROR(Recoverer(impl.get(), directory, committed, observer).Run());
  return Log(std::move(impl));
}

}  // namespace tidemark
