#include "engine/log/recovery.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "engine/log/found_header.h"
#include "engine/log/frame.h"
#include "engine/log/log_impl.h"
#include "engine/log/scan.h"
#include "engine/log/segment_walk.h"
#include "engine/log/sparse_scan.h"

// Rebuilding a log from its files. FORMAT.md section 6 states the rule that tells rot from a torn
// tail; this is its code.

namespace tidemark {
// One recovery: the steps of FORMAT.md section 6 in order.
class Recoverer {
 public:
  Recoverer(Log::Impl* log, const DirectoryView& directory, LogIndex committed, LogIndex start,
            const SnapshotFiles& snapshot, RecoveryObserver* observer, RecoveredDamage* damage)
      : log_(*log),
        directory_(directory),
        known_committed_(committed),
        start_(start),
        snapshot_(snapshot),
        observer_(observer),
        damage_(damage) {}

  static absl::StatusOr<Log> Recover(GroupId group, const LogOptions& options,
                                     const DirectoryView& directory, LogIndex committed,
                                     RecoveryObserver* observer, LogIndex start,
                                     const SnapshotFiles& snapshot, RecoveredDamage* damage) {
    TIDEMARK_CHECK_LE(options.segment_bytes, kSegmentBytesMax);
    auto impl = std::make_unique<Log::Impl>(group, options);
    TIDEMARK_RETURN_IF_ERROR(
        Recoverer(impl.get(), directory, committed, start, snapshot, observer, damage).Run());
    return Log(std::move(impl));
  }

  absl::Status Run() {
    TIDEMARK_RETURN_IF_ERROR(ReadDirectory());
    RestoreHeaders(all_, lost_);
    DropReplaced();
    TIDEMARK_RETURN_IF_ERROR(PlaceSparse());
    TIDEMARK_RETURN_IF_ERROR(PlaceLost());
    DropRemovedPrefix();
    for (const FoundSegment& found : live_) {
      known_committed_ = std::max(known_committed_, found.committed());
      known_durable_ = std::max(known_durable_, found.durable());
    }
    // Only what is committed and durable is removed; the files that vouched for it are gone.
    if (!live_.empty()) known_committed_ = std::max(known_committed_, start_ - 1);
    known_durable_ = std::max(known_durable_, known_committed_);
    log_.durable = known_durable_;
    log_.committed = known_committed_;
    ChooseBeginning();
    for (size_t i = 0; i < live_.size() && !torn_; ++i) {
      TIDEMARK_RETURN_IF_ERROR(ReadSegment(i));
    }
    if (log_.last_index() < known_durable_) {
      return absl::DataLossError(
          absl::StrCat("the log of group ", log_.group.value(), " ends at index ",
                       log_.last_index().value(), ", but entries up to ", known_durable_.value(),
                       " were durable: files are missing. Put them back, or, if other replicas are "
                       "healthy, move this node's data directory away and start it empty"));
    }
    log_.durable = std::min(log_.last_index(), known_durable_);
    log_.written = log_.last_index();
    log_.committed = std::min(log_.last_index(), known_committed_);
    TIDEMARK_RETURN_IF_ERROR(CheckHeadless());
    if (log_.compacted.clean_end > log_.next_offset()) log_.compacted = {};
    StageRepairs();
    log_.RaiseFloor();
    log_.DropTables();
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
      const bool numbered = file.kind == FileKind::kIndex || file.kind == FileKind::kSegment;
      if (numbered && !snapshot_.counts(file.number)) {
        // What is being received is not the log's to remove.
        if (snapshot_.installed()) unwanted_.push_back(file);
        continue;
      }
      if (file.kind == FileKind::kIndex) sidecars.insert(file.number);
      if (file.kind == FileKind::kSegment) segments.insert(file.number);
      if (file.kind == FileKind::kTemporary) unwanted_.push_back(file);
    }
    log_.next_number = std::max({log_.next_number, snapshot_.end, snapshot_.live});
    for (const uint64_t number : segments) {
      TIDEMARK_RETURN_IF_ERROR(ReadFiles(number, sidecars.contains(number)));
    }
    for (const uint64_t number : sidecars) {
      if (!segments.contains(number)) unwanted_.push_back({log_.group, FileKind::kIndex, number});
    }
    return absl::OkStatus();
  }

