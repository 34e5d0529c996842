#include "runtime/net/byte_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/net/sockets.h"

namespace tidemark::net {
namespace {

// Read at most this much before letting others have a turn.
constexpr size_t kReadBytesPerTurn = 1u << 20;
// Larger buffers are given back when they are empty.
constexpr size_t kIdleBufferBytes = 1u << 20;
// What was sent leaves the front of the buffer in steps of at least this.
constexpr size_t kCompactBytes = 1u << 20;

}  // namespace

ByteStream::ByteStream(EventLoop* loop, UniqueFd fd, std::shared_ptr<TlsContext> tls,
                       std::string received, bool connecting, Duration handshake_timeout,
                       Callbacks callbacks)
    : loop_(loop),
      fd_(std::move(fd)),
      callbacks_(std::move(callbacks)),
      peer_(PeerName(fd_.get())),
      connecting_(connecting) {
  if (tls != nullptr) tls_.emplace(std::move(tls));
  TuneStream(fd_.get());
  wants_write_ = connecting_;
  absl::StatusOr<EventLoop::WatchId> watch =
      loop_->Watch(fd_.get(), {.read = true, .write = wants_write_},
                   [this](EventLoop::Ready ready) { OnReady(ready); });
  if (!watch.ok()) {
    loop_->Post([this, alive = std::weak_ptr<bool>(alive_), why = watch.status()] {
      if (!alive.expired()) End(why);
    });
    return;
  }
  watch_ = *watch;
  if (connecting_ || tls_.has_value()) {
    handshake_timer_ = loop_->After(handshake_timeout, [this] {
      handshake_timer_.reset();
      End(absl::DeadlineExceededError("the handshake took too long"));
    });
  } else {
    open_ = true;
  }
  if (!received.empty()) {
    // Not from inside the constructor: the owner does not hold the stream yet.
    loop_->Post([this, alive = std::weak_ptr<bool>(alive_), received = std::move(received)] {
      if (alive.expired() || !fd_.valid()) return;
      Take(received);
    });
  }
}

ByteStream::~ByteStream() { Close(); }

void ByteStream::Close() {
  if (!fd_.valid()) return;
  if (handshake_timer_.has_value()) loop_->Cancel(*std::exchange(handshake_timer_, std::nullopt));
  if (watch_ != 0) loop_->Unwatch(std::exchange(watch_, 0));
  fd_.Reset();
  open_ = false;
  *alive_ = false;
}

void ByteStream::End(absl::Status why) {
  if (!fd_.valid()) return;
  if (tls_.has_value()) {
    // An alert, if there is one, says why: send it if the kernel takes it.
    tls_->TakeOutput(out_);
    if (out_.size() > sent_) {
      [[maybe_unused]] const ssize_t last =
          ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }
  Close();
  // Moved out: the callback may destroy this.
  const auto on_closed = std::move(callbacks_.on_closed);
  if (on_closed) on_closed(std::move(why));
}

void ByteStream::OnReady(EventLoop::Ready ready) {
  const std::shared_ptr<bool> alive = alive_;
  if (connecting_) {
    const absl::Status connected = ConnectResult(fd_.get());
    if (!connected.ok()) {
      End(connected);
      return;
    }
    if (!ready.writable) return;
    connecting_ = false;
    peer_ = PeerName(fd_.get());
    if (tls_.has_value()) {
      const absl::Status begun = tls_->Begin();
      if (!begun.ok()) {
        End(begun);
        return;
      }
    } else {
      MarkOpen();
      if (!*alive) return;
    }
    Flush();
    if (!*alive) return;
    Watch();
    return;
  }
  if (ready.readable || ready.failed) {
    Receive();
    if (!*alive) return;
  }
  if (ready.writable) Flush();
}

void ByteStream::Receive() {
  const std::shared_ptr<bool> alive = alive_;
  std::array<char, 64 << 10> buffer;
  for (size_t total = 0; total < kReadBytesPerTurn;) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      End(absl::UnavailableError(absl::StrCat("connection lost: ", std::strerror(errno))));
      return;
    }
    if (got == 0) {
      End(absl::CancelledError("closed by the other side"));
      return;
    }
    total += static_cast<size_t>(got);
    Take({buffer.data(), static_cast<size_t>(got)});
    if (!*alive) return;
    if (static_cast<size_t>(got) < buffer.size()) return;
  }
}

