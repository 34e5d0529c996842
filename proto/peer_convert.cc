#include "proto/peer_convert.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/batch.h"
#include "proto/snapshot_convert.h"
#include "tidemark/peer/v1/peer.pb.h"

namespace tidemark {
namespace {

// Leaves room above every index and offset, so that no arithmetic on a peer's numbers can overflow.
constexpr uint64_t kNumberMax = uint64_t{1} << 62;

absl::Status Invalid(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("peer message: ", what));
}

absl::Status CheckNumber(const char* name, uint64_t value, uint64_t max = kNumberMax) {
  if (value <= max) return absl::OkStatus();
  return Invalid(absl::StrCat(name, " is ", value, ", at most ", max, " is possible"));
}

using Ids = google::protobuf::RepeatedField<uint64_t>;

void AddIds(const raft::NodeSet& from, Ids& to) {
  for (const NodeId id : from) to.Add(id.value());
}

absl::StatusOr<raft::NodeSet> DecodeIds(const char* name, const Ids& from) {
  if (static_cast<size_t>(from.size()) > kNodesMax) {
    return Invalid(absl::StrCat(from.size(), " ", name, ", at most ", kNodesMax, " are possible"));
  }
  std::vector<NodeId> ids;
  for (const uint64_t id : from) {
    if (id <= (ids.empty() ? 0 : ids.back().value())) {
      return Invalid(absl::StrCat(name, " do not ascend from 1"));
    }
    ids.push_back(NodeId(id));
  }
  return raft::NodeSet(std::move(ids));
}

void Encode(const raft::Heartbeat& from, peer::v1::Heartbeat& to) {
  to.set_commit(from.commit.value());
  to.set_context(from.context);
  to.set_all_durable(from.all_durable.value());
  to.set_sent(from.sent.nanos());
  to.set_priority(from.priority);
  to.set_quiet(from.quiet);
}

void Encode(const raft::HeartbeatReply& from, peer::v1::HeartbeatReply& to) {
  to.set_context(from.context);
  to.set_sent(from.sent.nanos());
  to.set_no_room(from.no_room);
  to.set_unverified(from.unverified);
  to.set_installing(from.installing.value());
  to.set_priority(from.priority);
  to.set_quiet(from.quiet);
}

void Encode(const BeatMessage& from, peer::v1::Beats& to) {
  TIDEMARK_CHECK_LE(from.beats.size(), kBeatsMax);
  TIDEMARK_CHECK_LE(from.released.size(), kReleasesMax);
  to.set_session(from.session);
  to.set_ack_session(from.ack_session);
  to.set_ack(from.ack);
  for (const Release& release : from.released) {
    peer::v1::Release& each = *to.add_released();
    each.set_group(release.group.value());
    each.set_term(release.term.value());
  }
  to.set_released_to(from.released_to);
  for (const Beat& beat : from.beats) {
    peer::v1::Beat& each = *to.add_beats();
    each.set_group(beat.group.value());
    each.set_term(beat.term.value());
    if (const auto* heartbeat = std::get_if<raft::Heartbeat>(&beat.body)) {
      Encode(*heartbeat, *each.mutable_heartbeat());
    } else {
      Encode(std::get<raft::HeartbeatReply>(beat.body), *each.mutable_reply());
    }
  }
}

struct BodyEncoder {
  peer::v1::Envelope& envelope;

