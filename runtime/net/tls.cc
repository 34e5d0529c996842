#include "runtime/net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"

namespace tidemark::net {
namespace {

constexpr unsigned char kPeerAlpn[] = "\x0atidemark/1";
constexpr size_t kPeerAlpnBytes = sizeof(kPeerAlpn) - 1;

std::string LastError() {
  const unsigned long code = ::ERR_peek_last_error();  // NOLINT: OpenSSL's type
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  ::ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

absl::Status FileError(std::string_view what, const std::string& path) {
  return absl::InvalidArgumentError(absl::StrCat("cannot use ", std::string(what), " ", path, ": ",
                                                 LastError(),
                                                 "; make certificates with `tidemark cert`"));
}

// The first common name as UTF-8; empty if there is none or it holds a NUL, which would let two
// different names look the same.
std::string CommonName(X509* certificate) {
  const X509_NAME* subject = ::X509_get_subject_name(certificate);
  const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* text = nullptr;
  const int length =
      ::ASN1_STRING_to_UTF8(&text, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
  if (length < 0) return "";
  std::string name(reinterpret_cast<const char*>(text), static_cast<size_t>(length));
  ::OPENSSL_free(text);
  return name.find('\0') == std::string::npos ? name : "";
}

int SelectPeer(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
               unsigned in_length, void*) {
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_length, kPeerAlpn, kPeerAlpnBytes, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int SelectHttp(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
               unsigned in_length, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_length, kHttp, sizeof(kHttp) - 1, in, in_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsContext>> TlsContext::Create(const TlsFiles& files, Role role) {
  const bool client = role == Role::kPeerClient;
  SSL_CTX* context = ::SSL_CTX_new(client ? ::TLS_client_method() : ::TLS_server_method());
  TIDEMARK_CHECK(context != nullptr);
  std::shared_ptr<TlsContext> result(new TlsContext(context, role));
  ::SSL_CTX_set_min_proto_version(context,
                                  role == Role::kHttpServer ? TLS1_2_VERSION : TLS1_3_VERSION);
  // An encrypted key fails to load; by default OpenSSL would ask for its password on the terminal.
  ::SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  if (::SSL_CTX_load_verify_locations(context, files.ca.c_str(), nullptr) != 1) {
    return FileError("the CA certificate", files.ca);
  }
  if (::SSL_CTX_use_certificate_chain_file(context, files.cert.c_str()) != 1) {
    return FileError("the certificate", files.cert);
  }
  if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return FileError("the private key", files.key);
  }
  if (::SSL_CTX_check_private_key(context) != 1) {
    return FileError("the private key (it does not belong to the certificate)", files.key);
  }
  int verify = SSL_VERIFY_PEER;
  if (role == Role::kPeerServer) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  ::SSL_CTX_set_verify(context, verify, nullptr);
  // No resumption: every connection is checked against the certificates of now.
  ::SSL_CTX_set_num_tickets(context, 0);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  ::SSL_CTX_set_options(context,
                        SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (client) {
    ::SSL_CTX_set_alpn_protos(context, kPeerAlpn, kPeerAlpnBytes);
  } else {
    ::SSL_CTX_set_alpn_select_cb(context, role == Role::kPeerServer ? SelectPeer : SelectHttp,
                                 nullptr);
    // Browsers show a list of certificates to choose from by this.
    ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(files.ca.c_str()));
  }
  return result;
}

TlsContext::~TlsContext() { ::SSL_CTX_free(context_); }

TlsSession::TlsSession(std::shared_ptr<TlsContext> context)
    : context_(std::move(context)),
      ssl_(::SSL_new(context_->get())),
      in_(::BIO_new(::BIO_s_mem())),
      out_(::BIO_new(::BIO_s_mem())) {
  TIDEMARK_CHECK(ssl_ != nullptr);
  ::SSL_set_bio(ssl_, in_, out_);
  if (context_->role() == TlsContext::Role::kPeerClient) {
    ::SSL_set_connect_state(ssl_);
  } else {
    ::SSL_set_accept_state(ssl_);
  }
}

TlsSession::~TlsSession() { ::SSL_free(ssl_); }

absl::Status TlsSession::Begin() { return Advance(); }

absl::Status TlsSession::Advance() {
  if (established()) return absl::OkStatus();
  ::ERR_clear_error();
  const int result = ::SSL_do_handshake(ssl_);
  if (result == 1) return absl::OkStatus();
  const int error = ::SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return absl::OkStatus();
  const long verdict = ::SSL_get_verify_result(ssl_);  // NOLINT: OpenSSL's type
  const std::string why =
      verdict == X509_V_OK ? LastError() : std::string(::X509_verify_cert_error_string(verdict));
  ::ERR_clear_error();
  return absl::UnauthenticatedError(absl::StrCat("TLS handshake failed: ", why));
}

absl::Status TlsSession::Feed(std::string_view cipher, std::string& plain) {
  TIDEMARK_CHECK_EQ(::BIO_write(in_, cipher.data(), static_cast<int>(cipher.size())),
                    static_cast<int>(cipher.size()));
  const absl::Status handshake = Advance();
  if (!handshake.ok() || !established()) return handshake;
  std::array<char, 16384> buffer;
  for (;;) {
    ::ERR_clear_error();
    const int got = ::SSL_read(ssl_, buffer.data(), buffer.size());
    if (got > 0) {
      plain.append(buffer.data(), static_cast<size_t>(got));
      continue;
    }
    const int error = ::SSL_get_error(ssl_, got);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return absl::OkStatus();
    if (error == SSL_ERROR_ZERO_RETURN) return absl::CancelledError("closed by the other side");
    return absl::DataLossError(absl::StrCat("TLS: ", LastError()));
  }
}

absl::Status TlsSession::Write(std::string_view plain) {
  while (!plain.empty()) {
    ::ERR_clear_error();
    const int wrote =
        ::SSL_write(ssl_, plain.data(), static_cast<int>(std::min<size_t>(plain.size(), 1u << 30)));
    if (wrote <= 0) return absl::DataLossError(absl::StrCat("TLS: ", LastError()));
    plain.remove_prefix(static_cast<size_t>(wrote));
  }
  return absl::OkStatus();
}

void TlsSession::TakeOutput(std::string& out) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(out_, &data);  // NOLINT: OpenSSL's type
  if (bytes <= 0) return;
  out.append(data, static_cast<size_t>(bytes));
  BIO_reset(out_);
}

bool TlsSession::established() const { return ::SSL_is_init_finished(ssl_) == 1; }

PeerIdentity TlsSession::identity() const {
  PeerIdentity identity;
  X509* certificate = ::SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return identity;
  identity.verified = ::SSL_get_verify_result(ssl_) == X509_V_OK;
  identity.common_name = CommonName(certificate);
  auto* names = static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* each = sk_GENERAL_NAME_value(names, i);
    if (each->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = each->d.uniformResourceIdentifier;
    identity.uris.emplace_back(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(uri)),
                               static_cast<size_t>(::ASN1_STRING_length(uri)));
  }
  ::GENERAL_NAMES_free(names);
  ::X509_free(certificate);
  return identity;
}

}  // namespace tidemark::net
