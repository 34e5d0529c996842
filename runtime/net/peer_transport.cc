#include "runtime/net/peer_transport.h"

#include <algorithm>
#include <utility>

#include "runtime/base/clock.h"
#include "runtime/net/mux.h"
#include "runtime/net/sockets.h"

namespace tidemark::net {

PeerTransport::PeerTransport(EventLoop* loop, Options options, Callbacks callbacks)
    : loop_(loop), options_(std::move(options)), callbacks_(std::move(callbacks)) {}

PeerTransport::~PeerTransport() { *alive_ = false; }

void PeerTransport::SetTls(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client) {
  options_.server_tls = std::move(server);
  options_.client_tls = std::move(client);
}

std::string PeerTransport::HelloFrame() const {
  std::string frame;
  AppendFrame(frame, FrameType::kHello, {Bytes::From(EncodePeerHello(options_.self))});
  return frame;
}

void PeerTransport::Send(const Endpoint& to, FrameType type, const std::vector<Bytes>& parts) {
  std::unique_ptr<Outgoing>& slot = outgoing_[to];
  if (slot == nullptr) {
    slot = std::make_unique<Outgoing>();
    slot->to = to;
    slot->redial = options_.redial_min;
  }
  Outgoing& peer = *slot;
  const size_t queued = peer.ready ? peer.stream->pending() : peer.waiting.size();
  if (queued > options_.queue_bytes_max) {
    ++counters_.frames_dropped;
    return;
  }
  ++counters_.frames_sent;
  if (peer.ready) {
    std::string frame;
    AppendFrame(frame, type, parts);
    peer.stream->Write(frame);
    peer.dirty = true;
    return;
  }
  // Old news is worth little to who was away: keep a small amount only.
  if (peer.waiting.size() > (1u << 20)) {
    ++counters_.frames_dropped;
    peer.waiting.clear();
  }
  AppendFrame(peer.waiting, type, parts);
  if (peer.stream == nullptr && !peer.redial_armed) Dial(peer);
}

void PeerTransport::Flush() {
  for (auto& [to, peer] : outgoing_) {
    if (!std::exchange(peer->dirty, false) || peer->stream == nullptr) continue;
    peer->stream->Flush();  // may end the stream and call OutgoingClosed, which erases nothing
  }
}

void PeerTransport::Dial(Outgoing& peer) {
  ++counters_.dials;
  absl::StatusOr<UniqueFd> fd = Connect(peer.to);
  if (!fd.ok()) {
    OutgoingClosed(peer.to, fd.status());
    return;
  }
  const Endpoint to = peer.to;
  peer.stream = std::make_unique<ByteStream>(
      loop_, *std::move(fd), options_.client_tls, "", /*connecting=*/true,
      options_.handshake_timeout,
      ByteStream::Callbacks{
          .on_open = [this, to] { Connected(to); },
          .on_data = [this, to](std::string_view data) { return OutgoingData(to, data); },
          .on_closed = [this, to](absl::Status why) { OutgoingClosed(to, why); },
          .on_drained = nullptr});
}

void PeerTransport::Connected(const Endpoint& to) {
  Outgoing& peer = *outgoing_.at(to);
  if (!peer.stream->secure()) peer.stream->Write(kPeerMagic);
  peer.stream->Write(HelloFrame());
  peer.stream->Flush();
}

size_t PeerTransport::OutgoingData(const Endpoint& to, std::string_view data) {
  Outgoing& peer = *outgoing_.at(to);
  const absl::StatusOr<std::optional<PeerFrame>> frame = NextFrame(data);
  absl::Status status = frame.status();
  if (frame.ok()) {
    if (!frame->has_value()) return 0;
    if (peer.ready || (*frame)->type != FrameType::kHello) {
      // The accepting side only says hello.
      return (*frame)->total_bytes;
    }
    const absl::StatusOr<PeerHello> hello = DecodePeerHello((*frame)->payload);
    status = hello.ok() ? CheckPeer(options_.self, *hello, peer.stream->secure(),
                                    peer.stream->identity())
                        : hello.status();
    if (status.ok()) {
      peer.ready = true;
      peer.redial = options_.redial_min;
      peer.stream->Write(std::exchange(peer.waiting, ""));
      peer.dirty = true;
      callbacks_.on_link(to, true);
      const size_t used = (*frame)->total_bytes;
      loop_->Post([this, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) Flush();
      });
      return used;
    }
  }
  loop_->Post([this, alive = std::weak_ptr<bool>(alive_), to, status] {
    if (!alive.expired()) OutgoingClosed(to, status);
  });
  return data.size();
}