  void operator()(const raft::VoteRequest& from) const {
    peer::v1::VoteRequest& to = *envelope.mutable_vote_request();
    to.set_pre_vote(from.pre_vote);
    to.set_last_index(from.last_index.value());
    to.set_last_term(from.last_term.value());
    to.set_leadership_transfer(from.leadership_transfer);
    to.set_commit(from.commit.value());
    to.set_commit_term(from.commit_term.value());
  }
  void operator()(const raft::VoteReply& from) const {
    peer::v1::VoteReply& to = *envelope.mutable_vote_reply();
    to.set_pre_vote(from.pre_vote);
    to.set_granted(from.granted);
    to.set_commit(from.commit.value());
    to.set_commit_term(from.commit_term.value());
  }
  void operator()(const raft::AppendRequest& from) const {
    peer::v1::AppendRequest& to = *envelope.mutable_append_request();
    to.set_prev_index(from.prev_index.value());
    to.set_prev_term(from.prev_term.value());
    to.set_commit(from.commit.value());
    to.set_all_durable(from.all_durable.value());
    to.set_sequence(from.sequence);
    to.set_entry_count(static_cast<uint32_t>(from.entries.size()));
  }
  void operator()(const raft::AppendReply& from) const {
    peer::v1::AppendReply& to = *envelope.mutable_append_reply();
    to.set_success(from.success);
    to.set_match(from.match.value());
    to.set_hint_term(from.hint_term.value());
    to.set_sequence(from.sequence);
    to.set_no_room(from.no_room);
    to.set_refused(from.refused.value());
  }
  void operator()(const raft::Heartbeat& from) const {
    Encode(from, *envelope.mutable_heartbeat());
  }
  void operator()(const raft::HeartbeatReply& from) const {
    Encode(from, *envelope.mutable_heartbeat_reply());
  }
  void operator()(const raft::InstallSnapshot& from) const {
    peer::v1::InstallSnapshot& to = *envelope.mutable_install_snapshot();
    to.set_index(from.meta.index.value());
    to.set_snapshot_term(from.meta.term.value());
    to.set_sequence(from.sequence);
    const raft::Membership& members = from.meta.membership;
    peer::v1::Membership& ids = *to.mutable_membership();
    AddIds(members.voters.incoming.voters(), *ids.mutable_incoming());
    AddIds(members.voters.outgoing.voters(), *ids.mutable_outgoing());
    AddIds(members.learners, *ids.mutable_learners());
    AddIds(members.learners_next, *ids.mutable_learners_next());
    ids.set_auto_leave(members.auto_leave);
  }
  void operator()(const raft::ReadIndexRequest& from) const {
    envelope.mutable_read_index_request()->set_id(from.id.value());
  }
  void operator()(const raft::ReadIndexReply& from) const {
    peer::v1::ReadIndexReply& to = *envelope.mutable_read_index_reply();
    to.set_id(from.id.value());
    if (from.index.has_value()) to.set_index(from.index->value());
  }
  void operator()(const raft::TimeoutNow&) const { envelope.mutable_timeout_now(); }
};

absl::StatusOr<EntryList> DecodeEntries(LogIndex first, uint32_t count, Bytes rest) {
  if (count > kAppendEntriesMax) {
    return Invalid(absl::StrCat(count, " entries, at most ", kAppendEntriesMax, " are allowed"));
  }
  EntryList entries;
  entries.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest.view());
    if (!header.ok()) {
      return Invalid(absl::StrCat("entry ", i, " of ", count, ": ", header.status().message()));
    }
    const uint64_t bytes = header->total_bytes();
    if (bytes > rest.size()) {
      return Invalid(absl::StrCat("entry ", i, " of ", count, " has ", bytes, " bytes but only ",
                                  rest.size(), " follow"));
    }
    TIDEMARK_RETURN_IF_ERROR(CheckNumber("base_offset", header->base_offset.value()));
    absl::StatusOr<Entry> entry = EntryOf(first + i, rest.Slice(0, bytes));
    if (!entry.ok()) {
      return Invalid(absl::StrCat("entry ", i, " of ", count, ": ", entry.status().message()));
    }
    entries.push_back(*std::move(entry));
    rest = rest.Slice(bytes, rest.size() - bytes);
  }
  if (!rest.empty()) {
    return Invalid(absl::StrCat(rest.size(), " bytes left over after ", count, " entries"));
  }
  return entries;
}

absl::StatusOr<raft::AppendRequest> DecodeAppend(const peer::v1::AppendRequest& from, Bytes rest) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("prev_index", from.prev_index()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("prev_term", from.prev_term(), kTermMax));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit", from.commit()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("all_durable", from.all_durable()));
  raft::AppendRequest to;
  to.prev_index = LogIndex(from.prev_index());
  to.prev_term = Term(from.prev_term());
  to.commit = LogIndex(from.commit());
  to.all_durable = LogIndex(from.all_durable());
  to.sequence = from.sequence();
  TIDEMARK_ASSIGN_OR_RETURN(to.entries,
                            DecodeEntries(to.prev_index + 1, from.entry_count(), std::move(rest)));
  return to;
}

absl::StatusOr<raft::VoteRequest> DecodeVoteRequest(const peer::v1::VoteRequest& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("last_index", from.last_index()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("last_term", from.last_term(), kTermMax));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit", from.commit()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit_term", from.commit_term(), kTermMax));
  return raft::VoteRequest{.pre_vote = from.pre_vote(),
                           .last_index = LogIndex(from.last_index()),
                           .last_term = Term(from.last_term()),
                           .leadership_transfer = from.leadership_transfer(),
                           .commit = LogIndex(from.commit()),
                           .commit_term = Term(from.commit_term())};
}

