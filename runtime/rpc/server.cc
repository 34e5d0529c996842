#include "runtime/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {
namespace {

constexpr unsigned kCertificateRefreshSeconds = 1;
// Above the largest batch: what a request has around it, and plain records before encoding.
constexpr size_t kMessageSlackBytes = 1u << 20;

constexpr std::array<const char*, 3> kServices = {"tidemark.v1.Log", "tidemark.v1.Cluster",
                                                  "tidemark.v1.Admin"};

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> CredentialsOf(
    const std::optional<TlsPaths>& tls) {
  if (!tls.has_value()) return grpc::InsecureServerCredentials();
  for (const std::string* path : {&tls->ca, &tls->cert, &tls->key}) {
    if (access(path->c_str(), R_OK) != 0) {
      return absl::NotFoundError(absl::StrCat("cannot read the TLS file ", *path,
                                              "; make certificates with `tidemark cert`"));
    }
  }
  auto provider = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      tls->key, tls->cert, tls->ca, kCertificateRefreshSeconds);
  grpc::experimental::TlsServerCredentialsOptions options(std::move(provider));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

class RpcServerImpl final : public RpcServer {
 public:
  RpcServerImpl(EngineGateway* gateway, RpcMetrics* metrics)
      : log_(&context_), cluster_(&context_), admin_(&context_) {
    context_.gateway = gateway;
    context_.metrics = metrics;
  }

  ~RpcServerImpl() override { Shutdown(Duration()); }

  absl::Status Start(const RpcServerOptions& options) {
    TIDEMARK_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ServerCredentials> credentials,
                              CredentialsOf(options.tls));
    // Process-wide switches of gRPC; both may be thrown again.
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();

    grpc::ServerBuilder builder;
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
    builder.RegisterService(&log_);
    builder.RegisterService(&cluster_);
    builder.RegisterService(&admin_);
    builder.SetMaxReceiveMessageSize(static_cast<int>(kBatchBytesMax + kMessageSlackBytes));
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument("grpc.server_handshake_timeout_ms",
                               static_cast<int>(options.handshake_timeout.millis()));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                               static_cast<int>(options.keepalive_time.millis()));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                               static_cast<int>(options.keepalive_timeout.millis()));
    // Clients tail quiet topics and ping to know that we live; that is no abuse.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC did not start; its log says why");
    SetServing(false);
    const std::lock_guard<std::mutex> hold(gate_);
    open_ = true;
    return absl::OkStatus();
  }

  void HandOff(int fd, std::string_view consumed, int listener_fd) override {
    // gRPC keeps, and leaks, a descriptor it gets before start or after shutdown: the gate keeps
    // those from it.
    const std::lock_guard<std::mutex> hold(gate_);
    if (!open_) {
      close(fd);
      return;
    }
    // gRPC sets this on sockets it accepts itself only; without it every small answer waits for the
    // client's delayed acknowledgement (40 ms). Sockets that are not TCP refuse it, rightly.
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    const grpc::Slice slice(consumed.data(), consumed.size());
    connection.read_buffer = grpc::ByteBuffer(&slice, 1);
    acceptor_->HandleNewConnection(&connection);
  }

  void SetServing(bool serving) override {
    grpc::HealthCheckServiceInterface* const health = server_->GetHealthCheckService();
    if (health == nullptr) return;
    health->SetServingStatus("", serving);
    for (const char* service : kServices) health->SetServingStatus(service, serving);
  }

  void Shutdown(Duration deadline) override {
    {
      const std::lock_guard<std::mutex> hold(gate_);
      open_ = false;
    }
    const std::lock_guard<std::mutex> hold(shutdown_);
    if (server_ == nullptr || down_) return;
    down_ = true;
    if (grpc::HealthCheckServiceInterface* const health = server_->GetHealthCheckService()) {
      health->Shutdown();
    }
    context_.streams.EndAll();
    server_->Shutdown(std::chrono::system_clock::now() +
                      std::chrono::milliseconds(deadline.millis()));
    server_->Wait();
  }

 private:
  ServiceContext context_;
  LogService log_;
  ClusterService cluster_;
  AdminService admin_;

  std::mutex gate_;
  bool open_ = false;  // guarded by gate_
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;

  std::mutex shutdown_;
  bool down_ = false;  // guarded by shutdown_
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const RpcServerOptions& options,
                                                            EngineGateway* gateway,
                                                            RpcMetrics* metrics) {
  auto server = std::make_unique<RpcServerImpl>(gateway, metrics);
  TIDEMARK_RETURN_IF_ERROR(server->Start(options));
  return std::unique_ptr<RpcServer>(std::move(server));
}

}  // namespace tidemark::rpc
