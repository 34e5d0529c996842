#include "runtime/net/peer_transport.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "runtime/base/random.h"
#include "runtime/net/mux.h"
#include "runtime/net/sockets.h"

namespace tidemark::net {
namespace {

constexpr size_t kReasonBytesMax = 1024;

size_t SizeOf(const std::vector<Bytes>& parts) {
  size_t size = kFrameHeaderBytes;
  for (const Bytes& part : parts) size += part.size();
  return size;
}

}  // namespace

PeerTransport::PeerTransport(EventLoop* loop, Options options, Callbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      prng_(SecureRandom64()),
      resolver_(loop) {}

PeerTransport::~PeerTransport() {
  *alive_ = false;
  for (auto& [to, peer] : outgoing_) loop_->Cancel(peer.hello_timer);
  for (auto& [id, peer] : incoming_) loop_->Cancel(peer.hello_timer);
}

void PeerTransport::SetTls(std::shared_ptr<TlsContext> server, std::shared_ptr<TlsContext> client) {
  options_.server_tls = std::move(server);
  options_.client_tls = std::move(client);
}

void PeerTransport::PostIfAlive(std::function<void()> function) {
  loop_->Post([alive = alive_, function = std::move(function)] {
    if (*alive) function();
  });
}

void PeerTransport::DropLater(std::unique_ptr<ByteStream> stream) {
  if (stream == nullptr) return;
  stream->Close();
  // It may be what is calling.
  loop_->Post([keep = std::shared_ptr<ByteStream>(std::move(stream))] {});
}

void PeerTransport::Report(const std::string& peer, const absl::Status& why) {
  ++counters_.refused;
  if (callbacks_.on_refused) callbacks_.on_refused(peer, why);
  uint64_t suppressed = 0;
  if (!refusal_log_.Allow(loop_->now(), suppressed)) return;
  Log(LogLevel::kWarning, "peer_refused",
      {{"peer", peer}, {"reason", std::string(why.message())}, {"suppressed", suppressed}});
}

// ---- Outgoing: dial, say hello, wait for the answer, send.

PeerTransport::Outgoing* PeerTransport::Find(const Endpoint& to) {
  const auto found = outgoing_.find(to);
  return found == outgoing_.end() ? nullptr : &found->second;
}

PeerTransport::Outgoing* PeerTransport::FindOrAdd(const Endpoint& to) {
  if (Outgoing* const found = Find(to)) return found;
  if (outgoing_.size() >= kEndpointsMax) {
    const auto idle = std::find_if(outgoing_.begin(), outgoing_.end(), [](const auto& each) {
      return each.second.state == LinkState::kIdle;
    });
    if (idle == outgoing_.end()) return nullptr;
    outgoing_.erase(idle);
  }
  Outgoing& added = outgoing_[to];
  added.redial = options_.redial_min;
  return &added;
}

void PeerTransport::Send(const Endpoint& to, FrameType type, const std::vector<Bytes>& parts) {
  // A node's own address may be among those it joins by.
  if (to == options_.self.advertise) return;
  Outgoing* const peer = FindOrAdd(to);
  const size_t bytes = SizeOf(parts);
  if (peer == nullptr || bytes > kFrameHeaderBytes + kPeerFrameBytesMax) {
    ++counters_.frames_dropped;
    return;
  }
  if (peer->state == LinkState::kReady) {
    const size_t queued = peer->stream->pending();
    if (queued > 0 && queued + bytes > options_.queue_bytes_max) {
      ++counters_.frames_dropped;
      return;
    }
    AppendFrame(peer->stream->write_buffer(), type, parts);
    ++counters_.frames_sent;
    peer->dirty = true;
    return;
  }
  if (!peer->away.empty() && peer->away.size() + bytes > options_.away_bytes_max) {
    ++counters_.frames_dropped;
    peer->away.clear();
  }
  AppendFrame(peer->away, type, parts);
  ++counters_.frames_sent;
  if (peer->state == LinkState::kIdle) Dial(to);
}

void PeerTransport::Flush() {
  for (auto& [to, peer] : outgoing_) {
    if (!std::exchange(peer.dirty, false) || peer.stream == nullptr) continue;
    peer.stream->Flush();  // may end the stream: LinkBroken erases no entry
  }
}

void PeerTransport::Dial(const Endpoint& to) {
  Outgoing* const peer = Find(to);
  peer->state = LinkState::kResolving;
  ++counters_.dials;
  if (PackIp(to.host).has_value()) {
    Connect(to, to);
    return;
  }
  resolver_.Resolve(to, [this, to](absl::StatusOr<Endpoint> address) { Connect(to, address); });
}

void PeerTransport::Connect(const Endpoint& to, const absl::StatusOr<Endpoint>& address) {
  Outgoing* const peer = Find(to);
  if (peer == nullptr || peer->state != LinkState::kResolving) return;
  absl::StatusOr<UniqueFd> fd =
      address.ok() ? net::Connect(*address) : absl::StatusOr<UniqueFd>(address.status());
  if (!fd.ok()) {
    LinkBroken(to, fd.status());
    return;
  }
  peer->state = LinkState::kDialling;
  peer->hello_timer = loop_->After(options_.handshake_timeout, [this, to] {
    LinkBroken(to, absl::DeadlineExceededError("it did not answer in time"));
  });
  peer->stream = std::make_unique<ByteStream>(
      loop_, *std::move(fd), options_.client_tls, "", /*connecting=*/true,
      options_.handshake_timeout,
      ByteStream::Callbacks{
          .on_open = [this, to] { SayHello(to); },
          .on_data = [this, to](std::string_view data) { return OutgoingData(to, data); },
          .on_closed = [this, to](absl::Status why) { LinkBroken(to, why); },
          .on_drained = nullptr});
}

void PeerTransport::SayHello(const Endpoint& to) {
  ByteStream& stream = *Find(to)->stream;
  if (!stream.secure()) stream.Write(kPeerMagic);
  AppendFrame(stream.write_buffer(), FrameType::kHello,
              {Bytes::From(EncodePeerHello(options_.self))});
  stream.Flush();
}

size_t PeerTransport::OutgoingData(const Endpoint& to, std::string_view data) {
  Outgoing& peer = *Find(to);
  const absl::StatusOr<std::optional<PeerFrame>> frame = NextFrame(data, kPeerHelloBytesMax);
  absl::Status status = frame.status();
  if (status.ok()) {
    if (!frame->has_value()) return 0;
    status = CheckAnswer(peer, **frame);
  }
  if (!status.ok()) {
    LinkBroken(to, status);
    return data.size();
  }
  LinkReady(to, peer);
  return (*frame)->total_bytes;
}

absl::Status PeerTransport::CheckAnswer(const Outgoing& peer, const PeerFrame& frame) const {
  if (frame.type == FrameType::kRefused) {
    return absl::PermissionDeniedError(absl::StrCat(
        "it refuses this node: ", std::string(frame.payload.substr(0, kReasonBytesMax))));
  }
  if (frame.type != FrameType::kHello || peer.state == LinkState::kReady) {
    return absl::DataLossError("it sent more than its hello; is that a tidemark server?");
  }
  TIDEMARK_ASSIGN_OR_RETURN(const PeerHello hello, DecodePeerHello(frame.payload));
  return CheckPeer(options_.self, hello, peer.stream->secure(), peer.stream->identity());
}

void PeerTransport::LinkReady(const Endpoint& to, Outgoing& peer) {
  loop_->Cancel(std::exchange(peer.hello_timer, {}));
  peer.state = LinkState::kReady;
  peer.redial = options_.redial_min;
  peer.failed = false;
  peer.stream->Write(std::exchange(peer.away, ""));
  peer.dirty = true;
  Log(LogLevel::kInfo, "peer_link_up", {{"endpoint", to.ToString()}});
  callbacks_.on_link(to, true);
  PostIfAlive([this] { Flush(); });
}

void PeerTransport::LinkBroken(const Endpoint& to, const absl::Status& why) {
  Outgoing* const peer = Find(to);
  if (peer == nullptr || peer->state == LinkState::kIdle || peer->state == LinkState::kWaiting) {
    return;
  }
  const bool was_ready = peer->state == LinkState::kReady;
  loop_->Cancel(std::exchange(peer->hello_timer, {}));
  DropLater(std::move(peer->stream));
  peer->dirty = false;
  peer->state = LinkState::kWaiting;
  const Duration half = peer->redial / 2;
  const Duration wait = half + prng_.Between(Duration::Nanos(0), half + Duration::Nanos(1));
  peer->redial = std::min(peer->redial * 2, options_.redial_max);
  loop_->After(wait, [this, alive = alive_, to] {
    if (!*alive) return;
    Outgoing* const again = Find(to);
    again->state = LinkState::kIdle;
    // If nobody has anything for it, the next frame dials.
    if (!again->away.empty()) Dial(to);
  });
  if (absl::IsPermissionDenied(why) || absl::IsUnauthenticated(why) || absl::IsDataLoss(why) ||
      absl::IsInvalidArgument(why)) {
    Report(to.ToString(), why);
  } else if (was_ready || !peer->failed) {
    Log(LogLevel::kWarning, was_ready ? "peer_link_down" : "peer_unreachable",
        {{"endpoint", to.ToString()}, {"reason", std::string(why.message())}});
  }
  peer->failed = true;
  if (was_ready) callbacks_.on_link(to, false);
}

// ---- Incoming: wait for the hello, answer it, hand frames on.

PeerTransport::Incoming* PeerTransport::Find(uint64_t id) {
  const auto found = incoming_.find(id);
  return found == incoming_.end() ? nullptr : &found->second;
}

void PeerTransport::Accept(UniqueFd fd, std::string received) {
  MakeRoomForStranger();
  const uint64_t id = next_incoming_++;
  if (options_.server_tls == nullptr) received.erase(0, kPeerMagic.size());
  Incoming& peer = incoming_[id];
  peer.hello_timer = loop_->After(options_.handshake_timeout, [this, id] {
    Incoming* const late = Find(id);
    if (!late->refused) {
      Report(late->stream->peer(), absl::DeadlineExceededError("it did not say hello in time"));
    }
    CloseIncoming(id);
  });
  peer.stream = std::make_unique<ByteStream>(
      loop_, std::move(fd), options_.server_tls, std::move(received), /*connecting=*/false,
      options_.handshake_timeout,
      ByteStream::Callbacks{
          .on_open = nullptr,
          .on_data = [this, id](std::string_view data) { return IncomingData(id, data); },
          .on_closed =
              [this, id](absl::Status why) {
                const Incoming* const closed = Find(id);
                if (closed == nullptr) return;
                // A node that goes away in order is no event; its own link's end is.
                if (!closed->refused && closed->from == kNoNode && !absl::IsCancelled(why)) {
                  Report(closed->stream->peer(), why);
                }
                CloseIncoming(id);
              },
          .on_drained = nullptr});
}

size_t PeerTransport::IncomingData(uint64_t id, std::string_view data) {
  size_t used = 0;
  for (;;) {
    const Incoming* const peer = Find(id);
    if (peer == nullptr || peer->refused) return data.size();
    const absl::StatusOr<std::optional<PeerFrame>> frame = NextFrame(
        data.substr(used), peer->from == kNoNode ? kPeerHelloBytesMax : kPeerFrameBytesMax);
    absl::Status status = frame.status();
    if (status.ok()) {
      if (!frame->has_value()) return used;
      used += (*frame)->total_bytes;
      status = TakeFrame(id, **frame);
    }
    if (!status.ok()) {
      RefuseIncoming(id, status);
      return data.size();
    }
  }
}

absl::Status PeerTransport::TakeFrame(uint64_t id, const PeerFrame& frame) {
  const NodeId from = Find(id)->from;
  if (from == kNoNode) return TakeHello(id, frame);
  if (frame.type != FrameType::kRaft && frame.type != FrameType::kGossip) {
    return absl::DataLossError("a second hello");
  }
  ++counters_.frames_received;
  callbacks_.on_frame(from, frame.type, Bytes::Copy(frame.payload));
  return absl::OkStatus();
}

absl::Status PeerTransport::TakeHello(uint64_t id, const PeerFrame& frame) {
  if (frame.type != FrameType::kHello) {
    return absl::InvalidArgumentError("it did not say hello first");
  }
  TIDEMARK_ASSIGN_OR_RETURN(const PeerHello hello, DecodePeerHello(frame.payload));
  Incoming& peer = *Find(id);
  TIDEMARK_RETURN_IF_ERROR(
      CheckPeer(options_.self, hello, peer.stream->secure(), peer.stream->identity()));
  loop_->Cancel(std::exchange(peer.hello_timer, {}));
  peer.from = hello.node;
  AppendFrame(peer.stream->write_buffer(), FrameType::kHello,
              {Bytes::From(EncodePeerHello(options_.self))});
  PostIfAlive([this, id] {
    if (Incoming* const ready = Find(id)) ready->stream->Flush();
  });
  LimitConnectionsOf(hello.node);
  return absl::OkStatus();
}

void PeerTransport::RefuseIncoming(uint64_t id, const absl::Status& why) {
  Incoming& peer = *Find(id);
  peer.refused = true;
  Report(peer.stream->peer(), why);
  const absl::string_view reason = why.message().substr(0, kReasonBytesMax);
  AppendFrame(peer.stream->write_buffer(), FrameType::kRefused,
              {Bytes::Copy({reason.data(), reason.size()})});
  // What cannot be sent by then is not worth keeping a connection for.
  loop_->Cancel(peer.hello_timer);
  peer.hello_timer = loop_->After(options_.handshake_timeout, [this, id] { CloseIncoming(id); });
  PostIfAlive([this, id] {
    if (Incoming* const refused = Find(id)) refused->stream->CloseWhenDrained();
  });
}

void PeerTransport::CloseIncoming(uint64_t id) {
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return;
  loop_->Cancel(found->second.hello_timer);
  DropLater(std::move(found->second.stream));
  incoming_.erase(found);
}

void PeerTransport::MakeRoomForStranger() {
  const auto is_stranger = [](const auto& each) { return each.second.from == kNoNode; };
  if (std::count_if(incoming_.begin(), incoming_.end(), is_stranger) <
      static_cast<ptrdiff_t>(kStrangersMax)) {
    return;
  }
  const auto oldest = std::find_if(incoming_.begin(), incoming_.end(), is_stranger);
  Report(oldest->second.stream->peer(),
         absl::ResourceExhaustedError("too many connections that have not said who they are"));
  CloseIncoming(oldest->first);
}

void PeerTransport::LimitConnectionsOf(NodeId node) {
  const auto is_node = [node](const auto& each) { return each.second.from == node; };
  if (std::count_if(incoming_.begin(), incoming_.end(), is_node) >
      static_cast<ptrdiff_t>(kConnectionsPerNodeMax)) {
    CloseIncoming(std::find_if(incoming_.begin(), incoming_.end(), is_node)->first);
  }
}

}  // namespace tidemark::net
