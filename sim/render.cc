#include "sim/render.h"

#include <ctime>
#include <string_view>
#include <type_traits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/base/coding.h"
#include "proto/journal/codec.h"
#include "proto/peer_convert.h"
#include "tidemark/peer/v1/peer.pb.h"

namespace tidemark::sim {
namespace {

std::string Render(const absl::Status& status) {
  return status.ok() ? std::string("ok") : std::string(status.ToString());
}

std::string Render(const FileOp& op) {
  return std::visit(
      [](const auto& o) -> std::string {
        using O = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<O, CreateFile>) {
          return absl::StrCat("create ", PathOf(o.file), " of ", RenderBytes(o.zero_bytes));
        } else if constexpr (std::is_same_v<O, WriteFile>) {
          uint64_t bytes = 0;
          for (const Bytes& data : o.data) bytes += data.size();
          return absl::StrCat("write ", bytes, " bytes at ", o.pos.value(), " of ", PathOf(o.file));
        } else if constexpr (std::is_same_v<O, TruncateFile>) {
          return absl::StrCat("truncate ", PathOf(o.file), " to ", o.size);
        } else if constexpr (std::is_same_v<O, RemoveFile>) {
          return absl::StrCat("remove ", PathOf(o.file));
        } else {
          return absl::StrCat("rename ", PathOf(o.from), " to ", PathOf(o.to));
        }
      },
      op);
}

std::string Render(const FileBatch& batch) {
  std::vector<std::string> parts;
  for (const FileOp& op : batch.ops) parts.push_back(Render(op));
  for (const FileId& file : batch.sync) parts.push_back(absl::StrCat("sync ", PathOf(file)));
  return absl::StrJoin(parts, ", ");
}

std::string Partition(const std::string& topic, PartitionId partition) {
  return absl::StrCat(topic, "/", partition.value());
}

std::string Nodes(const std::vector<NodeId>& nodes) {
  return absl::StrJoin(nodes, ",",
                       [](std::string* out, NodeId node) { absl::StrAppend(out, node.value()); });
}

std::string ConsistencyText(const FetchRequest& fetch) {
  switch (fetch.consistency) {
    case Consistency::kCommitted:
      return "";
    case Consistency::kLinearizable:
      return ", linearizable";
    case Consistency::kBounded:
      return absl::StrCat(", at most ", fetch.max_staleness.micros(), " us old");
  }
  return "";
}

}  // namespace

std::string RenderTime(WallTime time) {
  int64_t millis = time.millis() % 1000;
  std::time_t seconds = static_cast<std::time_t>(time.millis() / 1000);
  if (millis < 0) {
    millis += 1000;
    --seconds;
  }
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                         parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                         millis);
}

std::string RenderDuration(Duration duration) {
  const double nanos = static_cast<double>(duration.nanos());
  if (nanos < 1e6) return absl::StrCat(duration.micros(), " us");
  if (nanos < 1e9) return absl::StrFormat("%.1f ms", nanos / 1e6);
  return absl::StrFormat("%.2f s", nanos / 1e9);
}

std::string RenderBytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  if (bytes < 1'000'000) return absl::StrFormat("%.1f KB", static_cast<double>(bytes) / 1e3);
  return absl::StrFormat("%.1f MB", static_cast<double>(bytes) / 1e6);
}

std::string Render(const PeerMessage& message) {
  // The envelope is all but the entries' frames, whatever kinds of messages there are.
  const std::vector<Bytes> parts = EncodePeer(message);
  const std::string_view head = parts.front().view();
  peer::v1::Envelope envelope;
  envelope.ParseFromArray(head.data() + 4, static_cast<int>(LoadLittle<uint32_t>(head.data())));
  uint64_t bytes = 0;
  for (size_t i = 1; i < parts.size(); ++i) bytes += parts[i].size();
  return absl::StrCat(envelope.ShortDebugString(),
                      bytes > 0 ? absl::StrCat(" with ", bytes, " bytes of entries") : "");
}

