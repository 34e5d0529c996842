#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/node/replica.h"

// What consumers read. Those that must see what others were told (Consistency in request.h) first
// wait to know what that is; they never hang, fresh_reads.h has the bound.

namespace tidemark {

void Replica::Fetch(Now now, RequestId request, const FetchRequest& fetch, Effects& out) {
  ++shared_->counters.fetches;
  if (fetch.consistency == Consistency::kCommitted) {
    FetchHere(now, request, fetch, out);
    return;
  }
  if (failed()) {
    // Others may have gone on without this replica.
    out.push_back(Reply{request, StorageFailed()});
  } else if (!active()) {
    RefuseRead(now, {.request = request, .fetch = fetch}, false);
  } else if (fresh_.waiting() >= kReadsPendingMax) {
    out.push_back(Reply{
        request, RpcError{.code = absl::StatusCode::kResourceExhausted,
                          .reason = "BACK_PRESSURE",
                          .message = absl::StrCat(kReadsPendingMax,
                                                  " reads of this partition wait for its leader's "
                                                  "word already; slow down and retry"),
                          .metadata = {}}});
  } else if (fetch.consistency == Consistency::kBounded &&
             fresh_.Within(now.instant, fetch.max_staleness)) {
    ++shared_->counters.reads_bounded;
    FetchHere(now, request, fetch, out);
  } else {
    fresh_.Wait(now.instant, {.request = request, .fetch = fetch});
  }
}

std::vector<std::pair<RequestId, RpcError>> Replica::TakeRefusedReads() {
  return std::exchange(refused_reads_, {});
}

void Replica::SettleReads(Now now, Effects& out) {
  if (fresh_.ParkedAreDue(now.instant)) {
    fresh_.ParkedWereSeen();
    for (auto at = parked_.begin(); at != parked_.end();) {
      const ParkedFetch& parked = at->second;
      if (parked.bound.has_value() && !fresh_.Within(now.instant, *parked.bound)) {
        fresh_.Wait(now.instant, {.request = at->first, .fetch = parked.Again()});
        at = parked_.erase(at);
        continue;
      }
      if (parked.bound.has_value()) fresh_.OnParked(*parked.bound);
      ++at;
    }
  }
  if (const std::optional<raft::ReadId> round = fresh_.BeginRound(now.instant)) {
    raft::Effects fx;
    raft_.ReadIndex(now.instant, *round, fx);
    Absorb(std::move(fx), out);
  }
  for (const FreshReads::Outcome& outcome : fresh_.Settle(now.instant, visible_index())) {
    const auto& [request, fetch] = outcome.read;
    if (outcome.verdict != FreshReads::Verdict::kReady) {
      RefuseRead(now, outcome.read, outcome.verdict == FreshReads::Verdict::kTooStale);
      continue;
    }
    ++(fetch.consistency == Consistency::kBounded ? shared_->counters.reads_bounded
                                                  : shared_->counters.reads_linearizable);
    FetchHere(now, request, fetch, out);
  }
}

void Replica::RefuseWaitingReads(Now now) {
  for (const WaitingFetch& read : fresh_.TakeAll()) RefuseRead(now, read, false);
}

void Replica::RefuseRead(Now now, const WaitingFetch& read, bool too_stale) {
  ++shared_->counters.reads_refused;
  const bool bounded = read.fetch.consistency == Consistency::kBounded;
  RpcError error{.code = absl::StatusCode::kUnavailable,
                 .reason = bounded ? "TOO_STALE" : "READ_NOT_CONFIRMED",
                 .message = {},
                 .metadata = {{"term", absl::StrCat(raft_.term().value())}}};
  const std::optional<Duration> age = fresh_.Age(now.instant);
  if (bounded) {
    error.metadata["max_staleness_us"] = absl::StrCat(read.fetch.max_staleness.micros());
  }
  if (age.has_value()) error.metadata["staleness_us"] = absl::StrCat(age->micros() + 1);
  const std::string why =
      too_stale ? "to ask the leader, or to find the offset, took longer than the read allows"
      : raft_.leader() == kNoNode
          ? "no leader is known for this partition (an election is under way, or this node is cut "
            "off)"
          : "the leader did not confirm in time what has been acknowledged (it may be cut off, or "
            "be handing over), or this replica lacks it still";
  error.message = absl::StrCat(why,
                               "; try again shortly, ask another replica, or read what is "
                               "committed here, however old, with consistency `committed`");
  if (raft_.leader() != kNoNode && raft_.leader() != raft_.self()) {
    error.metadata["leader_id"] = absl::StrCat(raft_.leader().value());
  }
  refused_reads_.emplace_back(read.request, std::move(error));
}

void Replica::FetchHere(Now now, RequestId request, const FetchRequest& fetch, Effects& out) {
  if (switching_ && install_.has_value() &&
      (install_->discards || install_->refetches.has_value())) {
    out.push_back(Reply{request, RefetchesLog()});
    return;
  }
  if (failed()) {
    // What is known durable and committed can be read on, unless the files proved to be damaged.
    const Offset from = BeginningOf(fetch);
    const bool here = from < visible_end() || (from == visible_end() && !fetch.wait);
    if (failure_.reopen_at == Instant::Never() || from < log_->start_offset() ||
        !(here || knows_end())) {
      out.push_back(Reply{request, StorageFailed()});
    } else {
      FetchNow(now, request, fetch, out);
    }
    return;
  }
  // While the files change nothing may be read of them.
  const std::optional<FileRange> sidecar =
      switching_ ? std::nullopt : log_->IndexOfOffset(BeginningOf(fetch));
  if (sidecar.has_value()) {
    ReadSidecar(*sidecar, out).fetches.push_back({.request = request, .fetch = fetch});
  } else {
    FetchNow(now, request, fetch, out);
  }
}

bool Replica::knows_end() const {
  if (!failed()) return raft_.serving();
  // Nobody else goes on where there is nobody else.
  return served_ && alone();
}

Offset Replica::BeginningOf(const FetchRequest& fetch) const {
  switch (fetch.start) {
    case FetchRequest::Start::kEarliest:
      return log_->start_offset();
    case FetchRequest::Start::kLatest:
      return visible_end();
    case FetchRequest::Start::kAppendTime:
      return std::min(visible_end(), log_->OffsetAtTime(fetch.append_time));
    case FetchRequest::Start::kOffset:
      return fetch.offset;
  }
  TIDEMARK_CHECK(false);
  return fetch.offset;
}

void Replica::FetchNow(Now now, RequestId request, const FetchRequest& fetch, Effects& out) {
  // The read of a sidecar may have taken longer than the bound allows.
  if (fetch.consistency == Consistency::kBounded &&
      !fresh_.Within(now.instant, fetch.max_staleness)) {
    RefuseRead(now, {.request = request, .fetch = fetch}, true);
    return;
  }
  const Offset end = visible_end();
  const Offset from = BeginningOf(fetch);
  const uint32_t max_bytes =
      static_cast<uint32_t>(std::clamp<uint64_t>(fetch.max_bytes, 1, kFetchBytesMax));
  if (from < log_->start_offset() || from > end) {
    // Only who knows the end, and whose whole log ends before, knows that the offset does not
    // exist: what a leader does not know to be committed (or has not on its own disk yet) a
    // follower may have shown already.
    const bool behind = from > end && (!knows_end() || from <= log_->next_offset());
    out.push_back(Reply{
        request,
        RpcError{.code = behind ? absl::StatusCode::kUnavailable : absl::StatusCode::kOutOfRange,
                 .reason = behind ? "OFFSET_NOT_AVAILABLE" : "OFFSET_OUT_OF_RANGE",
                 .message = absl::StrCat(
                     "offset ", from.value(),
                     behind ? " is past what this replica has; ask another one or the leader. "
                     : from > end ? " is not in the log. "
                                  : " was removed by the topic's retention; begin at the earliest "
                                    "offset. ",
                     "Readable here: ", log_->start_offset().value(), " up to ", end.value()),
                 .metadata = {{"start_offset", absl::StrCat(log_->start_offset().value())},
                              {"high_watermark", absl::StrCat(end.value())}}}});
    return;
  }
  ParkedFetch resolved{.from = from, .max_bytes = max_bytes, .bound = std::nullopt};
  if (from == end && fetch.wait) {
    if (fetch.consistency == Consistency::kBounded) {
      resolved.bound = fetch.max_staleness;
      fresh_.OnParked(fetch.max_staleness);
    }
    parked_.emplace(request, resolved);
    return;
  }
  AnswerFetch(now, request, resolved, out);
}

void Replica::AnswerFetch(Now now, RequestId request, const ParkedFetch& fetch, Effects& out) {
  FetchResponse response{.range = std::nullopt,
                         .from = fetch.from,
                         .limit = visible_end(),
                         .start_offset = log_->start_offset(),
                         .compacted = options_.compaction.has_value(),
                         .staleness = fresh_.Age(now.instant)};
  if (fetch.from < response.limit) {
    absl::StatusOr<FileRange> range =
        log_->RangeOfOffset(fetch.from, visible_index(), fetch.max_bytes);
    TIDEMARK_CHECK(range.ok());
    // Where compaction has left gaps no frame tells that its offset is wrong: what is known to be
    // damaged is not read again.
    if (install_.has_value() && install_->refetches.has_value() && range->sparse &&
        range->file == install_->refetches->file()) {
      out.push_back(Reply{request, RefetchesLog()});
      return;
    }
    if (range->length > 0) response.range = *std::move(range);
    if (!response.range.has_value()) response.from = response.limit;  // all was compacted away
  }
  out.push_back(Reply{request, std::move(response)});
}

void Replica::WakeFetches(Now now, Effects& out) {
  const Offset end = visible_end();
  if (end == woken_to_) return;
  woken_to_ = end;
  for (auto at = parked_.begin(); at != parked_.end();) {
    if (at->second.from < end) {
      AnswerFetch(now, at->first, at->second, out);
      at = parked_.erase(at);
    } else {
      ++at;
    }
  }
}

bool Replica::CancelFetch(RequestId request) {
  for (auto& [token, read] : reads_) {
    const auto is_it = [&](const WaitingFetch& each) { return each.request == request; };
    if (std::erase_if(read.fetches, is_it) > 0) return true;
  }
  return parked_.erase(request) > 0 || fresh_.Cancel(request);
}

}  // namespace tidemark