absl::StatusOr<raft::AppendReply> DecodeAppendReply(const peer::v1::AppendReply& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("match", from.match()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("refused", from.refused()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("hint_term", from.hint_term(), kTermMax));
  return raft::AppendReply{.success = from.success(),
                           .match = LogIndex(from.match()),
                           .hint_term = Term(from.hint_term()),
                           .refused = LogIndex(from.refused()),
                           .sequence = from.sequence(),
                           .no_room = from.no_room()};
}

absl::StatusOr<raft::Heartbeat> DecodeHeartbeat(const peer::v1::Heartbeat& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit", from.commit()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("all_durable", from.all_durable()));
  return raft::Heartbeat{.commit = LogIndex(from.commit()),
                         .context = from.context(),
                         .all_durable = LogIndex(from.all_durable()),
                         .sent = Instant::FromNanos(from.sent()),
                         .priority = from.priority(),
                         .quiet = from.quiet()};
}

absl::StatusOr<raft::HeartbeatReply> DecodeHeartbeatReply(const peer::v1::HeartbeatReply& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("installing", from.installing()));
  return raft::HeartbeatReply{.context = from.context(),
                              .sent = Instant::FromNanos(from.sent()),
                              .no_room = from.no_room(),
                              .unverified = from.unverified(),
                              .installing = LogIndex(from.installing()),
                              .priority = from.priority(),
                              .quiet = from.quiet()};
}

absl::StatusOr<Beat> DecodeBeat(const peer::v1::Beat& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("group", from.group()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("term", from.term(), kTermMax));
  Beat to{.group = GroupId(from.group()), .term = Term(from.term()), .body = {}};
  if (from.has_heartbeat()) {
    TIDEMARK_ASSIGN_OR_RETURN(to.body, DecodeHeartbeat(from.heartbeat()));
  } else if (from.has_reply()) {
    TIDEMARK_ASSIGN_OR_RETURN(to.body, DecodeHeartbeatReply(from.reply()));
  } else {
    return Invalid("neither a heartbeat nor the answer to one");
  }
  return to;
}

absl::StatusOr<BeatMessage> DecodeBeats(const peer::v1::Beats& from) {
  if (from.session() == 0) return Invalid("heartbeats of no session");
  const auto beats = static_cast<size_t>(from.beats_size());
  const auto released = static_cast<size_t>(from.released_size());
  if (beats > kBeatsMax || released > kReleasesMax) {
    return Invalid(absl::StrCat(beats, " heartbeats and ", released, " releases, at most ",
                                kBeatsMax, " and ", kReleasesMax, " are possible"));
  }
  BeatMessage to{.session = from.session(),
                 .ack_session = from.ack_session(),
                 .ack = from.ack(),
                 .released = {},
                 .released_to = from.released_to(),
                 .beats = {}};
  for (const peer::v1::Release& each : from.released()) {
    TIDEMARK_RETURN_IF_ERROR(CheckNumber("group", each.group()));
    TIDEMARK_RETURN_IF_ERROR(CheckNumber("term", each.term(), kTermMax));
    to.released.push_back({.group = GroupId(each.group()), .term = Term(each.term())});
  }
  to.beats.reserve(beats);
  for (const peer::v1::Beat& each : from.beats()) {
    TIDEMARK_ASSIGN_OR_RETURN(Beat beat, DecodeBeat(each));
    to.beats.push_back(beat);
  }
  return to;
}

absl::StatusOr<raft::InstallSnapshot> DecodeSnapshot(const peer::v1::InstallSnapshot& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("index", from.index()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("snapshot_term", from.snapshot_term(), kTermMax));
  raft::InstallSnapshot to;
  to.meta.index = LogIndex(from.index());
  to.meta.term = Term(from.snapshot_term());
  to.sequence = from.sequence();
  raft::Membership& who = to.meta.membership;
  TIDEMARK_ASSIGN_OR_RETURN(who.voters.incoming.voters(),
                            DecodeIds("incoming voters", from.membership().incoming()));
  TIDEMARK_ASSIGN_OR_RETURN(who.voters.outgoing.voters(),
                            DecodeIds("outgoing voters", from.membership().outgoing()));
  TIDEMARK_ASSIGN_OR_RETURN(who.learners, DecodeIds("learners", from.membership().learners()));
  TIDEMARK_ASSIGN_OR_RETURN(who.learners_next,
                            DecodeIds("next learners", from.membership().learners_next()));
  who.auto_leave = from.membership().auto_leave();
  // Together they may be too many for the sets that raft makes of them.
  const size_t members = who.voters.incoming.voters().size() + who.voters.outgoing.voters().size() +
                         who.learners.size();
  if (members > kNodesMax) {
    return Invalid(absl::StrCat(members, " members, at most ", kNodesMax, " are possible"));
  }
  return to;
}