  absl::Status ReadFiles(uint64_t number, bool has_index) {
    FoundSegment found;
    found.header.group = log_.group;
    found.header.number = number;
    const FileId file = found.file();
    TIDEMARK_ASSIGN_OR_RETURN(found.file_bytes, directory_.Size(file));
    const auto head = directory_.ReadAt(file, FilePos(0), kSegmentHeaderBytes);
    found.has_index = has_index;
    ReadFooterOf(directory_, found);
    if (!found.footer.has_value()) ReadIndexOf(directory_, found);
    TIDEMARK_ASSIGN_OR_RETURN(HeaderVerdict verdict, JudgeHeader(head, found));
    switch (verdict.state) {
      case HeaderState::kIntact:
        all_.push_back(std::move(found));
        break;
      case HeaderState::kNeverWhole: {
        // A disk may make zeros of a header that was durable.
        TIDEMARK_ASSIGN_OR_RETURN(const auto first, FirstFrameOf(directory_, file));
        if (first) headless_.push_back({file, first->base_offset, first->leader_epoch});
        Unwanted(found);
        break;
      }
      case HeaderState::kLost:
        if (damage_ == nullptr) return RotError(file, 0, kSegmentHeaderBytes, verdict.damage);
        found.damage = std::move(verdict.damage);
        ReadIndexOf(directory_, found);
        lost_.push_back(std::move(found));
    }
    return absl::OkStatus();
  }

  absl::Status PlaceLost() {
    for (FoundSegment& lost : lost_) {
      if (!RestoreSparseHeader(live_, lost)) {
        // A crash kept it of what retention, or a compacted segment, has replaced.
        if (!live_.empty() && lost.header.number < live_.front().header.number &&
            live_.front().header.base_index <= start_) {
          Unwanted(lost);
          continue;
        }
        return RotError(lost.file(), 0, kSegmentHeaderBytes, lost.damage);
      }
      Place(std::move(lost));
    }
    return absl::OkStatus();
  }

  // Of two segments that hold the same place, the younger one is right. If that is committed, the
  // younger one was durable, and its header is what the disk lost.
  absl::Status CheckHeadless() {
    for (const Headless& each : headless_) {
      if (each.offset < log_.FirstOffset() || each.offset >= log_.next_offset()) continue;
      const Segment& segment = log_.segments[log_.SegmentAtOffset(each.offset)];
      // What compaction wrote is younger than all of it.
      if (segment.sparse.has_value() || each.offset < segment.base_offset) continue;
      const LogIndex index = log_.IndexAtOffset(segment, each.offset);
      if (index <= known_committed_ && log_.TermOf(index) < each.term) {
        return RotError(each.file, 0, kSegmentHeaderBytes,
                        "its header is lost, and its frames are younger than the committed ones "
                        "that are found instead");
      }
    }
    return absl::OkStatus();
  }

  void Unwanted(const FoundSegment& found) {
    unwanted_.push_back(found.file());
    if (found.has_index) unwanted_.push_back(found.sidecar());
  }

  // A segment replaces what earlier ones have from its base index on.
  void DropReplaced() {
    for (FoundSegment& found : all_) {
      if (found.header.sparse.has_value()) continue;
      while (!live_.empty() && live_.back().header.base_index >= found.header.base_index) {
        Unwanted(live_.back());
        live_.pop_back();
      }
      if (!live_.empty()) live_.back().end = found.header.base_index;
      live_.push_back(std::move(found));
    }
    // Frames behind what a footer counts were cut, and what replaced them was durable.
    for (FoundSegment& found : live_) {
      if (found.footer.has_value()) {
        found.end = std::min(found.end, found.header.base_index + found.footer->count);
      }
    }
  }

  // A sparse segment replaces those of lower numbers in its range, once it is whole.
  absl::Status PlaceSparse() {
    std::vector<FoundSegment> unfinished;
    for (FoundSegment& found : all_) {
      if (!found.header.sparse.has_value()) continue;
      if (IsWholeSparse(found)) {
        Place(std::move(found));
      } else {
        unfinished.push_back(std::move(found));
      }
    }
    for (const FoundSegment& found : unfinished) {
      const LogIndex base = found.header.base_index;
      const bool stood_for = std::any_of(live_.begin(), live_.end(), [&](const FoundSegment& each) {
        return each.header.base_index <= base && base < each.end;
      });
      if (!stood_for && base >= start_) {
        return RotError(found.sidecar(), 0, found.index_file_bytes,
                        "its footer is gone, and so are the segments that it replaced");
      }
      Unwanted(found);
    }
    return absl::OkStatus();
  }

