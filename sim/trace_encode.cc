#include "sim/trace_encode.h"

#include <type_traits>

#include "engine/base/coding.h"
#include "engine/log/batch.h"

namespace tidemark::sim {
namespace {

void AddSnapshot(TraceHash& hash, const SnapshotMessage& message) {
  if (const auto* request = std::get_if<SnapshotRequest>(&message)) {
    hash.Add(request->id);
    hash.Add(request->index.value());
    hash.Add(request->pos.value() << 1 | static_cast<uint64_t>(request->part));
    hash.Add(uint64_t{request->refused} << 1 | uint64_t{request->end_segment});
    return;
  }
  if (const auto* frames = std::get_if<FramesRequest>(&message)) {
    hash.Add(frames->id);
    hash.Add(frames->first.value());
    return;
  }
  if (const auto* report = std::get_if<DigestReport>(&message)) {
    hash.Add(report->index.value());
    hash.Add(report->digest);
    return;
  }
  if (const auto* frames = std::get_if<FramesReply>(&message)) {
    hash.Add(frames->id);
    hash.Add(frames->first.value());
    hash.Add(frames->bytes.view());
    return;
  }
  const SnapshotChunk& chunk = std::get<SnapshotChunk>(message);
  hash.Add(chunk.id);
  hash.Add(chunk.segment.has_value() ? chunk.segment->digest : 0);
  hash.Add(chunk.segment.has_value() ? chunk.segment->clean_end.value() : 0);
  hash.Add(chunk.pos.value() << 1 | static_cast<uint64_t>(chunk.part));
  hash.Add(chunk.bytes.size());
}

void AddBeat(TraceHash& hash, const raft::Heartbeat& beat) {
  hash.Add(beat.commit.value());
  hash.Add(beat.context);
  hash.Add(beat.all_durable.value() << 1 | uint64_t{beat.quiet});
  hash.Add(static_cast<uint64_t>(beat.sent.nanos()));
}

void AddBeat(TraceHash& hash, const raft::HeartbeatReply& reply) {
  hash.Add(reply.context);
  hash.Add(reply.installing.value() << 3 | uint64_t{reply.quiet} << 2 |
           uint64_t{reply.no_room} << 1 | uint64_t{reply.unverified});
}

void AddBeats(TraceHash& hash, const BeatMessage& message) {
  hash.Add(message.session);
  hash.Add(message.ack_session);
  hash.Add(message.ack);
  for (const Release& release : message.released) {
    hash.Add(release.group.value());
    hash.Add(release.term.value());
  }
  hash.Add(message.released_to);
  for (const Beat& beat : message.beats) {
    hash.Add(beat.group.value());
    hash.Add(beat.term.value() << 1 | beat.body.index());
    std::visit([&](const auto& body) { AddBeat(hash, body); }, beat.body);
  }
}

void AddMessage(TraceHash& hash, const PeerMessage& peer) {
  const raft::Message& message = peer.message;
  hash.Add(peer.group.value());
  hash.Add(message.from.value());
  hash.Add(message.to.value());
  if (peer.command != nullptr) hash.Add(*peer.command);
  if (peer.introduction != nullptr) {
    const Introduction& who = *peer.introduction;
    hash.Add(who.incarnation.value());
    hash.Add(who.known.value());
    hash.Add(who.admitted.value());
    hash.Add(uint64_t{who.settled} << 3 | uint64_t{who.refused} << 2 | uint64_t{who.asks} << 1 |
             uint64_t{who.founding});
    return;
  }
  hash.Add(message.term.value() << 4 | message.body.index());
  if (peer.snapshot != nullptr) return AddSnapshot(hash, *peer.snapshot);
  if (peer.beats != nullptr) return AddBeats(hash, *peer.beats);
  std::visit(
      [&](const auto& body) {
        using B = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<B, raft::VoteRequest>) {
          hash.Add(body.last_index.value());
          hash.Add(body.last_term.value() << 2 | uint64_t{body.pre_vote} << 1 |
                   uint64_t{body.leadership_transfer});
          hash.Add(body.commit.value());
        } else if constexpr (std::is_same_v<B, raft::VoteReply>) {
          hash.Add(body.commit.value() << 2 | uint64_t{body.pre_vote} << 1 |
                   uint64_t{body.granted});
        } else if constexpr (std::is_same_v<B, raft::AppendRequest>) {
          hash.Add(body.prev_index.value());
          hash.Add(body.prev_term.value());
          hash.Add(body.commit.value());
          hash.Add(body.sequence);
          for (const Entry& entry : body.entries) {
            hash.Add(entry.index.value());
            hash.Add(entry.term.value());
            hash.Add(entry.frame.size());
            if (entry.frame.size() >= kBatchHeaderBytes) {
              hash.Add(LoadBig<uint32_t>(entry.frame.data() + 17));
            }
          }
        } else if constexpr (std::is_same_v<B, raft::AppendReply>) {
          hash.Add(body.match.value());
          hash.Add(body.hint_term.value() << 1 | uint64_t{body.success});
          hash.Add(body.sequence << 1 | uint64_t{body.no_room});
          hash.Add(body.refused.value());
        } else if constexpr (std::is_same_v<B, raft::Heartbeat> ||
                             std::is_same_v<B, raft::HeartbeatReply>) {
          AddBeat(hash, body);
        } else if constexpr (std::is_same_v<B, raft::InstallSnapshot>) {
          hash.Add(body.meta.index.value());
          hash.Add(body.meta.term.value());
          hash.Add(body.sequence);
        } else if constexpr (std::is_same_v<B, raft::ReadIndexRequest>) {
          hash.Add(body.id.value());
        } else if constexpr (std::is_same_v<B, raft::ReadIndexReply>) {
          hash.Add(body.id.value());
          hash.Add(body.index.value_or(LogIndex{0}).value());
        }
      },
      message.body);
}

void AddFileId(TraceHash& hash, const FileId& file) {
  hash.Add(file.group.value() << 8 | static_cast<uint64_t>(file.kind));
  hash.Add(file.number);
}

void AddBatch(TraceHash& hash, const FileBatch& batch) {
  for (const FileOp& op : batch.ops) {
    hash.Add(op.index());
    std::visit(
        [&](const auto& o) {
          using O = std::decay_t<decltype(o)>;
          if constexpr (std::is_same_v<O, RenameFile>) {
            AddFileId(hash, o.from);
            AddFileId(hash, o.to);
          } else {
            AddFileId(hash, o.file);
            if constexpr (std::is_same_v<O, CreateFile>) hash.Add(o.zero_bytes);
            if constexpr (std::is_same_v<O, TruncateFile>) hash.Add(o.size);
            if constexpr (std::is_same_v<O, WriteFile>) {
              hash.Add(o.pos.value());
              for (const Bytes& data : o.data) hash.Add(data.size());
            }
          }
        },
        op);
  }
  for (const FileId& file : batch.sync) AddFileId(hash, file);
}

void AddResponse(TraceHash& hash, const Response& response) {
  hash.Add(response.index());
  if (const auto* error = std::get_if<RpcError>(&response)) {
    hash.Add(error->reason);
    hash.Add(error->message);
  } else if (const auto* produce = std::get_if<ProduceResponse>(&response)) {
    hash.Add(produce->base_offset.value() << 1 | uint64_t{produce->duplicate});
    hash.Add(produce->term.value());
  } else if (const auto* fetch = std::get_if<FetchResponse>(&response)) {
    hash.Add(fetch->from.value());
    hash.Add(fetch->limit.value());
    hash.Add(fetch->range.has_value() ? fetch->range->length : 0);
    hash.Add(fetch->staleness.has_value() ? static_cast<uint64_t>(fetch->staleness->nanos()) : 0);
  }
}

}  // namespace