void PeerTransport::OutgoingClosed(const Endpoint& to, const absl::Status& why) {
  Outgoing& peer = *outgoing_.at(to);
  const bool was_ready = std::exchange(peer.ready, false);
  DropLater(std::move(peer.stream));
  peer.stream = nullptr;
  peer.dirty = false;
  if (was_ready) {
    callbacks_.on_link(to, false);
  } else if (absl::IsPermissionDenied(why) || absl::IsUnauthenticated(why)) {
    Refused(to.ToString(), why);
  }
  if (peer.redial_armed) return;
  peer.redial_armed = true;
  loop_->After(peer.redial, [this, alive = std::weak_ptr<bool>(alive_), to] {
    if (alive.expired()) return;
    Outgoing& again = *outgoing_.at(to);
    again.redial_armed = false;
    // Nobody wants to talk to it any more: no use dialling.
    if (again.stream == nullptr && !again.waiting.empty()) Dial(again);
  });
  peer.redial = std::min(peer.redial * 2, options_.redial_max);
}

void PeerTransport::DropLater(std::unique_ptr<ByteStream> stream) {
  if (stream == nullptr) return;
  stream->Close();
  // It may be what is calling.
  loop_->Post([keep = std::shared_ptr<ByteStream>(std::move(stream))] {});
}

void PeerTransport::Accept(UniqueFd fd, std::string received) {
  const uint64_t id = next_incoming_++;
  if (options_.server_tls == nullptr) received.erase(0, kPeerMagic.size());
  Incoming& peer = incoming_[id];
  const auto closed = [this, id](absl::Status why) {
    const auto found = incoming_.find(id);
    if (found == incoming_.end()) return;
    if (found->second.from == kNoNode && !absl::IsCancelled(why)) {
      Refused(found->second.stream->peer(), why);
    }
    DropLater(std::move(found->second.stream));
    incoming_.erase(found);
  };
  peer.stream = std::make_unique<ByteStream>(
      loop_, std::move(fd), options_.server_tls, std::move(received), /*connecting=*/false,
      options_.handshake_timeout,
      ByteStream::Callbacks{
          .on_open =
              [this, id] {
                ByteStream& stream = *incoming_.at(id).stream;
                stream.Write(HelloFrame());
                stream.Flush();
              },
          .on_data = [this, id](std::string_view data) { return IncomingData(id, data); },
          .on_closed = closed,
          .on_drained = nullptr});
  if (options_.server_tls == nullptr) {
    peer.stream->Write(HelloFrame());
    peer.stream->Flush();
  }
}

size_t PeerTransport::IncomingData(uint64_t id, std::string_view data) {
  Incoming& peer = incoming_.at(id);
  size_t used = 0;
  absl::Status status;
  while (status.ok()) {
    const absl::StatusOr<std::optional<PeerFrame>> frame = NextFrame(data.substr(used));
    status = frame.status();
    if (!status.ok() || !frame->has_value()) break;
    used += (*frame)->total_bytes;
    if (peer.from == kNoNode) {
      const absl::StatusOr<PeerHello> hello = DecodePeerHello((*frame)->payload);
      status = hello.status();
      if (status.ok() && (*frame)->type != FrameType::kHello) {
        status = absl::InvalidArgumentError("it did not say hello first");
      }
      if (status.ok()) {
        status = CheckPeer(options_.self, *hello, peer.stream->secure(), peer.stream->identity());
      }
      if (status.ok()) peer.from = hello->node;
      continue;
    }
    ++counters_.frames_received;
    callbacks_.on_frame(peer.from, (*frame)->type, Bytes::Copy((*frame)->payload));
  }
  if (status.ok()) return used;
  Refused(peer.stream->peer(), status);
  loop_->Post([this, alive = std::weak_ptr<bool>(alive_), id] {
    if (alive.expired()) return;
    const auto found = incoming_.find(id);
    if (found == incoming_.end()) return;
    DropLater(std::move(found->second.stream));
    incoming_.erase(found);
  });
  return data.size();
}

void PeerTransport::Refused(const std::string& peer, const absl::Status& why) {
  ++counters_.refused;
  uint64_t suppressed = 0;
  if (!log_limit_.Allow(MonotonicNow(), suppressed)) return;
  Log(LogLevel::kWarning, "peer_refused",
      {{"peer", peer}, {"reason", std::string(why.message())}, {"suppressed", suppressed}});
}

}  // namespace tidemark::net
