#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "runtime/client/client.h"

namespace grpc {
class Channel;
class ChannelCredentials;
}  // namespace grpc

namespace tidemark::client {

// One plain gRPC channel per address, made on first use. Safe from any thread.
class Channels {
 public:
  // Errors: kNotFound, a TLS file cannot be read.
  static absl::StatusOr<std::shared_ptr<Channels>> Create(const ClientOptions& options);
  explicit Channels(std::shared_ptr<grpc::ChannelCredentials> credentials);

  std::shared_ptr<grpc::Channel> To(const std::string& address);
  // The same, after giving its connection up to a second to come up or fail. For blocking calls:
  // gRPC moves a connection on only while somebody polls, and a call on a channel that has failed
  // returns without polling.
  std::shared_ptr<grpc::Channel> ConnectedTo(const std::string& address);

 private:
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace tidemark::client
