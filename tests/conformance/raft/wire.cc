#include "tests/conformance/raft/wire.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/raft/node_set.h"
#include "tests/conformance/raft/etcd_text.h"

namespace tidemark::conformance {
namespace {

// In the order of WireType.
constexpr std::array<std::string_view, 18> kTypes = {"MsgProp",           "MsgApp",
                                                     "MsgAppResp",        "MsgVote",
                                                     "MsgVoteResp",       "MsgSnap",
                                                     "MsgHeartbeat",      "MsgHeartbeatResp",
                                                     "MsgTransferLeader", "MsgTimeoutNow",
                                                     "MsgReadIndex",      "MsgReadIndexResp",
                                                     "MsgPreVote",        "MsgPreVoteResp",
                                                     "MsgStorageAppend",  "MsgStorageAppendResp",
                                                     "MsgStorageApply",   "MsgStorageApplyResp"};
// These a node only says to itself, within a step.
constexpr std::array<std::string_view, 6> kInnerTypes = {
    "MsgHup", "MsgBeat", "MsgUnreachable", "MsgSnapStatus", "MsgCheckQuorum", "MsgForgetLeader"};

std::string_view KindText(Payload::Kind kind) {
  switch (kind) {
    case Payload::Kind::kNormal:
      return "EntryNormal";
    case Payload::Kind::kConfChange:
      return "EntryConfChange";
    case Payload::Kind::kConfChangeV2:
      break;
  }
  return "EntryConfChangeV2";
}

std::string IdsText(const raft::NodeSet& nodes) {
  std::string text = "[";
  for (const NodeId node : nodes) absl::StrAppend(&text, text.size() > 1 ? " " : "", node.value());
  return text + "]";
}

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

// Of a change of members, as protobuf would encode it.
size_t EncodedSize(const Payload& payload) {
  size_t size = 0;
  for (const raft::Change& change : payload.change.changes) {
    size += 5 + VarintSize(change.node.value());
  }
  // The transition; nothing for the change by which a leader leaves a joint configuration.
  const bool empty = payload.change.leaves_joint();
  return size + (payload.kind == Payload::Kind::kConfChangeV2 && !empty ? 2 : 0);
}

WireMessage Header(const raft::Message& message, WireType type) {
  return WireMessage{.type = type,
                     .from = message.from.value(),
                     .to = message.to.value(),
                     .term = ShownTerm(message.term)};
}

struct Translate {
  const raft::Message& message;

