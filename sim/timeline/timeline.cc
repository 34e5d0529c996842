#include "sim/timeline/timeline.h"

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::sim {
namespace {

std::string_view TextOfVote(const raft::VoteRequest& request) {
  if (request.leadership_transfer) return "asks for a vote, as the leader wants";
  return request.pre_vote ? "asks whether it would get a vote" : "asks for a vote";
}

std::string_view TextOfVote(const raft::VoteReply& reply) {
  if (reply.pre_vote) return reply.granted ? "would vote for it" : "would not vote for it";
  return reply.granted ? "votes for it" : "does not vote for it";
}

// Fills in what a message says and returns the words for it.
std::string_view Describe(const raft::Message& message, Mark& mark) {
  return std::visit(
      [&](const auto& body) -> std::string_view {
        using B = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<B, raft::VoteRequest>) {
          mark.kind = MarkKind::kVote;
          mark.index = body.last_index;
          return TextOfVote(body);
        } else if constexpr (std::is_same_v<B, raft::VoteReply>) {
          mark.kind = MarkKind::kVote;
          return TextOfVote(body);
        } else if constexpr (std::is_same_v<B, raft::AppendRequest>) {
          mark.kind = MarkKind::kAppend;
          mark.index = body.prev_index + 1;
          mark.entries = body.entries.size();
          if (body.entries.empty()) return "asks whether it agrees up to there, or tells a commit";
          mark.offset = body.entries.front().base_offset;
          mark.offsets = body.entries.back().end_offset() - mark.offset;
          for (const Entry& entry : body.entries) mark.bytes += entry.frame.size();
          return {};
        } else if constexpr (std::is_same_v<B, raft::AppendReply>) {
          mark.kind = MarkKind::kAppendReply;
          mark.index = body.match;
          if (body.no_room) return "has no room";
          return body.success ? "has it up to here" : "refuses, may agree up to here";
        } else if constexpr (std::is_same_v<B, raft::Heartbeat>) {
          mark.kind = MarkKind::kHeartbeat;
          mark.index = body.commit;
          return body.context == 0 ? "" : "asks whether it still leads, for a read";
        } else if constexpr (std::is_same_v<B, raft::HeartbeatReply>) {
          mark.kind = MarkKind::kHeartbeatReply;
          return body.no_room ? "has no room" : "";
        } else if constexpr (std::is_same_v<B, raft::InstallSnapshot>) {
          mark.kind = MarkKind::kSnapshot;
          mark.index = body.meta.index;
          return "tells of a snapshot up to here";
        } else if constexpr (std::is_same_v<B, raft::ReadIndexRequest>) {
          mark.kind = MarkKind::kRead;
          return "asks where to read";
        } else if constexpr (std::is_same_v<B, raft::ReadIndexReply>) {
          mark.kind = MarkKind::kRead;
          mark.index = body.index.value_or(LogIndex{0});
          return body.index.has_value() ? "may read up to here" : "may not read now";
        } else {
          static_assert(std::is_same_v<B, raft::TimeoutNow>);
          mark.kind = MarkKind::kTransfer;
          return "is to campaign at once";
        }
      },
      message.body);
}

}  // namespace

void Timeline::Begin(const Scheduler* clock, const std::vector<NodeId>& nodes) {
  if (!on_) return;
  clock_ = clock;
  nodes_ = nodes;
  for (const NodeId id : nodes) {
    lanes_.push_back({.name = absl::StrCat("node ", id.value()), .is_node = true});
  }
  groups_.emplace(kCatalogGroup, "catalog");
}

void Timeline::AddClient(uint32_t actor, std::string_view name) {
  if (!on_) return;
  const auto same = std::find_if(lanes_.begin(), lanes_.end(),
                                 [&](const Lane& lane) { return lane.name == name; });
  const auto lane = static_cast<LaneId>(same - lanes_.begin());
  if (same == lanes_.end()) {
    TIDEMARK_CHECK_LT(lanes_.size(), size_t{kNoLane});
    lanes_.push_back({.name = std::string(name)});
  }
  clients_.emplace(actor, lane);
}

void Timeline::NameGroups(const TopicInfo& topic) {
  if (!on_) return;
  for (const PartitionInfo& partition : topic.partitions) {
    groups_[partition.group] = absl::StrCat(topic.name, "/", partition.partition.value());
  }
}

LaneId Timeline::LaneOf(NodeId id) const {
  const auto at = std::find(nodes_.begin(), nodes_.end(), id);
  return at == nodes_.end() ? kNoLane : static_cast<LaneId>(at - nodes_.begin());
}

LaneId Timeline::LaneOfActor(uint32_t actor) const {
  const auto found = clients_.find(actor);
  return found == clients_.end() ? kNoLane : found->second;
}