void ByteStream::Take(std::string_view cipher) {
  const std::shared_ptr<bool> alive = alive_;
  if (!tls_.has_value()) {
    in_.append(cipher);
    Deliver();
    return;
  }
  const absl::Status fed = tls_->Feed(cipher, in_);
  if (tls_->established() && !open_) {
    MarkOpen();
    if (!*alive) return;
  }
  if (!in_.empty()) {
    Deliver();
    if (!*alive) return;
  }
  Flush();
  if (!*alive) return;
  if (!fed.ok()) End(fed);
}

void ByteStream::Deliver() {
  const std::shared_ptr<bool> alive = alive_;
  size_t used = 0;
  // Until it takes nothing: several requests or frames may have come at once.
  while (used < in_.size() && callbacks_.on_data && !closing_input_) {
    const size_t taken = callbacks_.on_data(std::string_view(in_).substr(used));
    if (!*alive) return;
    if (taken == 0) break;
    used += taken;
  }
  in_.erase(0, closing_input_ ? in_.size() : used);
  if (in_.empty() && in_.capacity() > kIdleBufferBytes) in_ = std::string();
}

void ByteStream::MarkOpen() {
  open_ = true;
  if (handshake_timer_.has_value()) loop_->Cancel(*std::exchange(handshake_timer_, std::nullopt));
  if (callbacks_.on_open) callbacks_.on_open();
}

void ByteStream::Write(std::string_view plain) { plain_out_.append(plain); }

void ByteStream::Flush() {
  if (!fd_.valid() || connecting_ || write_failed_) return;
  if (tls_.has_value()) {
    if (open_ && !plain_out_.empty()) {
      const absl::Status written = tls_->Write(plain_out_);
      plain_out_.clear();
      if (plain_out_.capacity() > kIdleBufferBytes) plain_out_ = std::string();
      if (!written.ok()) {
        End(written);
        return;
      }
    }
    tls_->TakeOutput(out_);
  } else if (!plain_out_.empty()) {
    if (out_.empty()) {
      out_.swap(plain_out_);
    } else {
      out_.append(plain_out_);
      plain_out_.clear();
    }
  }
  while (sent_ < out_.size()) {
    const ssize_t sent = ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      WriteFailed(absl::UnavailableError(absl::StrCat("connection lost: ", std::strerror(errno))));
      return;
    }
    sent_ += static_cast<size_t>(sent);
  }
  if (sent_ == out_.size()) {
    out_.clear();
    if (out_.capacity() > kIdleBufferBytes) out_ = std::string();
    sent_ = 0;
  } else if (sent_ >= kCompactBytes && sent_ >= out_.size() / 2) {
    // A peer that always lags a little must not make the buffer grow for ever.
    out_.erase(0, sent_);
    sent_ = 0;
  }
  Watch();
  if (!out_.empty() || !open_) return;
  if (closing_) {
    Close();
    const auto on_closed = std::move(callbacks_.on_closed);
    if (on_closed) on_closed(absl::OkStatus());
    return;
  }
  if (callbacks_.on_drained) callbacks_.on_drained();
}

void ByteStream::WriteFailed(const absl::Status& why) {
  const std::shared_ptr<bool> alive = alive_;
  write_failed_ = true;
  // What the other side sent before it closed, a TLS alert or a refusal, says more than the reset.
  Receive();
  if (*alive) End(why);
}

void ByteStream::CloseWhenDrained() {
  closing_ = true;
  closing_input_ = true;
  Flush();
}

void ByteStream::Watch() {
  const bool wants_write = sent_ < out_.size() || connecting_;
  if (wants_write == wants_write_ || watch_ == 0) return;
  wants_write_ = wants_write;
  loop_->SetInterest(watch_, {.read = true, .write = wants_write});
}

}  // namespace tidemark::net