void AddTo(TraceHash& hash, const Event& event) {
  hash.Add(event.index());
  std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, PeerReceived>) {
          AddMessage(hash, e.message);
        } else if constexpr (std::is_same_v<E, PeerLink>) {
          hash.Add(e.peer.value() << 1 | uint64_t{e.up});
        } else if constexpr (std::is_same_v<E, DatagramReceived> ||
                             std::is_same_v<E, GossipStreamReceived>) {
          hash.Add(e.bytes.view());
        } else if constexpr (std::is_same_v<E, RequestReceived>) {
          hash.Add(e.id.value() << 4 | e.request.index());
        } else if constexpr (std::is_same_v<E, RequestCancelled>) {
          hash.Add(e.id.value());
        } else if constexpr (std::is_same_v<E, IoDone>) {
          hash.Add(e.token.value() << 1 | uint64_t{e.status.ok()});
        } else if constexpr (std::is_same_v<E, ReadDone>) {
          hash.Add(e.token.value() << 1 | uint64_t{e.bytes.ok()});
        } else if constexpr (std::is_same_v<E, GroupReopened>) {
          hash.Add(e.token.value() << 1 | uint64_t{e.recovered.ok()});
        } else if constexpr (std::is_same_v<E, DiskSpace>) {
          hash.Add(e.free_bytes);
        } else if constexpr (std::is_same_v<E, DamageFound>) {
          hash.Add(e.file.group.value());
          hash.Add(e.file.number);
        }
      },
      event);
}

void AddTo(TraceHash& hash, const Effect& effect) {
  hash.Add(effect.index());
  std::visit(
      [&](const auto& e) {
        using E = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<E, SendPeer>) {
          AddMessage(hash, e.message);
        } else if constexpr (std::is_same_v<E, SetPeerAddress>) {
          hash.Add(e.node.value());
          hash.Add(e.address.host);
        } else if constexpr (std::is_same_v<E, SendDatagram> ||
                             std::is_same_v<E, SendGossipStream>) {
          hash.Add(e.to.host);
          hash.Add(e.bytes.view());
        } else if constexpr (std::is_same_v<E, Reply>) {
          hash.Add(e.id.value());
          AddResponse(hash, e.response);
        } else if constexpr (std::is_same_v<E, Flush>) {
          hash.Add(e.token.value());
          AddBatch(hash, e.batch);
        } else if constexpr (std::is_same_v<E, ReadRange>) {
          hash.Add(e.token.value());
          AddFileId(hash, e.file);
          hash.Add(e.pos.value());
          hash.Add(e.length);
        } else if constexpr (std::is_same_v<E, ReopenGroup>) {
          hash.Add(e.token.value());
          hash.Add(e.group.value());
          hash.Add(e.committed.value());
        } else if constexpr (std::is_same_v<E, Note>) {
          hash.Add(e.event);
        }
      },
      effect);
}

}  // namespace tidemark::sim