uint32_t Timeline::TextOf(std::string_view text) {
  if (text.empty()) return 0;
  const auto found = text_ids_.find(text);
  if (found != text_ids_.end()) return found->second;
  const auto id = static_cast<uint32_t>(texts_.size());
  texts_.emplace_back(text);
  text_ids_.emplace(text, id);
  return id;
}

Mark& Timeline::Add(MarkKind kind, LaneId lane) {
  marks_.push_back({.begin = clock_->now(), .end = clock_->now(), .kind = kind, .lane = lane});
  return marks_.back();
}

Mark& Timeline::AddOf(MarkKind kind, LaneId lane, GroupId group) {
  Mark& mark = Add(kind, lane);
  mark.group = group;
  mark.has_group = true;
  groups_.try_emplace(group, absl::StrCat("group ", group.value()));
  return mark;
}

MarkId Timeline::Open(Mark& mark) {
  mark.end = Instant::Never();
  mark.outcome = Outcome::kUnderWay;
  return static_cast<MarkId>(marks_.size());
}

void Timeline::AddEnd(MarkId id, Outcome outcome) {
  Mark& mark = marks_[id - 1];
  if (mark.outcome == Outcome::kUnderWay) {
    mark.end = clock_->now();
    mark.outcome = outcome;
  } else if (outcome == Outcome::kDone) {
    Mark again = mark;
    again.end = clock_->now();
    again.outcome = Outcome::kRepeated;
    marks_.push_back(again);
  }
}

void Timeline::AddState(NodeId id, const GroupView& view) {
  const LaneId lane = LaneOf(id);
  const Known now{.role = view.raft->role(),
                  .term = view.raft->term(),
                  .leader = view.raft->leader(),
                  .failed = view.failure != nullptr};
  const auto [at, first] = known_.try_emplace({lane, view.group}, now);
  if (!first && at->second == now) return;
  const bool fails = now.failed && (first || !at->second.failed);
  at->second = now;
  if (fails) {
    AddOf(MarkKind::kStorageFailed, lane, view.group).text = TextOf(*view.failure);
  }
  if (now.failed) return;
  Mark& mark = AddOf(MarkKind::kRole, lane, view.group);
  mark.peer = LaneOf(now.leader);
  mark.term = now.term;
  mark.text = TextOf(NameOf(now.role));
}

void Timeline::AddEntry(MarkKind kind, NodeId id, GroupId group, const EntryFact& entry) {
  const LaneId lane = LaneOf(id);
  // Commitment carries the last term, whatever the terms before it.
  if (!marks_.empty()) {
    Mark& last = marks_.back();
    if (last.kind == kind && last.lane == lane && last.group == group &&
        last.begin == clock_->now() && last.index + last.entries == entry.index &&
        (last.term == entry.term || kind != MarkKind::kAppended)) {
      ++last.entries;
      last.offsets += entry.offset_span;
      last.bytes += entry.bytes;
      last.term = entry.term;
      return;
    }
  }
  Mark& mark = AddOf(kind, lane, group);
  mark.term = entry.term;
  mark.index = entry.index;
  mark.entries = 1;
  mark.offset = entry.base_offset;
  mark.offsets = entry.offset_span;
  mark.bytes = entry.bytes;
}

void Timeline::Cut(NodeId id, GroupId group, LogIndex from, uint64_t count) {
  if (!on_) return;
  Mark& mark = AddOf(MarkKind::kCut, LaneOf(id), group);
  mark.index = from;
  mark.entries = count;
}

void Timeline::OfGroup(MarkKind kind, NodeId id, GroupId group, LogIndex first) {
  if (!on_) return;
  const LaneId lane = LaneOf(id);
  AddOf(kind, lane, group).index = first;
  if (kind != MarkKind::kTrimmed) known_.erase({lane, group});
}

MarkId Timeline::AddMessage(size_t from, size_t to, const PeerMessage& message) {
  Mark& mark = AddOf(MarkKind::kAppend, static_cast<LaneId>(from), message.group);
  mark.peer = static_cast<LaneId>(to);
  mark.term = message.message.term;
  if (message.snapshot != nullptr) {
    mark.kind = MarkKind::kSnapshot;
    const Bytes* const bytes = BytesOf(*message.snapshot);
    if (bytes != nullptr) mark.bytes = bytes->size();
    mark.text = TextOf(std::holds_alternative<DigestReport>(*message.snapshot) ? "a digest"
                       : bytes != nullptr ? "a piece of a segment"
                                          : "wants a piece of a segment");
  } else if (message.introduction != nullptr) {
    mark.kind = MarkKind::kCommand;
    mark.text = TextOf(message.introduction->admitted != Incarnation() ? "lets it in"
                       : message.introduction->settled                 ? "who it is"
                                                                       : "asks who it is");
  } else if (message.command != nullptr) {
    mark.kind = MarkKind::kCommand;
    mark.bytes = message.command->size();
    mark.text = TextOf("a command for the catalog");
  } else if (message.beats != nullptr) {
    mark.kind = MarkKind::kHeartbeat;
    mark.text = TextOf(absl::StrCat("heartbeats and answers of ", message.beats->beats.size(),
                                    " groups, ", message.beats->released.size(), " released"));
  } else {
    mark.text = TextOf(Describe(message.message, mark));
  }
  return Open(mark);
}

