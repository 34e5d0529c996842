#include "runtime/node/server.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/base/status_macros.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/http/http_server.h"
#include "runtime/io/file_store.h"
#include "runtime/net/event_loop.h"
#include "runtime/net/mux.h"
#include "runtime/net/peer_transport.h"
#include "runtime/net/sockets.h"
#include "runtime/net/tls_watch.h"
#include "runtime/node/driver.h"
#include "runtime/node/metrics.h"
#include "runtime/node/recorder.h"
#include "runtime/rpc/server.h"

namespace tidemark {
namespace {

// Calls under way when a shutdown begins may take this long to end.
constexpr Duration kDrainTimeout = Duration::Seconds(2);
// How often the certificate files are looked at; as often as gRPC does for its own connections.
constexpr Duration kCertificateInterval = Duration::Seconds(1);

class CallMetrics : public rpc::RpcMetrics {
 public:
  explicit CallMetrics(Metrics* metrics) : metrics_(metrics) {}
  void OnCall(const std::string& method, const std::string& code, Duration duration) override {
    metrics_->OnCall(method, code, duration);
  }

 private:
  Metrics* metrics_;
};

// One server, from open sockets to the last closed one. Members are destroyed in reverse: what is
// used by others comes first.
class Server : public Driver::Ports {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Open(const ServerConfig& config);
  ~Server() override;

  absl::Status Start();
  // Until a signal and the shutdown it begins.
  void Run();

  // Driver::Ports, loop thread.
  void SendRaft(const Endpoint& to, std::vector<Bytes> parts) override {
    transport_->Send(to, net::FrameType::kRaft, parts);
  }
  void FlushPeers() override { transport_->Flush(); }
  void SendGossipStream(const Endpoint& to, Bytes bytes) override {
    transport_->Send(to, net::FrameType::kGossip, {std::move(bytes)});
    FlushSoon();
  }
  void SendDatagram(const Endpoint& to, Bytes bytes) override {
    net::SendDatagram(udp_.get(), to, bytes);
  }
  void OnHealth(bool healthy) override {
    Log(LogLevel::kInfo, healthy ? "serving" : "not_serving",
        {{"reason", healthy ? "a catalog leader is known" : "no catalog leader is known"}});
    rpc_->SetServing(healthy);
  }
  void OnShutdownComplete() override;

 private:
  explicit Server(const ServerConfig& config) : config_(config), call_metrics_(&metrics_) {}

  absl::Status Prepare();
  absl::StatusOr<Node> RecoverNode(const NodeOptions& options, const DirectoryView& directory);
  absl::Status WatchCertificates();
  void RouteHttp();
  void FlushSoon();
  void ReceiveDatagrams();
  void OnFrame(NodeId from, net::FrameType type, Bytes payload);
  absl::Status WatchSignals();
  void BeginShutdown();