std::string Render(const Request& request) {
  return std::visit(
      [](const auto& r) -> std::string {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, ProduceRequest>) {
          return absl::StrCat("produce ", r.batch.size(), " bytes to ",
                              Partition(r.topic, r.partition));
        } else if constexpr (std::is_same_v<R, FetchRequest>) {
          return absl::StrCat("fetch ", Partition(r.topic, r.partition), " from ",
                              r.start == FetchRequest::Start::kOffset
                                  ? absl::StrCat("offset ", r.offset.value())
                                  : absl::StrCat("start ", static_cast<int>(r.start)),
                              ConsistencyText(r));
        } else if constexpr (std::is_same_v<R, CreateTopicRequest>) {
          return absl::StrCat("create topic ", r.name, " of ", r.partitions,
                              " partitions, replication factor ", r.replication_factor);
        } else if constexpr (std::is_same_v<R, DeleteTopicRequest>) {
          return absl::StrCat("delete topic ", r.name);
        } else if constexpr (std::is_same_v<R, DescribeTopicRequest>) {
          return absl::StrCat("describe topic ", r.name);
        } else if constexpr (std::is_same_v<R, ListTopicsRequest>) {
          return "list topics";
        } else if constexpr (std::is_same_v<R, GetServersRequest>) {
          return "get servers";
        } else if constexpr (std::is_same_v<R, GetMembersRequest>) {
          return "get members";
        } else if constexpr (std::is_same_v<R, AddMemberRequest>) {
          return absl::StrCat("add member ", r.node.value());
        } else if constexpr (std::is_same_v<R, RemoveMemberRequest>) {
          return absl::StrCat("remove member ", r.node.value());
        } else if constexpr (std::is_same_v<R, MovePartitionRequest>) {
          return absl::StrCat("move ", Partition(r.topic, r.partition), " to ", Nodes(r.replicas));
        } else if constexpr (std::is_same_v<R, TransferLeadershipRequest>) {
          return absl::StrCat(
              "transfer leadership of ",
              r.topic.empty() ? std::string("the catalog") : Partition(r.topic, r.partition),
              " to ", r.to.value());
        } else {
          static_assert(std::is_same_v<R, GetStatusRequest>);
          return "get status";
        }
      },
      request);
}

std::string Render(const Response& response) {
  return std::visit(
      [](const auto& r) -> std::string {
        using R = std::decay_t<decltype(r)>;
        if constexpr (std::is_same_v<R, RpcError>) {
          return absl::StrCat("refused ", r.reason, ": ", r.message);
        } else if constexpr (std::is_same_v<R, ProduceResponse>) {
          return absl::StrCat("produced ", r.record_count, " records at offset ",
                              r.base_offset.value(), " in term ", r.term.value(),
                              r.duplicate ? ", a repetition" : "");
        } else if constexpr (std::is_same_v<R, FetchResponse>) {
          return absl::StrCat(
              "fetched offsets ", r.from.value(), " to ", r.limit.value(),
              r.range.has_value()
                  ? absl::StrCat(", ", r.range->length, " bytes at ", r.range->pos.value(), " of ",
                                 PathOf(r.range->file))
                  : ", nothing to read",
              r.staleness.has_value() ? absl::StrCat(", ", r.staleness->micros(), " us old") : "");
        } else if constexpr (std::is_same_v<R, CreateTopicResponse>) {
          return absl::StrCat("created topic ", r.topic.name);
        } else if constexpr (std::is_same_v<R, DeleteTopicResponse>) {
          return "deleted";
        } else if constexpr (std::is_same_v<R, ListTopicsResponse>) {
          return absl::StrCat(r.topics.size(), " topics");
        } else if constexpr (std::is_same_v<R, DescribeTopicResponse>) {
          return absl::StrCat("topic ", r.topic.name);
        } else if constexpr (std::is_same_v<R, GetServersResponse>) {
          return absl::StrCat(r.servers.size(), " servers");
        } else if constexpr (std::is_same_v<R, GetMembersResponse>) {
          return absl::StrCat(r.members.size(), " members");
        } else if constexpr (std::is_same_v<R, AddMemberResponse>) {
          return "added";
        } else if constexpr (std::is_same_v<R, RemoveMemberResponse>) {
          return "removed";
        } else if constexpr (std::is_same_v<R, MovePartitionResponse>) {
          return absl::StrCat("moving a partition of topic ", r.topic.name);
        } else if constexpr (std::is_same_v<R, TransferLeadershipResponse>) {
          return absl::StrCat("node ", r.leader.value(), " leads");
        } else {
          static_assert(std::is_same_v<R, GetStatusResponse>);
          return absl::StrCat("status of ", r.groups.size(), " groups");
        }
      },
      response);
}

