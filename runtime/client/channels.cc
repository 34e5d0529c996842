#include "runtime/client/channels.h"

#include <grpcpp/grpcpp.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark::client {
namespace {

absl::StatusOr<std::string> ReadPem(std::string_view what, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.good()) {
    return absl::NotFoundError(absl::StrCat("cannot read the ", std::string(what), " ", path, ": ",
                                            std::strerror(errno),
                                            "; make certificates with `tidemark cert`"));
  }
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

}  // namespace

absl::StatusOr<std::shared_ptr<Channels>> Channels::Create(const ClientOptions& options) {
  if (!options.tls.has_value()) {
    return std::make_shared<Channels>(grpc::InsecureChannelCredentials());
  }
  grpc::SslCredentialsOptions tls;
  TIDEMARK_ASSIGN_OR_RETURN(tls.pem_root_certs, ReadPem("CA certificate", options.tls->ca));
  TIDEMARK_ASSIGN_OR_RETURN(tls.pem_cert_chain, ReadPem("certificate", options.tls->cert));
  TIDEMARK_ASSIGN_OR_RETURN(tls.pem_private_key, ReadPem("private key", options.tls->key));
  return std::make_shared<Channels>(grpc::SslCredentials(tls));
}

Channels::Channels(std::shared_ptr<grpc::ChannelCredentials> credentials)
    : credentials_(std::move(credentials)) {}

std::shared_ptr<grpc::Channel> Channels::To(const std::string& address) {
  const std::lock_guard<std::mutex> hold(mutex_);
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(static_cast<int>(kFetchBytesMax + kBatchBytesMax));
    arguments.SetMaxSendMessageSize(static_cast<int>(kBatchBytesMax + (1u << 20)));
    // The sessions above have their own back-off; the channel must not add minutes to it.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    channel = grpc::CreateCustomChannel(address, credentials_, arguments);
  }
  return channel;
}

std::shared_ptr<grpc::Channel> Channels::ConnectedTo(const std::string& address) {
  const std::shared_ptr<grpc::Channel> channel = To(address);
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
  bool tried = false;
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY && channel->WaitForStateChange(state, deadline)) {
    state = channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE && tried) break;
    tried = tried || state == GRPC_CHANNEL_CONNECTING;
  }
  return channel;
}

}  // namespace tidemark::client