  const ServerConfig config_;
  Metrics metrics_;
  CallMetrics call_metrics_;
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<net::TlsWatch> tls_;  // null: without TLS
  UniqueFd udp_;
  UniqueFd signals_;
  Endpoint bound_;
  std::unique_ptr<FileStore> store_;
  std::unique_ptr<net::PeerTransport> transport_;
  std::unique_ptr<http::HttpServer> http_;
  std::unique_ptr<Recorder> recorder_;  // null: nothing is recorded
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<rpc::RpcServer> rpc_;
  std::unique_ptr<net::Mux> mux_;
  std::thread drainer_;
  bool flush_posted_ = false;
  bool shutting_down_ = false;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Open(const ServerConfig& config) {
  std::unique_ptr<Server> server(new Server(config));
  TIDEMARK_RETURN_IF_ERROR(server->Prepare());
  return server;
}

absl::Status Server::Prepare() {
  TIDEMARK_ASSIGN_OR_RETURN(NodeOptions options, OptionsOf(config_));
  TIDEMARK_ASSIGN_OR_RETURN(loop_, net::EventLoop::Create());
  if (!config_.insecure) TIDEMARK_RETURN_IF_ERROR(WatchCertificates());
  TIDEMARK_ASSIGN_OR_RETURN(store_, FileStore::Open(config_.data_dir, config_.io_threads));
  TIDEMARK_ASSIGN_OR_RETURN(const std::unique_ptr<DirectoryView> directory, store_->View());
  TIDEMARK_ASSIGN_OR_RETURN(const Endpoint listen, Endpoint::Parse(config_.listen));
  TIDEMARK_ASSIGN_OR_RETURN(net::PortSockets sockets, net::OpenPort(listen));
  udp_ = std::move(sockets.udp);
  bound_ = sockets.bound;
  absl::StatusOr<Node> recovered = RecoverNode(options, *directory);
  if (!recovered.ok()) {
    // The engine does not know where its files are; whoever copies the command should not ask.
    return absl::Status(recovered.status().code(),
                        absl::StrReplaceAll(recovered.status().message(),
                                            {{" DIR ", absl::StrCat(" ", config_.data_dir, " ")}}));
  }
  Node node = *std::move(recovered);

  net::PeerTransport::Options transport;
  transport.self = {
      .cluster_id = options.cluster_id, .node = options.id, .advertise = options.advertise};
  const net::TlsContexts tls = tls_ == nullptr ? net::TlsContexts{} : tls_->contexts();
  transport.server_tls = tls.peer_server;
  transport.client_tls = tls.peer_client;
  transport_ = std::make_unique<net::PeerTransport>(
      loop_.get(), std::move(transport),
      net::PeerTransport::Callbacks{
          .on_frame = [this](NodeId from, net::FrameType type,
                             Bytes payload) { OnFrame(from, type, std::move(payload)); },
          .on_link = [this](const Endpoint& peer, bool up) { driver_->OnPeerLink(peer, up); }});
  http_ = std::make_unique<http::HttpServer>(loop_.get(), tls.http);
  RouteHttp();
  driver_ = std::make_unique<Driver>(std::move(node), loop_.get(), store_.get(), &metrics_, this,
                                     recorder_.get());

  rpc::RpcServerOptions rpc;
  if (!config_.insecure) {
    rpc.tls = rpc::TlsPaths{config_.ca_file, config_.cert_file, config_.key_file};
  }
  TIDEMARK_ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(rpc, driver_.get(), &call_metrics_));
  const int listener = sockets.tcp.get();
  mux_ = std::make_unique<net::Mux>(
      loop_.get(), std::move(sockets.tcp), net::Mux::Options{.tls = !config_.insecure},
      net::Mux::Sinks{.grpc =
                          [this, listener](UniqueFd fd, std::string received) {
                            rpc_->HandOff(fd.Release(), received, listener);
                          },
                      .peer =
                          [this](UniqueFd fd, std::string received) {
                            transport_->Accept(std::move(fd), std::move(received));
                          },
                      .http =
                          [this](UniqueFd fd, std::string received) {
                            http_->Accept(std::move(fd), std::move(received));
                          }});
  return absl::OkStatus();
}

absl::StatusOr<Node> Server::RecoverNode(const NodeOptions& options,
                                         const DirectoryView& directory) {
  const journal::Begin begin{
      .options = options, .now = ReadNow(), .seed = SecureRandom64(), .recorder = VersionText()};
  if (config_.record_dir.empty()) {
    return Node::Recover(options, directory, begin.now, Prng(begin.seed));
  }
  TIDEMARK_ASSIGN_OR_RETURN(recorder_, Recorder::Open({.directory = config_.record_dir,
                                                       .bytes_max = config_.record_bytes_max}));
  const journal::RecordingView seen(&directory);
  absl::StatusOr<Node> node = Node::Recover(options, seen, begin.now, Prng(begin.seed));
  recorder_->Begin(begin, seen);
  Log(LogLevel::kInfo, "recording", {{"journal", recorder_->run_directory()}});
  return node;
}

absl::Status Server::WatchCertificates() {
  TIDEMARK_ASSIGN_OR_RETURN(
      tls_,
      net::TlsWatch::Open(
          loop_.get(), {config_.ca_file, config_.cert_file, config_.key_file}, kCertificateInterval,
          {.on_renewed =
               [this](const net::TlsContexts& tls) {
                 transport_->SetTls(tls.peer_server, tls.peer_client);
                 http_->SetTls(tls.http);
                 Log(LogLevel::kInfo, "certificates_reloaded", {{"cert", config_.cert_file}});
               },
           .on_unusable =
               [](const absl::Status& why) {
                 Log(LogLevel::kError, "certificates_not_reloaded",
                     {{"error", std::string(why.message())},
                      {"hint", "the certificates loaded before stay in use"}});
               }}));
  return absl::OkStatus();
}

void Server::RouteHttp() {
  http_->Route("/healthz", [this](const http::Request&) -> http::Response {
    if (driver_->healthy()) return {.status = 200, .body = "ok\n"};
    if (driver_->lost_disk()) {
      return {
          .status = 503,
          .body =
              "this node's disk came back empty: it takes no part until the cluster's leader has "
              "let it in again, which needs a majority of all voters without it\n"};
    }
    return {.status = 503, .body = "no catalog leader is known\n"};
  });
  http_->Route("/metrics", [this](const http::Request& request) -> http::Response {
    if (request.secure && request.principal.empty() && !config_.metrics_without_certificate) {
      return {.status = 403,
              .body =
                  "present a client certificate, or start the server with "
                  "--metrics-without-certificate\n"};
    }
    Metrics::Snapshot snapshot = driver_->Snapshot();
    snapshot.connections = mux_->accepted();
    return {.status = 200,
            .content_type = "text/plain; version=0.0.4; charset=utf-8",
            .body = metrics_.Render(snapshot)};
  });
}

absl::Status Server::Start() {
  TIDEMARK_RETURN_IF_ERROR(WatchSignals());
  absl::StatusOr<net::EventLoop::WatchId> udp = loop_->Watch(
      udp_.get(), {.read = true}, [this](net::EventLoop::Ready) { ReceiveDatagrams(); });
  TIDEMARK_RETURN_IF_ERROR(udp.status());
  driver_->Start();
  TIDEMARK_RETURN_IF_ERROR(mux_->Start());
  Log(LogLevel::kInfo, "listening",
      {{"address", bound_.ToString()},
       {"node", config_.node_id},
       {"cluster", config_.cluster_id},
       {"tls", config_.insecure ? "off" : "mutual"}});
  return absl::OkStatus();
}

absl::Status Server::WatchSignals() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  signals_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  return loop_
      ->Watch(signals_.get(), {.read = true},
              [this](net::EventLoop::Ready) {
                signalfd_siginfo info = {};
                while (::read(signals_.get(), &info, sizeof(info)) > 0) BeginShutdown();
              })
      .status();
}

void Server::Run() { loop_->Run(); }

void Server::FlushSoon() {
  if (std::exchange(flush_posted_, true)) return;
  loop_->Post([this] {
    flush_posted_ = false;
    transport_->Flush();
  });
}

void Server::ReceiveDatagrams() {
  Endpoint from;
  std::string bytes;
  for (int i = 0; i < 64 && net::ReceiveDatagram(udp_.get(), from, bytes); ++i) {
    driver_->Tell(DatagramReceived{from, Bytes::Copy(bytes)});
  }
}

void Server::OnFrame(NodeId from, net::FrameType type, Bytes payload) {
  if (type == net::FrameType::kRaft) {
    driver_->OnRaftFrame(from, std::move(payload));
  } else if (type == net::FrameType::kGossip) {
    driver_->Tell(GossipStreamReceived{std::move(payload)});
  }
}

void Server::BeginShutdown() {
  if (std::exchange(shutting_down_, true)) {
    Log(LogLevel::kInfo, "shutdown_under_way", {{"hint", "a second signal changes nothing"}});
    return;
  }
  driver_->Tell(ShutdownRequested{});
}

void Server::OnShutdownComplete() {
  mux_->Stop();
  // gRPC's shutdown blocks until its calls have ended, and those need the loop: elsewhere.
  drainer_ = std::thread([this] {
    rpc_->Shutdown(kDrainTimeout);
    loop_->Post([this] {
      driver_->Stop();
      loop_->Stop();
    });
  });
}

Server::~Server() {
  if (drainer_.joinable()) drainer_.join();
  if (driver_ != nullptr) driver_->Stop();
  mux_.reset();
  rpc_.reset();
  // Its threads tell the driver that their work is done.
  store_.reset();
}

}  // namespace

int RunServer(const ServerConfig& config) {
  const std::optional<LogLevel> level = ParseLogLevel(config.log_level);
  const std::optional<LogFormat> format = ParseLogFormat(config.log_format);
  if (!level.has_value() || !format.has_value()) {
    Log(LogLevel::kError, "cannot_start",
        {{"error", "log_level is debug, info, warning or error; log_format is logfmt or json"}});
    return 1;
  }
  ConfigureLog(*level, *format);
  // Blocked in every thread from the start; the loop reads them from a descriptor.
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);

  absl::StatusOr<std::unique_ptr<Server>> server = Server::Open(config);
  absl::Status status = server.status();
  if (status.ok()) status = (*server)->Start();
  if (!status.ok()) {
    Log(LogLevel::kError, "cannot_start", {{"error", std::string(status.message())}});
    return 1;
  }
  (*server)->Run();
  server->reset();
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace tidemark
