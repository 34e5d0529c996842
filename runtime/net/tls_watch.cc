#include "runtime/net/tls_watch.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "engine/base/status_macros.h"

namespace tidemark::net {
namespace {

int64_t NanosOf(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + int64_t{time.tv_nsec};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsWatch>> TlsWatch::Open(EventLoop* loop, TlsFiles files,
                                                         Duration interval, Callbacks callbacks) {
  std::unique_ptr<TlsWatch> watch(
      new TlsWatch(loop, std::move(files), interval, std::move(callbacks)));
  TIDEMARK_RETURN_IF_ERROR(watch->Load());
  return watch;
}

TlsWatch::TlsWatch(EventLoop* loop, TlsFiles files, Duration interval, Callbacks callbacks)
    : loop_(loop),
      files_(std::move(files)),
      interval_(interval),
      callbacks_(std::move(callbacks)),
      // Before the files are read: what changes meanwhile is seen at the next look.
      loaded_(Look()),
      seen_(loaded_),
      timer_(loop->After(interval, [this] { OnTimer(); })) {}

TlsWatch::~TlsWatch() { loop_->Cancel(timer_); }

TlsWatch::Stamp TlsWatch::StampOf(const std::string& path) {
  struct stat file = {};
  if (::stat(path.c_str(), &file) != 0) return {};
  return {.device = file.st_dev,
          .inode = file.st_ino,
          .bytes = file.st_size,
          .modified_ns = NanosOf(file.st_mtim),
          .changed_ns = NanosOf(file.st_ctim)};
}

TlsWatch::Stamps TlsWatch::Look() const {
  return {StampOf(files_.ca), StampOf(files_.cert), StampOf(files_.key)};
}

absl::Status TlsWatch::Load() {
  using Role = TlsContext::Role;
  TlsContexts contexts;
  TIDEMARK_ASSIGN_OR_RETURN(contexts.peer_server, TlsContext::Create(files_, Role::kPeerServer));
  TIDEMARK_ASSIGN_OR_RETURN(contexts.peer_client, TlsContext::Create(files_, Role::kPeerClient));
  TIDEMARK_ASSIGN_OR_RETURN(contexts.http, TlsContext::Create(files_, Role::kHttpServer));
  contexts_ = std::move(contexts);
  return absl::OkStatus();
}

void TlsWatch::OnTimer() {
  timer_ = loop_->After(interval_, [this] { OnTimer(); });
  const Stamps before = std::exchange(seen_, Look());
  if (seen_ == loaded_ || seen_ != before) return;
  loaded_ = seen_;
  const absl::Status loaded = Load();
  if (loaded.ok()) {
    callbacks_.on_renewed(contexts_);
  } else {
    callbacks_.on_unusable(loaded);
  }
}

}  // namespace tidemark::net
