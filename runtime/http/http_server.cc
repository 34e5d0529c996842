#include "runtime/http/http_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tidemark::http {
namespace {

constexpr size_t kHeadBytesMax = 16u << 10;
constexpr size_t kConnectionsMax = 1024;
constexpr size_t kPendingBytesMax = 4u << 20;

const char* Phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

std::string Render(const Response& response, bool head_only, bool keep_alive) {
  std::string out = absl::StrCat("HTTP/1.1 ", response.status, " ", Phrase(response.status),
                                 "\r\nContent-Type: ", response.content_type,
                                 "\r\nContent-Length: ", response.body.size(),
                                 "\r\nConnection: ", keep_alive ? "keep-alive" : "close",
                                 response.status == 405 ? "\r\nAllow: GET, HEAD" : "", "\r\n\r\n");
  if (!head_only) out += response.body;
  return out;
}

// RFC 9110 section 5.6.2.
bool IsToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

// No control characters, bare CR and LF among them: what one parser takes for a line end and
// another does not is how requests are smuggled.
bool IsFieldText(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; });
}

bool IsTarget(std::string_view text) {
  return !text.empty() && text[0] == '/' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestHead ParseRequestHead(std::string_view data) {
  using Verdict = RequestHead::Verdict;
  RequestHead head;
  const size_t end = data.find("\r\n\r\n");
  if (end == std::string_view::npos) {
    if (data.size() > kHeadBytesMax) head.verdict = Verdict::kTooLarge;
    return head;
  }
  head.bytes = end + 4;
  if (head.bytes > kHeadBytesMax) {
    head.verdict = Verdict::kTooLarge;
    return head;
  }
  head.verdict = Verdict::kMalformed;
  std::string_view rest = data.substr(0, end + 2);
  const std::string_view line = rest.substr(0, rest.find("\r\n"));
  rest.remove_prefix(line.size() + 2);
  const size_t first = line.find(' ');
  const size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return head;
  const std::string_view version = line.substr(second + 1);
  head.method = std::string(line.substr(0, first));
  head.target = std::string(line.substr(first + 1, second - first - 1));
  if (!IsToken(head.method) || !IsTarget(head.target) ||
      (version != "HTTP/1.1" && version != "HTTP/1.0")) {
    return head;
  }
  head.keep_alive = version == "HTTP/1.1";
  size_t hosts = 0;
  while (!rest.empty()) {
    const std::string_view field = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(field.size() + 2);
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos || !IsToken(field.substr(0, colon)) ||
        !IsFieldText(field)) {
      return head;
    }
    const absl::string_view name = Abseil(field.substr(0, colon));
    const absl::string_view value = Abseil(Trim(field.substr(colon + 1)));
    if (absl::EqualsIgnoreCase(name, "connection")) {
      if (absl::StrContains(absl::AsciiStrToLower(value), "close")) head.keep_alive = false;
    } else if (absl::EqualsIgnoreCase(name, "host")) {
      ++hosts;
    } else if (absl::EqualsIgnoreCase(name, "transfer-encoding") ||
               (absl::EqualsIgnoreCase(name, "content-length") && value != "0")) {
      head.keep_alive = false;  // a body nobody reads: answer, then close
    }
  }
  // RFC 9112 section 3.2.
  if (hosts > 1 || (hosts == 0 && version == "HTTP/1.1")) return head;
  head.verdict = Verdict::kComplete;
  return head;
}

HttpServer::HttpServer(net::EventLoop* loop, std::shared_ptr<net::TlsContext> tls,
                       Duration request_timeout)
    : loop_(loop), request_timeout_(request_timeout), tls_(std::move(tls)) {}

HttpServer::~HttpServer() {
  *alive_ = false;
  for (auto& [id, connection] : connections_) loop_->Cancel(connection.timer);
}

void HttpServer::Route(std::string path, Handler handler) {
  routes_[std::move(path)] = std::move(handler);
}

void HttpServer::Accept(UniqueFd fd, std::string received) {
  if (connections_.size() >= kConnectionsMax) {
    uint64_t suppressed = 0;
    if (refusal_log_.Allow(loop_->now(), suppressed)) {
      Log(LogLevel::kWarning, "http_refused",
          {{"reason", "too many HTTP connections"}, {"suppressed", suppressed}});
    }
    return;
  }
  const uint64_t id = next_id_++;
  Connection& connection = connections_[id];
  connection.timer = loop_->After(request_timeout_, [this, id] { Drop(id); });
  connection.stream = std::make_unique<net::ByteStream>(
      loop_, std::move(fd), tls_, std::move(received), /*connecting=*/false, request_timeout_,
      net::ByteStream::Callbacks{
          .on_open = nullptr,
          .on_data = [this, id](std::string_view data) { return OnData(id, data); },
          .on_closed = [this, id](absl::Status) { Drop(id); },
          .on_drained = nullptr});
}

void HttpServer::Drop(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  loop_->Cancel(found->second.timer);
  found->second.stream->Close();
  // It may be what is calling.
  loop_->Post([keep = std::shared_ptr<net::ByteStream>(std::move(found->second.stream))] {});
  connections_.erase(found);
}

void HttpServer::ArmTimer(uint64_t id) {
  Connection& connection = connections_.at(id);
  loop_->Cancel(connection.timer);
  connection.timer = loop_->After(request_timeout_, [this, id] { Drop(id); });
}

size_t HttpServer::OnData(uint64_t id, std::string_view data) {
  net::ByteStream& stream = *connections_.at(id).stream;
  if (stream.pending() > kPendingBytesMax) {
    // It asks and does not read the answers.
    Drop(id);
    return data.size();
  }
  const RequestHead head = ParseRequestHead(data);
  using Verdict = RequestHead::Verdict;
  if (head.verdict == Verdict::kNeedMore) return 0;
  Response response;
  if (head.verdict == Verdict::kComplete) {
    response = Answer(head.method, head.target, stream);
  } else {
    response.status = head.verdict == Verdict::kTooLarge ? 431 : 400;
    response.body = head.verdict == Verdict::kTooLarge ? "the request head is over 16 KiB\n"
                                                       : "this is not an HTTP/1.1 request\n";
  }
  const bool keep_alive = head.verdict == Verdict::kComplete && head.keep_alive;
  stream.Write(Render(response, head.method == "HEAD", keep_alive));
  if (!keep_alive) {
    stream.EndInput();
    loop_->Post([this, alive = alive_, id] {
      if (!*alive) return;
      const auto found = connections_.find(id);
      if (found != connections_.end()) found->second.stream->CloseWhenDrained();
    });
    return data.size();
  }
  ArmTimer(id);
  loop_->Post([this, alive = alive_, id] {
    if (!*alive) return;
    const auto found = connections_.find(id);
    if (found != connections_.end()) found->second.stream->Flush();
  });
  return head.bytes;
}

Response HttpServer::Answer(std::string_view method, std::string_view target,
                            const net::ByteStream& stream) {
  if (method != "GET" && method != "HEAD") {
    return {.status = 405, .body = "only GET and HEAD are served here\n"};
  }
  const std::string_view path = target.substr(0, target.find('?'));
  const auto route = routes_.find(path);
  if (route == routes_.end()) {
    std::string known;
    for (const auto& [each, handler] : routes_) absl::StrAppend(&known, " ", each);
    return {.status = 404, .body = absl::StrCat("nothing here; there is", known, "\n")};
  }
  const net::PeerIdentity identity = stream.identity();
  return route->second({.path = std::string(path),
                        .principal = identity.verified ? identity.common_name : "",
                        .secure = stream.secure()});
}

}  // namespace tidemark::http
