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

struct BodyEncoder {
  peer::v1::Envelope& envelope;

  void operator()(const raft::VoteRequest& from) const {
    peer::v1::VoteRequest& to = *envelope.mutable_vote_request();
    to.set_pre_vote(from.pre_vote);
    to.set_last_index(from.last_index.value());
    to.set_last_term(from.last_term.value());
    to.set_leadership_transfer(from.leadership_transfer);
  }
  void operator()(const raft::VoteReply& from) const {
    peer::v1::VoteReply& to = *envelope.mutable_vote_reply();
    to.set_pre_vote(from.pre_vote);
    to.set_granted(from.granted);
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
  }
  void operator()(const raft::TimeoutNow&) const { envelope.mutable_timeout_now(); }
};

absl::StatusOr<std::vector<Entry>> DecodeEntries(LogIndex first, uint32_t count, Bytes rest) {
  if (count > kAppendEntriesMax) {
    return Invalid(absl::StrCat(count, " entries, at most ", kAppendEntriesMax, " are allowed"));
  }
  std::vector<Entry> entries;
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

absl::Status DecodeBody(const peer::v1::Envelope& envelope, Bytes rest, raft::Message& message) {
  using peer::v1::Envelope;
  if (envelope.body_case() != Envelope::kAppendRequest && !rest.empty()) {
    return Invalid(absl::StrCat(rest.size(), " bytes follow a message without entries"));
  }
  switch (envelope.body_case()) {
    case Envelope::kVoteRequest: {
      const peer::v1::VoteRequest& from = envelope.vote_request();
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("last_index", from.last_index()));
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("last_term", from.last_term(), kTermMax));
      message.body = raft::VoteRequest{.pre_vote = from.pre_vote(),
                                       .last_index = LogIndex(from.last_index()),
                                       .last_term = Term(from.last_term()),
                                       .leadership_transfer = from.leadership_transfer()};
      return absl::OkStatus();
    }
    case Envelope::kVoteReply:
      message.body = raft::VoteReply{.pre_vote = envelope.vote_reply().pre_vote(),
                                     .granted = envelope.vote_reply().granted()};
      return absl::OkStatus();
    case Envelope::kAppendRequest: {
      TIDEMARK_ASSIGN_OR_RETURN(message.body,
                                DecodeAppend(envelope.append_request(), std::move(rest)));
      return absl::OkStatus();
    }
    case Envelope::kAppendReply: {
      const peer::v1::AppendReply& from = envelope.append_reply();
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("match", from.match()));
      TIDEMARK_RETURN_IF_ERROR(CheckNumber("hint_term", from.hint_term(), kTermMax));
      message.body = raft::AppendReply{.success = from.success(),
                                       .match = LogIndex(from.match()),
                                       .hint_term = Term(from.hint_term()),
                                       .sequence = from.sequence(),
                                       .no_room = from.no_room()};
      return absl::OkStatus();
    }
    case Envelope::kTimeoutNow:
      message.body = raft::TimeoutNow{};
      return absl::OkStatus();
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
  std::visit(BodyEncoder{envelope}, message.message.body);

  const size_t bytes = envelope.ByteSizeLong();
  std::string head(4 + bytes, '\0');
  StoreLittle(head.data(), static_cast<uint32_t>(bytes));
  envelope.SerializeWithCachedSizesToArray(reinterpret_cast<uint8_t*>(head.data() + 4));

  std::vector<Bytes> parts;
  parts.push_back(Bytes::From(std::move(head)));
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.message.body)) {
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
  const size_t rest = 4 + size_t{bytes};
  TIDEMARK_RETURN_IF_ERROR(
      DecodeBody(envelope, frame.Slice(rest, frame.size() - rest), message.message));
  return message;
}

}  // namespace tidemark
