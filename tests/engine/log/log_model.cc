#include "tests/engine/log/log_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/log/frame.h"
#include "engine/log/segment.h"
#include "tests/engine/log/model_observers.h"

namespace tidemark {
namespace {

using Version = LogModel::Version;

Offset EndOf(const Version& version, size_t length) {
  return length == 0 ? Offset(0) : version[length - 1]->end;
}

std::string IfDifferent(std::string_view what, uint64_t is, uint64_t should) {
  return is == should ? std::string()
                      : absl::StrCat(std::string(what), " is ", is, ", not ", should);
}

bool SameStart(const Version& a, const Version& b, size_t length) {
  return a.size() >= length && b.size() >= length &&
         std::equal(a.begin(), a.begin() + length, b.begin());
}

std::string Differs(const Entry& entry, const Version& version) {
  if (entry.index == LogIndex(0) || entry.index.value() > version.size()) {
    return absl::StrCat("entry ", entry.index.value(), " is outside the log");
  }
  const LogModel::Item& item = *version[entry.index.value() - 1];
  const Offset end = EndOf(version, entry.index.value());
  if (entry.term != item.term || entry.kind != item.kind || entry.offset_span != item.span ||
      entry.end_offset() != end) {
    return absl::StrCat("entry ", entry.index.value(), " has a wrong term, kind or offset");
  }
  return "";
}

// The facts that Log::TermAt() and its like tell about `version`.
std::string CheckFacts(const Log& log, const Version& version) {
  const LogIndex first = log.first_index();
  std::string wrong = IfDifferent("last_index", log.last_index().value(), version.size());
  if (!wrong.empty()) return wrong;
  if (first == LogIndex(0) || first > log.last_index() + 1) return "first_index is outside the log";
  Offset end = EndOf(version, first.value() - 1);
  Term term = first == LogIndex(1) ? Term(0) : version[first.value() - 2]->term;
  wrong = IfDifferent("start_offset", log.start_offset().value(), end.value());
  for (LogIndex index = first - 1; wrong.empty(); ++index) {
    if (index >= first) {
      end = version[index.value() - 1]->end;
      term = version[index.value() - 1]->term;
    }
    if (log.TermAt(index) != term) wrong = absl::StrCat("TermAt(", index.value(), ") is wrong");
    // Further below, only the ends of segments are known.
    const bool known =
        index >= std::min(log.committed_index(), log.durable_index()) || index + 1 == first;
    if (known && log.EndOffsetOf(index) != end) {
      wrong = absl::StrCat("EndOffsetOf(", index.value(), ") is ", log.EndOffsetOf(index).value(),
                           ", not ", end.value());
    }
    if (index == log.last_index()) break;
  }
  if (!wrong.empty()) return wrong;
  if (log.last_term() != term) return "last_term is wrong";
  if (log.TermAt(log.last_index() + 1).has_value()) return "TermAt knows a term past the end";
  return IfDifferent("next_offset", log.next_offset().value(), end.value());
}

// That `range` of a file with these `contents` holds whole entries of `version`, `first` among
// them and none past `limit`; hands them out in `entries`.
std::string CheckRange(const FileRange& range, std::string_view contents, const Version& version,
                       LogIndex first, LogIndex limit, std::vector<Entry>& entries) {
  if (range.pos.value() + range.length > contents.size()) return "a range reaches past its file";
  absl::StatusOr<std::vector<Entry>> read =
      EntriesIn(range, Bytes::Static(contents.substr(range.pos.value(), range.length)));
  if (!read.ok()) return std::string(read.status().message());
  if (read->empty() || read->front().index > first || read->back().index < first) {
    return absl::StrCat("the range for entry ", first.value(), " does not hold it");
  }
  if (read->back().index > limit) return "a range reaches past its limit";
  for (const Entry& entry : *read) {
    const std::string wrong = Differs(entry, version);
    if (!wrong.empty()) return wrong;
    if (entry.frame.view() != version[entry.index.value() - 1]->frame) {
      return absl::StrCat("entry ", entry.index.value(), " has other bytes than were appended");
    }
  }
  entries = *std::move(read);
  return "";
}

// Reads everything durable, front to back.
template <typename Contents>
std::string CheckDurableBytes(const Log& log, const Version& version, const Contents& contents) {
  for (LogIndex index = log.first_index(); index <= log.durable_index();) {
    const FileRange range = log.RangeOf(index, 1 << 20);
    std::vector<Entry> entries;
    const std::string wrong =
        CheckRange(range, contents(range.file), version, index, log.written_index(), entries);
    if (!wrong.empty()) return wrong;
    index = entries.back().index + 1;
  }
  return "";
}

// That OffsetAtTime does not pass over an entry, of those behind the first `unknown`, that was
// appended at `wall_ms` or later.
std::string CheckNotLate(const Log& log, const Version& version, size_t unknown, int64_t wall_ms) {
  const Offset found = log.OffsetAtTime(WallTime::FromMillis(wall_ms));
  for (size_t i = std::max<size_t>(unknown, log.first_index().value() - 1); i < version.size();
       ++i) {
    const LogModel::Item& item = *version[i];
    if (item.span == 0 || item.wall_ms < wall_ms) continue;
    if (found <= item.end - item.span) return "";
    return absl::StrCat("OffsetAtTime(", wall_ms, ") is ", found.value(),
                        ", late: the batch before ", item.end.value(), " was appended at ",
                        item.wall_ms);
  }
  return "";
}

}  // namespace

LogModel::LogModel(const LogOptions& options) : options_(options) {
  Recovered empty = Judge({}, {});
  TIDEMARK_CHECK(empty.status.ok());
  Adopt(std::move(empty), true);
}

void LogModel::Append(uint32_t records, size_t value_bytes, Term term, int64_t wall_ms) {
  const std::string mark = absl::StrCat(++serial_, ":");
  std::string frame;
  if (records == 0) {
    frame = EncodeControlFrame(mark + std::string(value_bytes, 'c'));
  } else {
    BatchBuilder builder;
    for (uint32_t i = 0; i < records; ++i) {
      // Not all bytes alike, and runs of zeros among them: they look like sectors that were lost.
      std::string value(value_bytes,
                        serial_ % 4 == 0 ? '\0' : static_cast<char>('a' + serial_ % 26));
      builder.Add(std::nullopt, mark + value, 1000);
    }
    frame = builder.Finish();
  }
  PatchBatch(frame.data(), log_->next_offset(), term);
  current_.push_back(std::make_shared<const Item>(
      Item{.frame = frame,
           .term = term,
           .kind = records == 0 ? EntryKind::kControl : EntryKind::kData,
           .span = records,
           .end = EndOf(current_, current_.size()) + records,
           .wall_ms = wall_ms}));
  known_at_append_ = claimed_;
  ++appended_;
  clock_went_back_ |= wall_ms < last_wall_.value_or(wall_ms);
  last_wall_ = std::max(last_wall_.value_or(wall_ms), wall_ms);
  log_->SetCheckpointSource(this);  // the model may have moved
  log_->Append(*EntryOf(log_->last_index() + 1, Bytes::From(std::move(frame))),
               WallTime::FromMillis(wall_ms));
}

void LogModel::Cut(LogIndex from) {
  TIDEMARK_CHECK_GT(from, committed_);
  log_->TruncateSuffix(from);
  if (from > last()) return;
  former_.push_back({current_, durable_});
  current_.resize(from.value() - 1);
  for (size_t* length :
       {&durable_, &applied_, &claimed_, &taken_, &recovered_, &known_at_append_, &vouched_}) {
    *length = std::min(*length, current_.size());
  }
  // What is cut need not have written down what was durable.
  appended_ = taken_vouch_ = 0;
  ForgetImpossible();
}

void LogModel::Commit(LogIndex index) {
  TIDEMARK_CHECK_LE(index.value(), claimed_);
  if (index <= committed_) return;
  committed_ = index;
  log_->SetCommitted(index);
}

void LogModel::ChangeHardState(Term term, NodeId vote) { unsaved_ = {term, vote}; }

void LogModel::CutPrefix(LogIndex first_kept) {
  TIDEMARK_CHECK_LE(first_kept, committed_);
  if (first_kept <= first_kept_) return;
  // The hard state comes first.
  first_kept_ = first_kept;
  start_unsaved_ = true;
}

void LogModel::RemovePrefix() {
  const LogIndex start =
      std::min(hard_.start, std::min(log_->committed_index(), log_->durable_index()) + 1);
  if (start > log_->first_index()) log_->TruncatePrefix(start);
}

void LogModel::AppendState(std::string& out) const {
  AppendLittle<uint64_t>(out, log_->last_index().value());
}

void LogModel::BeginFlush() {
  TIDEMARK_CHECK(can_flush());
  log_->SetCheckpointSource(this);
  batch_has_log_ = log_->has_staged();
  batch_ = batch_has_log_ ? log_->TakeBatch() : FileBatch{};
  taken_ = batch_has_log_ ? current_.size() : 0;
  taken_vouch_ = std::exchange(appended_, 0) > 0 ? known_at_append_ : 0;
  if (unsaved_.has_value() || start_unsaved_) {
    HardStateRecord record = hard_written_.empty() ? hard_ : hard_written_.back();
    ++record.generation;
    if (unsaved_.has_value()) {
      record.term = unsaved_->first;
      record.vote = unsaved_->second;
    }
    record.start = first_kept_;
    start_unsaved_ = false;
    record.commit = std::max(record.commit, std::min(committed_, log_->durable_index()));
    unsaved_.reset();
    AppendHardState(kModelGroup, record, *batch_);
    hard_written_.push_back(record);
  }
  applied_ops_ = 0;
  BatchApplied();
}

// What follows once all of the batch is executed, if it is.
void LogModel::BatchApplied() {
  if (applied_ops_ == batch_->ops.size()) applied_ = std::max(applied_, taken_);
}

bool LogModel::ApplyNext() {
  if (applied_ops_ == batch_->ops.size()) return false;
  disk_.ApplyOne(batch_->ops[applied_ops_++]);
  BatchApplied();
  return true;
}

void LogModel::CompleteFlush() {
  while (ApplyNext()) {
  }
  disk_.Sync(*batch_);
  ReportDurable();
}

void LogModel::ReportDurable() {
  const std::vector<FileId> synced = std::exchange(batch_, std::nullopt)->sync;
  if (std::count(synced.begin(), synced.end(), FileId{kModelGroup, FileKind::kHardState, 0}) > 0) {
    hard_ = hard_reported_ = hard_written_.back();
    hard_written_.clear();
    if (!batch_has_log_) RemovePrefix();
  }
  if (!batch_has_log_) return;
  log_->OnBatchDurable();
  RemovePrefix();
  durable_ = std::max(durable_, taken_);
  claimed_ = std::max(claimed_, taken_);
  if (taken_vouch_ >= log_->first_index().value() &&
      log_->RangeOf(LogIndex(taken_vouch_), 1).file == log_->RangeOf(LogIndex(taken_), 1).file) {
    vouched_ = std::max(vouched_, taken_vouch_);
  }
  taken_ = taken_vouch_ = 0;
  ForgetImpossible();
}

void LogModel::FlushAll() {
  while (flushing() || can_flush()) {
    if (!flushing()) BeginFlush();
    CompleteFlush();
  }
}

// What the durable entries have replaced is gone for good.
void LogModel::ForgetImpossible() {
  for (Former& former : former_) {
    if (!SameStart(former.version, current_, durable_)) former.possible = false;
  }
}

std::optional<Version> LogModel::Match(LogIndex first, const std::vector<std::string_view>& frames,
                                       bool also_impossible) const {
  const size_t skipped = first.value() - 1;
  const auto begins_with_them = [&](const Version& version) {
    if (version.size() < skipped + frames.size()) return false;
    for (size_t i = 0; i < frames.size(); ++i) {
      if (version[skipped + i]->frame != frames[i]) return false;
    }
    return true;
  };
  const auto cut = [&](const Version& version) {
    return Version(version.begin(),
                   version.begin() + static_cast<ptrdiff_t>(skipped + frames.size()));
  };
  if (begins_with_them(current_)) return cut(current_);
  for (const Former& former : former_) {
    if ((former.possible || also_impossible) && begins_with_them(former.version))
      return cut(former.version);
  }
  return std::nullopt;
}

size_t LogModel::DurableIn(const Version& version) const {
  const auto promised = [&](const Version& other, size_t durable) {
    size_t same = 0;
    while (same < std::min(durable, version.size()) && version[same] == other[same]) ++same;
    return same;
  };
  size_t durable = promised(current_, durable_);
  for (const Former& former : former_) {
    if (former.possible) durable = std::max(durable, promised(former.version, former.durable));
  }
  return durable;
}

LogModel::Recovered LogModel::Judge(const DiskImage& image, const Promise& promise) const {
  Recovered out;
  const auto hard_file = image.find(FileId{kModelGroup, FileKind::kHardState, 0});
  const absl::StatusOr<HardStateRecord> hard =
      DecodeHardState(hard_file == image.end() ? "" : std::string_view(hard_file->second));
  if (!hard.ok()) {
    out.status = hard.status();
    return out;
  }
  out.hard = *hard;
  if (*hard != hard_ && !(promise.damaged && *hard == hard_reported_) &&
      std::find(hard_written_.begin(), hard_written_.end(), *hard) == hard_written_.end()) {
    out.wrong = absl::StrCat("the hard state has generation ", hard->generation, ", ",
                             hard_.generation, " was durable");
    return out;
  }
  Witness witness;
  const ImageView view(image);
  const LogIndex start = std::max(hard->start, LogIndex(1));
  absl::StatusOr<Log> log =
      Log::Recover(kModelGroup, options_, view, hard->commit, &witness, start);
  if (!log.ok()) {
    out.status = log.status();
    return out;
  }
  Hurried hurried;
  absl::StatusOr<Log> quick =
      Log::Recover(kModelGroup, options_, view, hard->commit, &hurried, start);
  if (!quick.ok() || quick->last_index() != log->last_index() || quick->digest() != log->digest() ||
      quick->durable_index() != log->durable_index() ||
      quick->first_index() != log->first_index() ||
      (hurried.count != log->last_index().value() && hurried.count != witness.frames.size())) {
    out.wrong = absl::StrCat("from a checkpoint, recovery comes to something else: ",
                             std::string(quick.status().message()), " counted ", hurried.count);
    return out;
  }
  const bool hurry = (log->last_index().value() + witness.frames.size()) % 3 != 0;
  out.log.emplace(hurry ? *std::move(quick) : *std::move(log));
  std::optional<Version> version = Match(out.log->first_index(), witness.frames, promise.damaged);
  if (!version.has_value()) {
    out.wrong = absl::StrCat("what was recovered (", witness.frames.size(),
                             " entries) is not the beginning of what the log ever was");
    return out;
  }
  out.version = *std::move(version);
  for (size_t i = 0; i < witness.entries.size() && out.wrong.empty(); ++i) {
    out.wrong = IfDifferent("the index of a recovered entry", witness.entries[i].index.value(),
                            out.log->first_index().value() + i);
    if (out.wrong.empty()) out.wrong = Differs(witness.entries[i], out.version);
  }
  if (out.wrong.empty()) out.wrong = JudgeRecovered(image, promise, out);
  return out;
}

std::string LogModel::JudgeRecovered(const DiskImage& image, const Promise& promise,
                                     const Recovered& recovered) const {
  const Log& log = *recovered.log;
  const Version& version = recovered.version;
  if (!SameStart(version, current_, promise.kept)) {
    return absl::StrCat("of ", promise.kept,
                        " entries that were to be kept, not all are among the ", version.size(),
                        " recovered");
  }
  if (log.first_index() > first_kept_) return "more of the prefix is gone than was removed";
  if (log.durable_index().value() > promise.vouched_max &&
      log.durable_index().value() > DurableIn(version)) {
    return absl::StrCat("entry ", log.durable_index().value(), " is taken for durable; ",
                        DurableIn(version), " entries are");
  }
  if (log.durable_index().value() < promise.vouched_min) {
    return absl::StrCat("that entry ", promise.vouched_min, " is durable was written down, and is ",
                        "forgotten");
  }
  if (log.durable_index() < recovered.hard.commit) return "a committed entry is not durable";
  if (log.durable_index() < log.last_index() && !log.has_staged()) {
    return "what was found will never become durable";
  }
  std::string wrong = CheckFacts(log, version);
  for (size_t i = 0; !clock_went_back_ && wrong.empty() && i < version.size(); ++i) {
    wrong = CheckNotLate(log, version, 0, version[i]->wall_ms);
  }
  if (wrong.empty()) {
    wrong = CheckDurableBytes(log, version, [&](const FileId& file) -> std::string_view {
      const auto found = image.find(file);
      return found == image.end() ? std::string_view() : std::string_view(found->second);
    });
  }
  return wrong;
}

void LogModel::Adopt(Recovered recovered, bool power_lost) {
  durable_ = power_lost ? recovered.version.size() : DurableIn(recovered.version);
  if (power_lost) {
    for (Former& former : former_) former.possible = false;
    hard_ = recovered.hard;
    hard_written_.clear();
  } else {
    former_.push_back({std::move(current_), std::min(durable_, current_.size())});
    hard_written_ = {recovered.hard};
  }
  current_ = std::move(recovered.version);
  log_ = std::move(recovered.log);
  applied_ = recovered_ = current_.size();
  claimed_ = log_->durable_index().value();
  taken_ = taken_vouch_ = vouched_ = appended_ = 0;
  batch_.reset();
  unsaved_.reset();
  ForgetImpossible();
  log_->SetCommitted(std::min(committed_, log_->durable_index()));
}

LogModel LogModel::Restarted(const DiskImage& image, Recovered recovered) const {
  LogModel next(options_);
  next.disk_ = MemoryDisk(image);
  next.committed_ = committed_;
  next.first_kept_ = first_kept_;
  next.serial_ = serial_;
  next.last_wall_ = last_wall_;
  next.clock_went_back_ = clock_went_back_;
  next.former_ = former_;
  next.hard_reported_ = hard_reported_;
  next.Adopt(std::move(recovered), true);
  return next;
}

std::string LogModel::JudgeDamage(const DiskImage& damaged, Damage& outcome) const {
  Recovered recovered =
      Judge(damaged, {.kept = claimed_, .vouched_max = SIZE_MAX, .damaged = true});
  if (!recovered.wrong.empty()) return recovered.wrong;
  if (!recovered.status.ok()) {
    outcome = Damage::kRefused;
    const bool honest =
        absl::IsDataLoss(recovered.status) || absl::IsFailedPrecondition(recovered.status);
    return honest && recovered.status.message().size() > 60
               ? std::string()
               : absl::StrCat("an error without advice: ", recovered.status.message());
  }
  outcome = recovered.version.size() < current_.size() ? Damage::kCostEntries : Damage::kHarmless;
  LogModel after = Restarted(damaged, std::move(recovered));
  after.Append(1, 300, after.term() + 1, 0);
  after.FlushAll();
  const Recovered again = after.Judge(after.disk().Image(), after.AfterPowerLoss());
  if (!again.status.ok()) return absl::StrCat("later: ", again.status.message());
  return again.wrong.empty() ? "" : absl::StrCat("later: ", again.wrong);
}

std::string LogModel::Check() const {
  std::string wrong = IfDifferent("durable_index", log_->durable_index().value(), claimed_);
  if (wrong.empty() && log_->first_index() > first_kept_) {
    wrong = "more of the prefix is gone than was removed";
  }
  if (wrong.empty() && claimed_ > durable_) wrong = "more is claimed to be durable than is";
  if (wrong.empty()) wrong = CheckFacts(*log_, current_);
  if (!wrong.empty()) return wrong;
  return CheckDurableBytes(*log_, current_, [&](const FileId& file) { return disk_.Read(file); });
}

std::string LogModel::CheckRead(LogIndex first, uint64_t max_bytes) const {
  const FileRange range = log_->RangeOf(first, max_bytes);
  std::vector<Entry> entries;
  return CheckRange(range, disk_.Read(range.file), current_, first, log_->written_index(), entries);
}

std::string LogModel::CheckReadOffset(Offset offset, LogIndex limit, uint64_t max_bytes) const {
  limit = std::max(limit, std::min(log_->committed_index(), log_->durable_index()));
  const absl::StatusOr<FileRange> range = log_->RangeOfOffset(offset, limit, max_bytes);
  const LogIndex reach = std::min(limit, log_->written_index());
  const Offset end = EndOf(current_, reach.value());
  const bool inside = offset >= log_->start_offset() && offset < end;
  if (range.ok() != inside)
    return absl::StrCat("reading offset ", offset.value(), " of ", end.value());
  if (!inside) return absl::IsOutOfRange(range.status()) ? "" : "a wrong error";
  LogIndex holder{1};
  while (EndOf(current_, holder.value()) <= offset) ++holder;
  const std::string_view contents = disk_.Read(range->file);
  std::vector<Entry> entries;
  std::string wrong = CheckRange(*range, contents, current_, holder, reach, entries);
  if (!wrong.empty()) return wrong;
  std::string should;
  for (const Entry& entry : entries) {
    if (entry.kind == EntryKind::kData && entry.end_offset() > offset &&
        entry.end_offset() <= end) {
      should += current_[entry.index.value() - 1]->frame;
    }
  }
  const auto runs = ConsumerFrames(
      *range, Bytes::Static(contents.substr(range->pos.value(), range->length)), offset, end);
  if (!runs.ok()) return std::string(runs.status().message());
  std::string is;
  for (const Bytes& run : *runs) is += run.view();
  return is == should ? "" : "a consumer gets other frames than were appended";
}

std::string LogModel::CheckTime(int64_t wall_ms) const {
  const Offset found = log_->OffsetAtTime(WallTime::FromMillis(wall_ms));
  if (found < log_->start_offset() || found > log_->next_offset()) {
    return "OffsetAtTime is outside the log";
  }
  if (last_wall_.has_value() && wall_ms > *last_wall_ && recovered_ == 0 &&
      found != log_->next_offset()) {
    return "OffsetAtTime of the future is not the end";
  }
  // Where a crash took the sidecar's run, frames count as appended with the one before: too early,
  // and if the clock went back meanwhile, nothing later tells.
  return CheckNotLate(*log_, current_, clock_went_back_ ? recovered_ : 0, wall_ms);
}

std::string LogModel::CheckCache(LogIndex first, uint64_t max_bytes, size_t max_entries) const {
  const EntryList entries = log_->CachedEntries(first, max_bytes, max_entries);
  // What is not durable yet can be read nowhere else, but for what recovery found.
  const bool must =
      first.value() > std::max(claimed_, recovered_) && first <= last() && max_entries > 0;
  if (entries.empty()) return must ? "an entry that is not durable is not in the cache" : "";
  if (entries.size() > max_entries) return "more cached entries than were asked for";
  uint64_t bytes = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].index != first + i) return "cached entries are not in order";
    const std::string wrong = Differs(entries[i], current_);
    if (!wrong.empty()) return wrong;
    if (entries[i].frame.view() != current_[first.value() - 1 + i]->frame) {
      return "a cached entry has other bytes than were appended";
    }
    bytes += entries[i].frame.size();
  }
  return bytes > max_bytes && entries.size() > 1 ? "more cached bytes than were asked for" : "";
}

bool OnlyTermsDiffer(const DiskImage& before, const DiskImage& after) {
  if (before.size() != after.size()) return false;
  for (const auto& [file, contents] : before) {
    const auto found = after.find(file);
    if (found == after.end() || found->second.size() != contents.size()) return false;
    std::string repaired = found->second;
    for (size_t at = kSegmentHeaderBytes;
         file.kind == FileKind::kSegment && at < contents.size();) {
      const auto header = DecodeBatchHeader(std::string_view(contents).substr(at));
      if (!header.ok()) break;
      repaired.replace(at + 12, 4, contents, at + 12, 4);
      at += header->total_bytes();
    }
    if (repaired != contents) return false;
  }
  return true;
}

bool LosesAHeader(const DiskImage& before, const DiskImage& after) {
  for (const auto& [file, contents] : before) {
    const auto found = after.find(file);
    if (file.kind != FileKind::kSegment || found == after.end()) continue;
    const std::string_view now = found->second;
    if (now != contents && (now.size() < kSegmentHeaderBytes || AllZeros(now.substr(0, 512)))) {
      return true;
    }
  }
  return false;
}

}  // namespace tidemark