  WireMessage operator()(const raft::VoteRequest& body) const {
    WireMessage wire = Header(message, body.pre_vote ? WireType::kPreVote : WireType::kVote);
    wire.log_term = ShownLogTerm(body.last_term);
    wire.index = body.last_index.value();
    return wire;
  }
  WireMessage operator()(const raft::VoteReply& body) const {
    WireMessage wire =
        Header(message, body.pre_vote ? WireType::kPreVoteResp : WireType::kVoteResp);
    wire.reject = !body.granted;
    return wire;
  }
  WireMessage operator()(const raft::AppendRequest& body) const {
    WireMessage wire = Header(message, WireType::kApp);
    wire.log_term = ShownLogTerm(body.prev_term);
    wire.index = body.prev_index.value();
    wire.commit = body.commit.value();
    wire.entries = ToWire(std::span(body.entries));
    return wire;
  }
  WireMessage operator()(const raft::AppendReply& body) const {
    WireMessage wire = Header(message, WireType::kAppResp);
    if (body.success) {
      wire.index = body.match.value();
    } else if (body.sequence != 0) {
      wire.reject = true;
      wire.index = body.refused.value();
      wire.reject_hint = body.match.value();
      wire.log_term = ShownLogTerm(body.hint_term);
    }
    return wire;
  }
  WireMessage operator()(const raft::TimeoutNow&) const {
    return Header(message, WireType::kTimeoutNow);
  }
  WireMessage operator()(const raft::Heartbeat& body) const {
    WireMessage wire = Header(message, WireType::kHeartbeat);
    wire.commit = body.commit.value();
    return wire;
  }
  WireMessage operator()(const raft::HeartbeatReply&) const {
    return Header(message, WireType::kHeartbeatResp);
  }
  WireMessage operator()(const raft::InstallSnapshot& body) const {
    WireMessage wire = Header(message, WireType::kSnap);
    wire.snapshot = body.meta;
    return wire;
  }
  WireMessage operator()(const raft::ReadIndexRequest&) const {
    WireMessage wire = Header(message, WireType::kReadIndex);
    wire.term = 0;
    return wire;
  }
  WireMessage operator()(const raft::ReadIndexReply& body) const {
    WireMessage wire = Header(message, WireType::kReadIndexResp);
    wire.index = body.index.value_or(LogIndex{}).value();
    return wire;
  }
};

std::string IndentedText(const std::string& indent, const WireMessage& message) {
  std::string text = absl::StrCat(indent, NodeText(message.from), "->", NodeText(message.to), " ",
                                  std::string(TypeText(message.type)), " Term:", message.term,
                                  " Log:", message.log_term, "/", message.index);
  if (message.reject) absl::StrAppend(&text, " Rejected (Hint: ", message.reject_hint, ")");
  if (message.commit != 0) absl::StrAppend(&text, " Commit:", message.commit);
  if (message.vote != 0) absl::StrAppend(&text, " Vote:", message.vote);
  if (message.entries.size() == 1) {
    absl::StrAppend(&text, " Entries:[", EntryText(message.entries.front()), "]");
  } else if (!message.entries.empty()) {
    text += " Entries:[";
    for (const WireEntry& entry : message.entries) {
      absl::StrAppend(&text, "\n", indent, "  ", EntryText(entry));
    }
    absl::StrAppend(&text, "\n", indent, "]");
  }
  if (message.snapshot) {
    absl::StrAppend(&text, "\n", indent, "  Snapshot: ", SnapshotText(*message.snapshot));
  }
  if (!message.responses.empty()) {
    text += " Responses:[";
    for (const WireMessage& response : message.responses) {
      absl::StrAppend(&text, "\n", IndentedText(indent + "  ", response));
    }
    absl::StrAppend(&text, "\n", indent, "]");
  }
  return text;
}

}  // namespace

Bytes EncodePayload(const Payload& payload) {
  const std::string body = payload.kind == Payload::Kind::kNormal
                               ? payload.text
                               : raft::EncodeConfChange(payload.change);
  return Bytes::From(std::string(1, static_cast<char>(payload.kind)) + body);
}

Payload DecodePayload(const Bytes& frame) {
  TIDEMARK_CHECK(!frame.empty());
  Payload payload{.kind = static_cast<Payload::Kind>(frame.view().front())};
  const std::string_view body = frame.view().substr(1);
  if (payload.kind == Payload::Kind::kNormal) {
    payload.text = body;
  } else {
    absl::StatusOr<raft::ConfChange> change = raft::DecodeConfChange(body);
    TIDEMARK_CHECK(change.ok());
    payload.change = *std::move(change);
  }
  return payload;
}

uint64_t ShownTerm(Term term) { return term == Term{0} ? 0 : term.value() - 1; }

uint64_t ShownLogTerm(Term term) { return term <= Term{1} ? term.value() : term.value() - 1; }

WireEntry ToWire(const Entry& entry) {
  return WireEntry{.term = ShownLogTerm(entry.term),
                   .index = entry.index.value(),
                   .payload = DecodePayload(entry.frame)};
}

std::vector<WireEntry> ToWire(std::span<const Entry> entries) {
  std::vector<WireEntry> wire;
  for (const Entry& entry : entries) wire.push_back(ToWire(entry));
  return wire;
}

std::string EntryText(const WireEntry& entry) {
  std::string body = entry.payload.kind == Payload::Kind::kNormal
                         ? Quoted(entry.payload.text)
                         : ChangesText(entry.payload.change.changes);
  if (!body.empty()) body = " " + body;
  return absl::StrCat(entry.term, "/", entry.index, " ", std::string(KindText(entry.payload.kind)),
                      body);
}

std::string EntriesText(const std::vector<WireEntry>& entries) {
  std::string text;
  for (const WireEntry& entry : entries) absl::StrAppend(&text, EntryText(entry), "\n");
  return text;
}

uint64_t EncodedSize(const std::vector<WireEntry>& entries) {
  uint64_t size = 0;
  for (const WireEntry& entry : entries) {
    const bool normal = entry.payload.kind == Payload::Kind::kNormal;
    const size_t data = normal ? entry.payload.text.size() : EncodedSize(entry.payload);
    if (data > 0) size += 1 + VarintSize(data) + data;
    size += 2 + 1 + VarintSize(entry.term) + 1 + VarintSize(entry.index);
  }
  return size;
}

std::string SnapshotText(const raft::SnapshotMeta& meta) {
  const raft::Membership& members = meta.membership;
  return absl::StrCat("Index:", meta.index.value(), " Term:", ShownLogTerm(meta.term),
                      " ConfState:Voters:", IdsText(members.voters.incoming.voters()),
                      " VotersOutgoing:", IdsText(members.voters.outgoing.voters()),
                      " Learners:", IdsText(members.learners),
                      " LearnersNext:", IdsText(members.learners_next),
                      " AutoLeave:", members.auto_leave ? "true" : "false");
}

std::string_view TypeText(WireType type) { return kTypes[static_cast<size_t>(type)]; }

bool IsTypeText(std::string_view name) {
  return std::count(kTypes.begin(), kTypes.end(), name) +
             std::count(kInnerTypes.begin(), kInnerTypes.end(), name) >
         0;
}

WireMessage ToWire(raft::Message message) {
  const auto shared = std::make_shared<const raft::Message>(std::move(message));
  WireMessage wire = std::visit(Translate{*shared}, shared->body);
  wire.engine = shared;
  return wire;
}

std::string MessageText(const WireMessage& message) { return IndentedText("", message); }

std::string NodeText(uint64_t id) {
  if (id == 0) return "None";
  if (id == kAppendThread) return "AppendThread";
  if (id == kApplyThread) return "ApplyThread";
  return absl::StrCat(absl::Hex(id));
}

}  // namespace tidemark::conformance