  void Place(FoundSegment found) {
    const LogIndex base = found.header.base_index;
    found.end = found.header.sparse->end_index;
    const auto is_inside = [&](const FoundSegment& each) {
      return each.header.base_index >= base && each.header.base_index < found.end &&
             each.header.number < found.header.number;
    };
    for (const FoundSegment& each : live_) {
      if (!is_inside(each)) continue;
      Unwanted(each);
      found.replaces_files = true;
    }
    std::erase_if(live_, is_inside);
    const auto at = std::upper_bound(
        live_.begin(), live_.end(), base,
        [](LogIndex wanted, const FoundSegment& each) { return wanted < each.header.base_index; });
    if (at != live_.begin()) std::prev(at)->end = std::min(std::prev(at)->end, base);
    live_.insert(at, std::move(found));
  }

  // The hard state says that a prefix may be gone; a crash may have kept some of its files.
  void DropRemovedPrefix() {
    size_t first = 0;
    while (first + 1 < live_.size() && live_[first + 1].header.base_index <= start_) ++first;
    for (size_t i = 0; i < first; ++i) Unwanted(live_[i]);
    live_.erase(live_.begin(), live_.begin() + static_cast<ptrdiff_t>(first));
  }

  // Whether the footer of segment `i` says all that is needed of it.
  bool FooterIsEnough(size_t i) const {
    if (i + 1 >= live_.size() || !live_[i].footer.has_value()) return false;
    if (live_[i].header.sparse.has_value()) return true;
    if (live_[i].footer->compaction.has_value()) return false;
    const LogIndex end = live_[i].header.base_index + live_[i].footer->count;
    return end == live_[i].end && end <= known_committed_ + 1;
  }

  // From which segment on frames are read, and from which checkpoint in it.
  void ChooseBeginning() {
    if (live_.empty() || (observer_ != nullptr && observer_->needs_all_entries())) return;
    size_t i = 0;
    while (i + 1 < live_.size() && FooterIsEnough(i)) ++i;
    for (;; --i) {
      FoundSegment& found = live_[i];
      ReadIndexOf(directory_, found);
      for (size_t at = found.ConsistentEntries(); at > 0; --at) {
        const DecodedIndexEntry& each = found.index[at - 1];
        if (!each.entry.is_checkpoint() ||
            found.header.base_index + each.entry.first > known_committed_ + 1) {
          continue;
        }
        if (observer_ != nullptr && !observer_->OnCheckpoint(each.state)) continue;
        scan_from_ = i;
        checkpoint_ = &each;
        return;
      }
      // Without anything to derive, the frames before are of no interest.
      if (observer_ == nullptr) scan_from_ = i;
      if (i == 0 || observer_ == nullptr) return;
    }
  }

  // What a lost header said of the entry before it.
  absl::Status CompleteHeader(FoundSegment& found) {
    SegmentHeader& header = found.header;
    if (!log_.segments.empty()) {
      header.previous_number = log_.segments.back().chain_number();
      if (!found.previous_known) {
        header.previous_term = log_.last_term();
        header.previous_digest = log_.last_digest();
      }
    } else if (!found.previous_known) {
      return RotError(found.file(), 0, kSegmentHeaderBytes, found.damage);
    }
    damage_->segments.push_back({found.file(), found.damage});
    return absl::OkStatus();
  }

  absl::Status CheckContinues(size_t i, bool* cut) {
    FoundSegment& found = live_[i];
    if (!found.damage.empty()) TIDEMARK_RETURN_IF_ERROR(CompleteHeader(found));
    const SegmentHeader& header = found.header;
    LogIndex expected = log_.last_index() + 1;
    uint64_t previous = log_.segments.empty() ? 0 : log_.segments.back().chain_number();
    if (i == 0 && start_ > LogIndex(1) && header.base_index > LogIndex(1) &&
        header.base_index <= start_) {
      expected = header.base_index;
      previous = header.previous_number;
      log_.terms.emplace_back(header.base_index - 1, header.previous_term);
    } else if (header.base_index == expected && header.previous_number == previous &&
               (header.base_offset != log_.next_offset() ||
                header.previous_term != log_.last_term() ||
                header.previous_digest != log_.last_digest())) {
      return RotError(found.file(), 0, kSegmentHeaderBytes,
                      "it does not continue the log before it");
    }
    if (header.base_index == expected && header.previous_number == previous) {
      return absl::OkStatus();
    }
    // What was between was lost, with its file: it may be the crash of the flush that began both.
    if (expected <= known_durable_) {
      return RotError(
          found.file(), 0, kSegmentHeaderBytes,
          absl::StrCat("it begins at index ", header.base_index.value(), " and continues segment ",
                       header.previous_number, "; the log before it ends at index ",
                       (expected - 1).value(), " in segment ", previous));
    }
    *cut = true;
    return absl::OkStatus();
  }