void EncodeIntroduction(const Introduction& from, peer::v1::Introduction& to) {
  to.set_incarnation(from.incarnation.value());
  to.set_settled(from.settled);
  to.set_refused(from.refused);
  to.set_asks(from.asks);
  to.set_known(from.known.value());
  to.set_founding(from.founding);
  to.set_admitted(from.admitted.value());
  to.set_fence_term(from.fence_term.value());
  to.set_fence_index(from.fence_index.value());
  for (const auto& [node, incarnation] : from.others) {
    peer::v1::KnownNode& other = *to.add_others();
    other.set_node(node.value());
    other.set_incarnation(incarnation.value());
  }
}

absl::StatusOr<Introduction> DecodeIntroduction(const peer::v1::Introduction& from) {
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("fence_term", from.fence_term(), kTermMax));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("fence_index", from.fence_index()));
  if (from.incarnation() == 0) return Invalid("an introduction without an incarnation");
  if (static_cast<size_t>(from.others_size()) > kNodesMax) {
    return Invalid(absl::StrCat("an introduction that names ", from.others_size(), " nodes"));
  }
  Introduction to{.incarnation = Incarnation(from.incarnation()),
                  .settled = from.settled(),
                  .refused = from.refused(),
                  .asks = from.asks(),
                  .known = Incarnation(from.known()),
                  .founding = from.founding(),
                  .admitted = Incarnation(from.admitted()),
                  .fence_term = Term(from.fence_term()),
                  .fence_index = LogIndex(from.fence_index()),
                  .others = {}};
  for (const peer::v1::KnownNode& other : from.others()) {
    if (other.node() == 0 || other.incarnation() == 0) return Invalid("node or incarnation 0");
    to.others[NodeId(other.node())] = Incarnation(other.incarnation());
  }
  return to;
}

absl::Status DecodeBody(const peer::v1::Envelope& envelope, Bytes rest, raft::Message& message) {
  using peer::v1::Envelope;
  if (envelope.body_case() != Envelope::kAppendRequest && !rest.empty()) {
    return Invalid(absl::StrCat(rest.size(), " bytes follow a message without entries"));
  }
  switch (envelope.body_case()) {
    case Envelope::kVoteRequest: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body, DecodeVoteRequest(envelope.vote_request()));
      return absl::OkStatus();
    }
    case Envelope::kVoteReply: {
      const peer::v1::VoteReply& from = envelope.vote_reply();
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit", from.commit()));
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("commit_term", from.commit_term(), kTermMax));
      message.body = raft::VoteReply{.pre_vote = from.pre_vote(),
                                     .granted = from.granted(),
                                     .commit = LogIndex(from.commit()),
                                     .commit_term = Term(from.commit_term())};
      return absl::OkStatus();
    }
    case Envelope::kAppendRequest: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body,
                                DecodeAppend(envelope.append_request(), std::move(rest)));
      return absl::OkStatus();
    }
    case Envelope::kAppendReply: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body, DecodeAppendReply(envelope.append_reply()));
      return absl::OkStatus();
    }
    case Envelope::kHeartbeat: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body, DecodeHeartbeat(envelope.heartbeat()));
      return absl::OkStatus();
    }
    case Envelope::kHeartbeatReply: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body, DecodeHeartbeatReply(envelope.heartbeat_reply()));
      return absl::OkStatus();
    }
    case Envelope::kInstallSnapshot: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body, DecodeSnapshot(envelope.install_snapshot()));
      return absl::OkStatus();
    }
    case Envelope::kReadIndexRequest:
      message.body = raft::ReadIndexRequest{.id = raft::ReadId(envelope.read_index_request().id())};
      return absl::OkStatus();
    case Envelope::kReadIndexReply: {
      const peer::v1::ReadIndexReply& from = envelope.read_index_reply();
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("index", from.index()));
      raft::ReadIndexReply to{.id = raft::ReadId(from.id()), .index = std::nullopt};
      if (from.has_index()) to.index = LogIndex(from.index());
      message.body = to;
      return absl::OkStatus();
    }
    case Envelope::kTimeoutNow:
    // Beside `message`: nothing of it is raft's.
    case Envelope::kCatalogCommand:
    case Envelope::kBeats:
    case Envelope::kIntroduction:
      message.body = raft::TimeoutNow{};
      return absl::OkStatus();
    case Envelope::kSnapshotRequest:
    case Envelope::kSnapshotChunk:
    case Envelope::kFramesRequest:
    case Envelope::kFramesReply:
    case Envelope::kDigestReport:
    case Envelope::BODY_NOT_SET:
      break;
  }
  return Invalid("no body this version knows; is the sender newer?");
}

}  // namespace