std::string Render(const Event& event) {
  const std::string contents = std::visit(
      [](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, PeerReceived>) {
          return absl::StrCat("from ", e.from.value(), ": ", Render(e.message));
        } else if constexpr (std::is_same_v<E, PeerLink>) {
          return absl::StrCat("to ", e.peer.value(), " is ", e.up ? "up" : "down");
        } else if constexpr (std::is_same_v<E, DatagramReceived>) {
          return absl::StrCat(e.bytes.size(), " bytes from ", e.from.ToString());
        } else if constexpr (std::is_same_v<E, GossipStreamReceived>) {
          return absl::StrCat(e.bytes.size(), " bytes");
        } else if constexpr (std::is_same_v<E, RequestReceived>) {
          return absl::StrCat(e.id.value(), " of ", e.principal.empty() ? "nobody" : e.principal,
                              ": ", Render(e.request));
        } else if constexpr (std::is_same_v<E, RequestCancelled>) {
          return absl::StrCat(e.id.value());
        } else if constexpr (std::is_same_v<E, IoDone>) {
          return absl::StrCat(e.token.value(), ": ", Render(e.status));
        } else if constexpr (std::is_same_v<E, ReadDone>) {
          return absl::StrCat(
              e.token.value(), ": ",
              e.bytes.ok() ? absl::StrCat(e.bytes->size(), " bytes") : Render(e.bytes.status()));
        } else if constexpr (std::is_same_v<E, GroupReopened>) {
          return absl::StrCat(e.token.value(), ": ", Render(e.recovered.status()));
        } else if constexpr (std::is_same_v<E, DiskSpace>) {
          return absl::StrCat(RenderBytes(e.free_bytes), " of ", RenderBytes(e.total_bytes),
                              " free");
        } else if constexpr (std::is_same_v<E, DamageFound>) {
          return PathOf(e.file);
        } else {
          static_assert(std::is_same_v<E, TimerFired> || std::is_same_v<E, ShutdownRequested>);
          return "";
        }
      },
      event);
  return absl::StrCat(std::string(journal::kEventNames[event.index()]), contents.empty() ? "" : " ",
                      contents);
}

std::string Render(const Effect& effect) {
  const std::string contents = std::visit(
      [](const auto& e) -> std::string {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, SendPeer>) {
          return absl::StrCat("to ", e.to.value(), ": ", Render(e.message));
        } else if constexpr (std::is_same_v<E, SetPeerAddress>) {
          return absl::StrCat("node ", e.node.value(), " is at ", e.address.ToString());
        } else if constexpr (std::is_same_v<E, SendDatagram> ||
                             std::is_same_v<E, SendGossipStream>) {
          return absl::StrCat(e.bytes.size(), " bytes to ", e.to.ToString());
        } else if constexpr (std::is_same_v<E, Reply>) {
          return absl::StrCat("to ", e.id.value(), ": ", Render(e.response));
        } else if constexpr (std::is_same_v<E, Flush>) {
          return absl::StrCat(e.token.value(), " of group ", e.group.value(), ": ",
                              Render(e.batch));
        } else if constexpr (std::is_same_v<E, ReadRange>) {
          return absl::StrCat(e.token.value(), ": ", e.length, " bytes at ", e.pos.value(), " of ",
                              PathOf(e.file));
        } else if constexpr (std::is_same_v<E, ReopenGroup>) {
          return absl::StrCat(e.token.value(), " of group ", e.group.value(), ", committed up to ",
                              e.committed.value());
        } else if constexpr (std::is_same_v<E, Note>) {
          std::string text = e.event;
          for (const auto& [key, value] : e.fields) absl::StrAppend(&text, " ", key, "=", value);
          return text;
        } else {
          static_assert(std::is_same_v<E, ShutdownComplete>);
          return "";
        }
      },
      effect);
  return absl::StrCat(std::string(journal::kEffectNames[effect.index()]),
                      contents.empty() ? "" : " ", contents);
}

}  // namespace tidemark::sim
