#include "runtime/net/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::net {
namespace {

constexpr int kBacklog = 1024;
constexpr int kUserTimeoutMillis = 15'000;
constexpr int kPortAttempts = 64;

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

absl::StatusOr<Address> AddressOf(const Endpoint& endpoint) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.length = sizeof(*v4);
    return address;
  }
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.length = sizeof(*v6);
    return address;
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", endpoint.host, "\" is not an IP address"));
}

Endpoint EndpointOf(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  Endpoint endpoint;
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    endpoint.port = ntohs(v4->sin_port);
  } else if (address.storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    endpoint.port = ntohs(v6->sin6_port);
  }
  endpoint.host = text;
  return endpoint;
}

absl::Status BindError(const Endpoint& at, std::string_view protocol, int error) {
  std::string advice = "choose another address to listen on";
  if (error == EADDRINUSE) {
    advice = "another process listens there; stop it or choose another port";
  } else if (error == EADDRNOTAVAIL) {
    advice = "this machine does not have that address";
  } else if (error == EACCES) {
    advice = "ports below 1024 need privileges; choose a higher one";
  }
  return absl::UnavailableError(absl::StrCat("cannot listen on ", at.ToString(), " (",
                                             std::string(protocol), "): ", std::strerror(error),
                                             "; ", advice));
}

absl::StatusOr<UniqueFd> Bind(const Endpoint& at, const Address& address, int type,
                              std::string_view protocol) {
  UniqueFd fd(::socket(address.get()->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return BindError(at, protocol, errno);
  const int on = 1;
  if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(fd.get(), address.get(), address.length) != 0 ||
      (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0)) {
    return BindError(at, protocol, errno);
  }
  return fd;
}

}  // namespace

absl::StatusOr<PortSockets> OpenPort(const Endpoint& at) {
  for (int attempt = 0;; ++attempt) {
    TIDEMARK_ASSIGN_OR_RETURN(Address address, AddressOf(at));
    PortSockets sockets;
    TIDEMARK_ASSIGN_OR_RETURN(sockets.tcp, Bind(at, address, SOCK_STREAM, "TCP"));
    address.length = sizeof(address.storage);
    ::getsockname(sockets.tcp.get(), address.get(), &address.length);
    sockets.bound = EndpointOf(address);
    absl::StatusOr<UniqueFd> udp = Bind(sockets.bound, address, SOCK_DGRAM, "UDP");
    if (udp.ok()) {
      sockets.udp = *std::move(udp);
      return sockets;
    }
    if (at.port != 0 || attempt == kPortAttempts) return udp.status();
  }
}

absl::StatusOr<UniqueFd> Connect(const Endpoint& to) {
  TIDEMARK_ASSIGN_OR_RETURN(const Address address, AddressOf(to));
  UniqueFd fd(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() ||
      (::connect(fd.get(), address.get(), address.length) != 0 && errno != EINPROGRESS)) {
    return absl::UnavailableError(
        absl::StrCat("cannot connect to ", to.ToString(), ": ", std::strerror(errno)));
  }
  TuneStream(fd.get());
  return fd;
}

absl::Status ConnectResult(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot connect: ", std::strerror(error)));
}

void TuneStream(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMillis, sizeof(kUserTimeoutMillis));
}

std::string PeerName(int fd) {
  Address address;
  address.length = sizeof(address.storage);
  if (::getpeername(fd, address.get(), &address.length) != 0) return "?";
  return EndpointOf(address).ToString();
}

void SendDatagram(int fd, const Endpoint& to, const Bytes& bytes) {
  const absl::StatusOr<Address> address = AddressOf(to);
  if (!address.ok()) return;
  [[maybe_unused]] const ssize_t sent =
      ::sendto(fd, bytes.data(), bytes.size(), MSG_DONTWAIT, address->get(), address->length);
}

bool ReceiveDatagram(int fd, Endpoint& from, std::string& bytes) {
  Address address;
  address.length = sizeof(address.storage);
  bytes.resize(64u << 10);
  const ssize_t got =
      ::recvfrom(fd, bytes.data(), bytes.size(), MSG_DONTWAIT, address.get(), &address.length);
  if (got < 0) return false;
  bytes.resize(static_cast<size_t>(got));
  from = EndpointOf(address);
  return true;
}

}  // namespace tidemark::net