  absl::Status ReadSegment(size_t i) {
    bool cut = false;
    TIDEMARK_RETURN_IF_ERROR(CheckContinues(i, &cut));
    if (cut) {
      CutBefore(i);
      return absl::OkStatus();
    }
    if (live_[i].header.sparse.has_value()) return ReadSparse(i);
    if (i < scan_from_) return TrustFooter(live_[i]);
    return Scan(i);
  }

  absl::Status TrustFooter(const FoundSegment& found) {
    const SegmentFooter& footer = *found.footer;
    if (found.file_bytes < footer.size) {
      constexpr std::string_view kCutShort = "the file is cut short";
      if (damage_ == nullptr) {
        return RotError(found.file(), found.file_bytes, footer.size, kCutShort);
      }
      if (found.damage.empty()) damage_->segments.push_back({found.file(), std::string(kCutShort)});
    }
    Segment segment = SegmentOf(found);
    for (const SegmentFooter::TermRun& run : footer.terms) {
      const Term term(run.term);
      if (term < log_.last_term()) {
        return RotError(found.sidecar(), footer.index_bytes, found.index_file_bytes,
                        "its terms go back");
      }
      if (term != log_.last_term()) {
        log_.terms.emplace_back(segment.base_index + run.first, term);
      }
    }
    log_.last_append = std::max(log_.last_append, segment.last_append);
    log_.floor = {
        .index = segment.end_index() - 1, .end_offset = segment.end(), .digest = segment.digest};
    if (segment.sparse.has_value()) {
      log_.sparse_end = std::max(log_.sparse_end, segment.end_index());
    }
    log_.segments.push_back(std::move(segment));
    return absl::OkStatus();
  }

  // It is durable and committed, as all that it stands for.
  absl::Status ReadSparse(size_t i) {
    FoundSegment& found = live_[i];
    TIDEMARK_RETURN_IF_ERROR(TrustFooter(found));
    log_.tail.clear();
    Segment& segment = log_.segments.back();
    const CompactionCheckpoint& checkpoint = *found.footer->compaction;
    if (found.header.number > checkpoint_number_) {
      checkpoint_number_ = found.header.number;
      log_.compacted = checkpoint;
    }
    if (i < scan_from_) return absl::OkStatus();
    TIDEMARK_ASSIGN_OR_RETURN(found.bytes, directory_.Contents(found.file()));
    TIDEMARK_ASSIGN_OR_RETURN(const std::string_view sidecar, directory_.Contents(found.sidecar()));
    found.index = DecodeIndex(sidecar);
    TIDEMARK_ASSIGN_OR_RETURN(RunIndex runs, ScanSparse(found, segment, sidecar, observer_));
    segment.coarse = false;
    segment.runs = std::move(runs);
    log_.table_bytes += segment.runs.bytes();
    return absl::OkStatus();
  }

