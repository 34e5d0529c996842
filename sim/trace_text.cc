#include "sim/trace_text.h"

#include <array>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string TextOf(const raft::Message& message) {
  return std::visit(
      [](const auto& body) -> std::string {
        using B = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<B, raft::VoteRequest>) {
          return absl::StrCat(body.pre_vote ? "pre-vote" : "vote", " asked with log up to ",
                              body.last_index.value(), " (term ", body.last_term.value(), ")");
        } else if constexpr (std::is_same_v<B, raft::VoteReply>) {
          return absl::StrCat(body.pre_vote ? "pre-vote" : "vote",
                              body.granted ? " granted" : " refused");
        } else if constexpr (std::is_same_v<B, raft::AppendRequest>) {
          return absl::StrCat("append after ", body.prev_index.value(), " (term ",
                              body.prev_term.value(), "), ", body.entries.size(),
                              " entries, commit ", body.commit.value(), ", sequence ",
                              body.sequence);
        } else if constexpr (std::is_same_v<B, raft::AppendReply>) {
          return absl::StrCat("append ", body.success ? "accepted" : "rejected", ", match ",
                              body.match.value(), ", hint term ", body.hint_term.value(),
                              ", sequence ", body.sequence, body.no_room ? ", no room" : "");
        } else if constexpr (std::is_same_v<B, raft::Heartbeat>) {
          return absl::StrCat("heartbeat, commit ", body.commit.value(), ", round ", body.context);
        } else if constexpr (std::is_same_v<B, raft::HeartbeatReply>) {
          return absl::StrCat("heartbeat answered, round ", body.context,
                              body.unverified ? ", commit not verified" : "",
                              body.no_room ? ", no room" : "");
        } else if constexpr (std::is_same_v<B, raft::InstallSnapshot>) {
          return absl::StrCat("snapshot up to ", body.meta.index.value(), " (term ",
                              body.meta.term.value(), ") wanted, sequence ", body.sequence);
        } else if constexpr (std::is_same_v<B, raft::ReadIndexRequest>) {
          return absl::StrCat("read ", body.id.value(), " asks for an index");
        } else if constexpr (std::is_same_v<B, raft::ReadIndexReply>) {
          return absl::StrCat("read ", body.id.value(),
                              body.index.has_value()
                                  ? absl::StrCat(" at index ", body.index->value())
                                  : std::string(" is refused"));
        } else {
          static_assert(std::is_same_v<B, raft::TimeoutNow>);
          return "told to campaign now";
        }
      },
      message.body);
}

std::string TextOf(const SnapshotMessage& part) {
  if (const auto* wanted = std::get_if<SnapshotRequest>(&part)) {
    return absl::StrCat("wants ", wanted->length, " bytes at ", wanted->pos.value(),
                        " of the segment with index ", wanted->index.value());
  }
  const auto& chunk = std::get<SnapshotChunk>(part);
  return absl::StrCat("a piece of ", chunk.bytes.size(), " bytes at ", chunk.pos.value(),
                      chunk.segment.has_value() ? " of a segment" : ": there is none");
}

std::string TextOf(const PeerMessage& peer) {
  std::string what;
  if (peer.snapshot != nullptr) {
    what = TextOf(*peer.snapshot);
  } else if (peer.command != nullptr) {
    what = absl::StrCat("a command of ", peer.command->size(), " bytes for the catalog");
  } else {
    what = TextOf(peer.message);
  }
  return absl::StrCat(peer.message.from.value(), " -> ", peer.message.to.value(), " group ",
                      peer.group.value(), " term ", peer.message.term.value(), ": ", what);
}

std::string TextOf(const Request& request) {
  return std::visit(
      [](const auto& r) -> std::string {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, ProduceRequest>) {
          return absl::StrCat("produce of ", r.batch.size(), " bytes to ", r.topic, "/",
                              r.partition.value());
        } else if constexpr (std::is_same_v<R, FetchRequest>) {
          return absl::StrCat("fetch from offset ", r.offset.value(), " of ", r.topic, "/",
                              r.partition.value());
        } else if constexpr (std::is_same_v<R, CreateTopicRequest>) {
          return absl::StrCat("create topic ", r.name);
        } else if constexpr (std::is_same_v<R, DeleteTopicRequest>) {
          return absl::StrCat("delete topic ", r.name);
        } else {
          return "a question about the cluster";
        }
      },
      request);
}

std::string TextOf(const Response& response) {
  return std::visit(
      [](const auto& r) -> std::string {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, RpcError>) {
          return absl::StrCat("error ", r.reason, ": ", r.message);
        } else if constexpr (std::is_same_v<R, ProduceResponse>) {
          return absl::StrCat("produced at offset ", r.base_offset.value(), " in term ",
                              r.term.value(), r.duplicate ? ", again" : "");
        } else if constexpr (std::is_same_v<R, FetchResponse>) {
          return absl::StrCat("fetched from ", r.from.value(), ", high watermark ", r.limit.value(),
                              ", ", r.range.has_value() ? r.range->length : 0, " bytes");
        } else {
          return "an answer about the cluster";
        }
      },
      response);
}

