#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/endpoint.h"
#include "runtime/base/unique_fd.h"

namespace tidemark::net {

// The one port: TCP and UDP sockets of the same number, non-blocking, bound; TCP listening.
struct PortSockets {
  UniqueFd tcp;
  UniqueFd udp;
  Endpoint bound;
};

// Binds `at`; port 0 finds one that is free for both.
//   Errors  kUnavailable: names the address and says what to do (in use, not this machine's).
absl::StatusOr<PortSockets> OpenPort(const Endpoint& at);

// A non-blocking connection under way. The host must be an IP literal.
absl::StatusOr<UniqueFd> Connect(const Endpoint& to);
// The outcome of a non-blocking connect, once writable.
absl::Status ConnectResult(int fd);

// Settings every stream wants: no delay, keep-alive, an end to unacknowledged data.
void TuneStream(int fd);

// The other side of a connected socket, "?" if unknown.
std::string PeerName(int fd);

// Sends one datagram; what cannot be sent at once is dropped (UDP promises no more).
void SendDatagram(int fd, const Endpoint& to, const Bytes& bytes);
// Receives one datagram; false when none is waiting.
bool ReceiveDatagram(int fd, Endpoint& from, std::string& bytes);

}  // namespace tidemark::net