  absl::Status Scan(size_t i) {
    FoundSegment& found = live_[i];
    ReadIndexOf(directory_, found);
    TIDEMARK_ASSIGN_OR_RETURN(found.bytes, directory_.Contents(found.file()));
    const auto* const checkpoint = i == scan_from_ ? checkpoint_ : nullptr;
    std::optional<SegmentScan> first(std::in_place, &log_, found, log_.last_term(), checkpoint);
    absl::Status rotten = first->Run();
    const bool last = i + 1 == live_.size();
    const bool whole = rotten.ok() && first->complete();
    const bool clean_end = last && first->end_index() > known_durable_ && first->clean_end();
    if (rotten.ok() && !whole && !clean_end) rotten = CheckTorn(found, *first);
    if (!rotten.ok() && damage_ == nullptr) return rotten;
    if (!rotten.ok()) {
      const LogIndex end = std::exchange(found.end, first->agreed_end());
      first.emplace(&log_, found, log_.last_term(), checkpoint);
      TIDEMARK_RETURN_IF_ERROR(first->Run());
      found.end = end;
    }
    SegmentScan& scan = *first;
    scan.Tell(observer_);
    if (log_.tail.empty()) log_.floor = scan.floor();
    for (const Log::Impl::Frame& frame : scan.frames()) log_.tail.push_back(frame);
    log_.terms.insert(log_.terms.end(), scan.terms().begin(), scan.terms().end());
    log_.segments.push_back(scan.TakeSegment());
    Segment& segment = log_.segments.back();
    log_.last_append = std::max(log_.last_append, scan.last_known_append());
    log_.since_checkpoint = segment.size - std::min(segment.size, scan.last_checkpoint_pos());
    if (!last) {
      // The next one was begun with an append.
      segment.last_append = std::min(
          segment.last_append, std::max(live_[i + 1].header.created, scan.last_known_append()));
      AdoptFooter(found, segment);
    }
    if (whole || (rotten.ok() && clean_end)) return absl::OkStatus();
    if (!rotten.ok()) TIDEMARK_RETURN_IF_ERROR(GiveUpFrom(i, rotten));
    CutBefore(i + 1);
    return absl::OkStatus();
  }

  // Behind the frames read, those of segment `i` are damaged. Observers were told of no others.
  absl::Status GiveUpFrom(size_t i, const absl::Status& rotten) {
    GivenUp given_up{.from = log_.last_index() + 1,
                     .upto = std::max(known_durable_, log_.last_index()),
                     .what = std::string(rotten.message())};
    for (; i < live_.size(); ++i) {
      FoundSegment& found = live_[i];
      if (found.header.sparse.has_value()) return rotten;
      TIDEMARK_ASSIGN_OR_RETURN(found.bytes, directory_.Contents(found.file()));
      ReadIndexOf(directory_, found);
      const SegmentWalk walk = WalkSegment(found, nullptr);
      const LogIndex end = found.header.base_index + EntriesAtMost(found, walk);
      given_up.upto = std::max(given_up.upto, std::min(end, found.end) - 1);
    }
    known_durable_ = std::min(known_durable_, log_.last_index());
    known_committed_ = std::min(known_committed_, log_.last_index());
    damage_->given_up = std::move(given_up);
    return absl::OkStatus();
  }

  // A segment that gets no more frames has its footer, or gets it when that is known durable.
  void AdoptFooter(const FoundSegment& found, Segment& segment) {
    segment.sealed = found.footer.has_value() && segment.unwritten.empty() &&
                     found.footer->count == segment.count && found.footer->size == segment.size &&
                     found.footer->digest == segment.digest &&
                     found.footer->index_bytes == segment.index_bytes;
    if (segment.sealed) {
      segment.footer_bytes = EncodeFooter(*found.footer).size();
      segment.stride = found.footer->stride;  // a scan from a checkpoint did not see all frames
      log_.table_bytes += segment.runs.bytes();
      log_.even_tables = log_.even_tables || segment.stride.even();
    } else {
      log_.unsealed.push_back(segment.number);
    }
  }

  // Whether what ends the log in `found` can be a flush that a crash interrupted.
  absl::Status CheckTorn(const FoundSegment& found, const SegmentScan& scan) {
    const size_t pos = scan.size();
    const auto rot = [&](std::string_view what) {
      return RotError(found.file(), pos, found.bytes.size(), what);
    };
    const std::string_view wrong = scan.wrong().empty() ? "no frame begins there" : scan.wrong();
    if (scan.end_index() <= known_durable_) return rot(wrong);
    if (pos >= found.bytes.size()) return absl::OkStatus();
    bool gave_up = false;
    const std::optional<size_t> later =
        FindLaterFrame(found.bytes, pos + 1, scan.context(), gave_up);
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
    if (!log_.segments.empty()) std::erase(log_.unsealed, log_.segments.back().number);
    for (; i < live_.size(); ++i) Unwanted(live_[i]);
  }