std::string TextOf(const FileOp& op) {
  return std::visit(
      [](const auto& o) -> std::string {
        using O = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<O, CreateFile>) {
          return absl::StrCat("create ", PathOf(o.file));
        } else if constexpr (std::is_same_v<O, WriteFile>) {
          size_t bytes = 0;
          for (const Bytes& data : o.data) bytes += data.size();
          return absl::StrCat("write ", PathOf(o.file), " at ", o.pos.value(), ", ", bytes,
                              " bytes");
        } else if constexpr (std::is_same_v<O, TruncateFile>) {
          return absl::StrCat("cut ", PathOf(o.file), " to ", o.size);
        } else if constexpr (std::is_same_v<O, RemoveFile>) {
          return absl::StrCat("remove ", PathOf(o.file));
        } else {
          return absl::StrCat("rename ", PathOf(o.from), " to ", PathOf(o.to));
        }
      },
      op);
}

std::string TextOf(const FileBatch& batch) {
  std::string text;
  for (const FileOp& op : batch.ops) absl::StrAppend(&text, TextOf(op), "; ");
  absl::StrAppend(&text, "sync");
  for (const FileId& file : batch.sync) absl::StrAppend(&text, " ", PathOf(file));
  return text;
}

}  // namespace

std::string TextOf(const Event& event) {
  return std::visit(
      [](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, PeerReceived>) {
          return TextOf(e.message);
        } else if constexpr (std::is_same_v<E, PeerLink>) {
          return absl::StrCat("the connection to ", e.peer.value(), e.up ? " is up" : " is down");
        } else if constexpr (std::is_same_v<E, DatagramReceived>) {
          return absl::StrCat("datagram from ", e.from.ToString(), ", ", e.bytes.size(), " bytes");
        } else if constexpr (std::is_same_v<E, GossipStreamReceived>) {
          return absl::StrCat("gossip stream, ", e.bytes.size(), " bytes");
        } else if constexpr (std::is_same_v<E, RequestReceived>) {
          return absl::StrCat("request ", e.id.value(), ": ", TextOf(e.request));
        } else if constexpr (std::is_same_v<E, RequestCancelled>) {
          return absl::StrCat("request ", e.id.value(), " is cancelled");
        } else if constexpr (std::is_same_v<E, IoDone>) {
          return absl::StrCat("io ", e.token.value(), " is done: ", e.status.ToString());
        } else if constexpr (std::is_same_v<E, ReadDone>) {
          return absl::StrCat("read ", e.token.value(), " is done: ", e.bytes.status().ToString());
        } else if constexpr (std::is_same_v<E, GroupReopened>) {
          return absl::StrCat("group reopened, token ", e.token.value(),
                              ", well: ", YesNo(e.recovered.ok()));
        } else if constexpr (std::is_same_v<E, DiskSpace>) {
          return absl::StrCat("disk has ", e.free_bytes, " free bytes");
        } else if constexpr (std::is_same_v<E, ShutdownRequested>) {
          return "shut down";
        } else {
          return "an event of another kind";
        }
      },
      event);
}

std::string TextOf(const Effect& effect) {
  return std::visit(
      [](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, SendPeer>) {
          return TextOf(e.message);
        } else if constexpr (std::is_same_v<E, SetPeerAddress>) {
          return absl::StrCat("node ", e.node.value(), " is at ", e.address.ToString());
        } else if constexpr (std::is_same_v<E, SendDatagram>) {
          return absl::StrCat("datagram to ", e.to.ToString(), ", ", e.bytes.size(), " bytes");
        } else if constexpr (std::is_same_v<E, SendGossipStream>) {
          return absl::StrCat("gossip stream to ", e.to.ToString(), ", ", e.bytes.size(), " bytes");
        } else if constexpr (std::is_same_v<E, Reply>) {
          return absl::StrCat("reply ", e.id.value(), ": ", TextOf(e.response));
        } else if constexpr (std::is_same_v<E, Flush>) {
          return absl::StrCat("flush ", e.token.value(), " of group ", e.group.value(), ": ",
                              TextOf(e.batch));
        } else if constexpr (std::is_same_v<E, ReadRange>) {
          return absl::StrCat("read ", e.token.value(), ": ", PathOf(e.file), " at ", e.pos.value(),
                              ", ", e.length, " bytes");
        } else if constexpr (std::is_same_v<E, ReopenGroup>) {
          return absl::StrCat("reopen group ", e.group.value(), ", token ", e.token.value());
        } else if constexpr (std::is_same_v<E, Note>) {
          std::string text = absl::StrCat("note ", e.event);
          for (const auto& [key, value] : e.fields) absl::StrAppend(&text, " ", key, "=", value);
          return text;
        } else if constexpr (std::is_same_v<E, ShutdownComplete>) {
          return "has shut down";
        } else {
          return "an effect of another kind";
        }
      },
      effect);
}

void TraceWriter::OnStep(NodeId node, Instant now, std::span<const Event> events) {
  std::fprintf(out_, "#%llu %.9f node %llu%s\n", static_cast<unsigned long long>(task_),
               static_cast<double>(now.nanos()) / 1e9,
               static_cast<unsigned long long>(node.value()), events.empty() ? " wakes" : "");
  for (const Event& event : events) std::fprintf(out_, "  < %s\n", TextOf(event).c_str());
}

void TraceWriter::OnEffect(const Effect& effect) {
  std::fprintf(out_, "  > %s\n", TextOf(effect).c_str());
}

}  // namespace tidemark::sim