std::vector<Bytes> EncodePeer(const PeerMessage& message) {
  peer::v1::Envelope envelope;
  envelope.set_group(message.group.value());
  envelope.set_from(message.message.from.value());
  envelope.set_to(message.message.to.value());
  envelope.set_term(message.message.term.value());
  if (message.introduction != nullptr) {
    EncodeIntroduction(*message.introduction, *envelope.mutable_introduction());
  } else if (message.command != nullptr) {
    envelope.set_catalog_command(*message.command);
  } else if (message.beats != nullptr) {
    Encode(*message.beats, *envelope.mutable_beats());
  } else if (message.snapshot != nullptr) {
    EncodeSnapshotPart(*message.snapshot, envelope);
  } else {
    std::visit(BodyEncoder{envelope}, message.message.body);
  }

  const size_t bytes = envelope.ByteSizeLong();
  std::string head(4 + bytes, '\0');
  StoreLittle(head.data(), static_cast<uint32_t>(bytes));
  envelope.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(head.data() + 4));

  std::vector<Bytes> parts;
  parts.push_back(Bytes::From(std::move(head)));
  if (message.snapshot != nullptr) {
    const Bytes* const bytes_of = BytesOf(*message.snapshot);
    if (bytes_of != nullptr && !bytes_of->empty()) parts.push_back(*bytes_of);
  } else if (const auto* append = std::get_if<raft::AppendRequest>(&message.message.body)) {
    parts.reserve(1 + append->entries.size());
    LogIndex expected = append->prev_index;
    for (const Entry& entry : append->entries) {
      ++expected;
      TIDEMARK_CHECK_EQ(entry.index, expected);
      parts.push_back(entry.frame);
    }
  }
  return parts;
}

absl::StatusOr<PeerMessage> DecodePeer(const Bytes& frame) {
  if (frame.size() < 4) {
    return Invalid(absl::StrCat("a frame of ", frame.size(), " bytes has no envelope length"));
  }
  const uint32_t bytes = LoadLittle<uint32_t>(frame.data());
  if (bytes > kEnvelopeBytesMax || bytes > frame.size() - 4) {
    return Invalid(absl::StrCat("envelope of ", bytes, " bytes in a frame of ", frame.size()));
  }
  peer::v1::Envelope envelope;
  if (!envelope.ParseFromArray(frame.data() + 4, static_cast<int>(bytes))) {
    return Invalid("the envelope is not a protobuf message");
  }
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("group", envelope.group()));
  TIDEMARK_RETURN_IF_ERROR(CheckNumber("term", envelope.term(), kTermMax));
  if (envelope.from() == 0 || envelope.to() == 0) return Invalid("sender or receiver is node 0");
  PeerMessage message;
  message.group = GroupId(envelope.group());
  message.message.from = NodeId(envelope.from());
  message.message.to = NodeId(envelope.to());
  message.message.term = Term(envelope.term());
  Bytes rest = frame.Slice(4 + size_t{bytes}, frame.size() - 4 - bytes);
  if (HasSnapshotPart(envelope)) {
    TIDEMARK_ASSIGN_OR_RETURN(SnapshotMessage part, DecodeSnapshotPart(envelope, std::move(rest)));
    message.snapshot = std::make_shared<const SnapshotMessage>(std::move(part));
    return message;
  }
  TIDEMARK_RETURN_IF_ERROR(DecodeBody(envelope, std::move(rest), message.message));
  if (envelope.body_case() == peer::v1::Envelope::kCatalogCommand) {
    message.command = std::make_shared<const std::string>(envelope.catalog_command());
  } else if (envelope.has_beats()) {
    TIDEMARK_ASSIGN_OR_RETURN(BeatMessage beats, DecodeBeats(envelope.beats()));
    message.beats = std::make_shared<const BeatMessage>(std::move(beats));
  }
  if (envelope.has_introduction()) {
    TIDEMARK_ASSIGN_OR_RETURN(Introduction introduction,
                              DecodeIntroduction(envelope.introduction()));
    message.introduction = std::make_shared<const Introduction>(std::move(introduction));
  }
  return message;
}

}  // namespace tidemark