MarkId Timeline::AddGossip(size_t from, size_t to, size_t bytes) {
  Mark& mark = Add(MarkKind::kGossip, static_cast<LaneId>(from));
  mark.peer = static_cast<LaneId>(to);
  mark.bytes = bytes;
  return Open(mark);
}

MarkId Timeline::AddCall(MarkKind kind, uint32_t actor, size_t node, std::string_view what) {
  const LaneId client = LaneOfActor(actor);
  const bool asks = kind == MarkKind::kRequest;
  Mark& mark = Add(kind, asks ? client : static_cast<LaneId>(node));
  mark.peer = asks ? static_cast<LaneId>(node) : client;
  mark.text = TextOf(what);
  return Open(mark);
}

MarkId Timeline::AddFlush(size_t node, const Flush& flush) {
  Mark& mark = AddOf(MarkKind::kFlush, static_cast<LaneId>(node), flush.group);
  for (const FileOp& op : flush.batch.ops) {
    const auto* write = std::get_if<WriteFile>(&op);
    if (write == nullptr) continue;
    for (const Bytes& data : write->data) mark.bytes += data.size();
  }
  std::string files;
  for (const FileId& file : flush.batch.sync) {
    absl::StrAppend(&files, files.empty() ? "" : " ", PathOf(file));
  }
  mark.text = TextOf(files);
  return Open(mark);
}

void Timeline::Submits(uint32_t actor, const Batch& batch) {
  if (!on_) return;
  Mark& mark = AddOf(MarkKind::kBatch, LaneOfActor(actor), batch.group);
  mark.batch = batch.number;
  mark.offsets = batch.records;
  mark.bytes = batch.bytes;
  batches_[{actor, batch.number}] = Open(mark);
}

void Timeline::Acked(uint32_t actor, uint64_t number, Offset base_offset) {
  const auto found = batches_.find({actor, number});
  if (found == batches_.end()) return;
  Mark& batch = marks_[found->second - 1];
  batches_.erase(found);
  batch.end = clock_->now();
  batch.outcome = Outcome::kDone;
  batch.offset = base_offset;
  Mark ack = batch;
  ack.kind = MarkKind::kAck;
  ack.begin = ack.end;
  marks_.push_back(ack);
}

void Timeline::Refused(uint32_t actor, GroupId group, std::string_view reason) {
  if (on_) AddOf(MarkKind::kRefused, LaneOfActor(actor), group).text = TextOf(reason);
}

void Timeline::Delivered(uint32_t actor, GroupId group, Offset offset, uint64_t offsets) {
  if (!on_) return;
  Mark& mark = AddOf(MarkKind::kDelivered, LaneOfActor(actor), group);
  mark.offset = offset;
  mark.offsets = offsets;
}

void Timeline::OnNode(MarkKind kind, size_t node, std::string_view text) {
  if (!on_) return;
  const auto lane = static_cast<LaneId>(node);
  Add(kind, lane).text = TextOf(text);
  if (kind != MarkKind::kStart) return;
  std::erase_if(known_, [&](const auto& known) { return known.first.first == lane; });
}

void Timeline::Pauses(size_t node, Duration length) {
  if (!on_) return;
  Mark& mark = Add(MarkKind::kPause, static_cast<LaneId>(node));
  mark.end = mark.begin + length;
}

void Timeline::OnLink(MarkKind kind, size_t from, size_t to) {
  if (on_) Add(kind, static_cast<LaneId>(from)).peer = static_cast<LaneId>(to);
}

void Timeline::Heals() {
  if (on_) Add(MarkKind::kHeal, kNoLane);
}

void Timeline::Phase(std::string_view text) {
  if (on_) Add(MarkKind::kPhase, kNoLane).text = TextOf(text);
}

void Timeline::Finish(std::string_view oracle, std::string_view what) {
  if (!on_) return;
  oracle_ = oracle;
  what_ = what;
  end_ = clock_->now();
  if (!oracle.empty()) {
    Add(MarkKind::kVerdict, kNoLane).text =
        TextOf(absl::StrCat(std::string(oracle), ": ", std::string(what)));
  }
  // Repetitions were made at their ends and belong to their beginnings.
  std::vector<size_t> order(marks_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return std::pair(marks_[a].begin, a) < std::pair(marks_[b].begin, b);
  });
  std::vector<Mark> sorted;
  sorted.reserve(marks_.size());
  for (const size_t at : order) sorted.push_back(marks_[at]);
  marks_ = std::move(sorted);
}

}  // namespace tidemark::sim