  // Writes again what is there but not known durable. After the crash of a process (not of the
  // machine) it may be in the page cache alone, and after a failed sync the kernel calls such pages
  // clean: only writing makes them durable.
  void StageRewrite(const Segment& segment, const FoundSegment& found) {
    if (segment.end_index() <= known_durable_ + 1 && segment.count > 0) return;
    const FileId file = log_.SegmentFile(segment);
    const uint64_t begin =
        known_durable_ + 1 <= segment.base_index ? 0 : log_.FramePos(segment, known_durable_ + 1);
    if (begin == segment.size) return;
    log_.staged.ops.push_back(WriteFile{
        file, FilePos(begin), {Bytes::Copy(found.bytes.substr(begin, segment.size - begin))}});
    log_.staged_sync.push_back(file);
    // Its name may be as young; a removal makes the directory durable.
    if (begin == 0) {
      log_.staged.ops.push_back(RemoveFile{{log_.group, FileKind::kTemporary, segment.number}});
    }
    // So may be its sidecar, any part of it, as it is not synced with the frames: its footer will
    // vouch for it. And a checkpoint at its beginning stands for the segments before, which may go
    // once the first entry here is durable.
    const absl::StatusOr<std::string_view> sidecar = directory_.Contents(found.sidecar());
    if (segment.index_bytes == 0 || !sidecar.ok()) return;
    log_.staged.ops.push_back(WriteFile{
        found.sidecar(), FilePos(0), {Bytes::Copy(sidecar->substr(0, segment.index_bytes))}});
    log_.staged_sync.push_back(found.sidecar());
  }

  void StageRepairs() {
    for (size_t i = 0; i < log_.segments.size(); ++i) {
      StageRewrite(log_.segments[i], live_[i]);
      // What it stands for goes when its footer is durable, which may be in the page cache alone.
      if (!live_[i].replaces_files) continue;
      const SegmentFooter& footer = *live_[i].footer;
      log_.staged.ops.push_back(WriteFile{
          live_[i].sidecar(), FilePos(footer.index_bytes), {Bytes::From(EncodeFooter(footer))}});
      log_.staged_sync.push_back(live_[i].sidecar());
    }
    if (!log_.segments.empty()) {
      const Segment& segment = log_.segments.back();
      log_.run_first = segment.count;
      // What a sidecar holds beyond the data could be taken for the index of what is appended next.
      if (!segment.has_index || segment.index_stale || !segment.unwritten.empty()) log_.seal = true;
    }
    log_.leftovers = !unwanted_.empty();
    // Files that a younger segment replaces go when that one is durable, see Log::Impl::replaced.
    if (log_.staged.ops.empty()) {
      for (const FileId& file : unwanted_) log_.staged.ops.push_back(RemoveFile{file});
    } else {
      log_.replaced_staged = std::move(unwanted_);
    }
  }

  Log::Impl& log_;
  const DirectoryView& directory_;
  LogIndex known_committed_;
  LogIndex known_durable_;  // entries up to here were durable
  const LogIndex start_;
  const SnapshotFiles snapshot_;
  RecoveryObserver* const observer_;
  RecoveredDamage* const damage_;   // null: nothing may be damaged
  std::vector<FoundSegment> all_;   // in order of creation
  std::vector<FoundSegment> lost_;  // whose header is; likewise
  std::vector<FoundSegment> live_;  // in order of the log
  std::vector<FileId> unwanted_;
  struct Headless {
    FileId file;
    Offset offset;  // of its first frame
    Term term;
  };
  std::vector<Headless> headless_;
  // Where reading frames begins: at the first frame, or behind what the checkpoint stands for.
  size_t scan_from_ = 0;
  const DecodedIndexEntry* checkpoint_ = nullptr;
  bool torn_ = false;
  uint64_t checkpoint_number_ = 0;  // of the segment whose word on compaction counts
};

absl::StatusOr<Log> Log::Recover(GroupId group, const LogOptions& options,
                                 const DirectoryView& directory, LogIndex committed,
                                 RecoveryObserver* observer, LogIndex start,
                                 const SnapshotFiles& snapshot) {
  return Recoverer::Recover(group, options, directory, committed, observer, start, snapshot,
                            nullptr);
}

absl::StatusOr<Log> RecoverUpToDamage(GroupId group, const LogOptions& options,
                                      const DirectoryView& directory, LogIndex committed,
                                      RecoveryObserver* observer, LogIndex start,
                                      const SnapshotFiles& snapshot, RecoveredDamage& damage) {
  return Recoverer::Recover(group, options, directory, committed, observer, start, snapshot,
                            &damage);
}

}  // namespace tidemark
