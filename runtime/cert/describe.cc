#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "runtime/cert/authority.h"
#include "runtime/cert/pem_files.h"

// The reading half of authority.h: Describe, ToText and Verify.

namespace tidemark::cert {
namespace {

using BigNumber = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Deleter<GENERAL_NAMES_free>>;
using Purposes = std::unique_ptr<EXTENDED_KEY_USAGE, Deleter<EXTENDED_KEY_USAGE_free>>;
using Store = std::unique_ptr<X509_STORE, Deleter<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Deleter<X509_STORE_CTX_free>>;

std::string NameText(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) {
    return "";
  }
  return TakeText(bio);
}

std::string SerialText(X509* certificate) {
  const BigNumber serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  char* hex = serial == nullptr ? nullptr : BN_bn2hex(serial.get());
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  return text;
}

std::string TimeText(const ASN1_TIME* time) {
  std::tm calendar{};
  std::array<char, 32> text{};
  if (ASN1_TIME_to_tm(time, &calendar) != 1) {
    return "";
  }
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &calendar)};
}

int64_t TimeSeconds(const ASN1_TIME* time) {
  std::tm calendar{};
  return ASN1_TIME_to_tm(time, &calendar) == 1 ? static_cast<int64_t>(timegm(&calendar)) : 0;
}

std::string AsciiText(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

std::string IpText(const ASN1_OCTET_STRING* address) {
  const int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (ASN1_STRING_length(address) != (family == AF_INET ? 4 : 16) ||
      inet_ntop(family, ASN1_STRING_get0_data(address), text.data(), text.size()) == nullptr) {
    return "?";
  }
  return text.data();
}

std::vector<std::string> AlternativeNames(X509* certificate) {
  std::vector<std::string> result;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS:
        result.push_back("DNS:" + AsciiText(name->d.dNSName));
        break;
      case GEN_URI:
        result.push_back("URI:" + AsciiText(name->d.uniformResourceIdentifier));
        break;
      case GEN_IPADD:
        result.push_back("IP:" + IpText(name->d.iPAddress));
        break;
      default:
        result.push_back(absl::StrCat("other:", name->type));
    }
  }
  return result;
}

std::vector<std::string> KeyPurposes(X509* certificate) {
  std::vector<std::string> result;
  const Purposes purposes(static_cast<EXTENDED_KEY_USAGE*>(
      X509_get_ext_d2i(certificate, NID_ext_key_usage, nullptr, nullptr)));
  for (int i = 0; purposes != nullptr && i < sk_ASN1_OBJECT_num(purposes.get()); ++i) {
    const ASN1_OBJECT* purpose = sk_ASN1_OBJECT_value(purposes.get(), i);
    switch (OBJ_obj2nid(purpose)) {
      case NID_server_auth:
        result.emplace_back("server");
        break;
      case NID_client_auth:
        result.emplace_back("client");
        break;
      default: {
        std::array<char, 80> dotted{};
        OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), purpose, 1);
        result.emplace_back(dotted.data());
      }
    }
  }
  return result;
}

}  // namespace

absl::StatusOr<Description> Describe(const std::string& certificate_file) {
  TIDEMARK_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(certificate_file));
  X509* self = certificate.get();
  Description result;
  result.subject = NameText(X509_get_subject_name(self));
  result.issuer = NameText(X509_get_issuer_name(self));
  result.serial = SerialText(self);
  result.not_before = TimeText(X509_get0_notBefore(self));
  result.not_after = TimeText(X509_get0_notAfter(self));
  result.not_after_seconds = TimeSeconds(X509_get0_notAfter(self));
  result.is_authority = X509_check_ca(self) == 1;
  result.names = AlternativeNames(self);
  result.key_purposes = KeyPurposes(self);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int digest_bytes = 0;
  if (X509_digest(self, EVP_sha256(), digest.data(), &digest_bytes) != 1) {
    return OpenSslError("digest the certificate");
  }
  for (unsigned int i = 0; i < digest_bytes; ++i) {
    constexpr absl::string_view kHex = "0123456789ABCDEF";
    if (i != 0) {
      result.fingerprint_sha256 += ':';
    }
    result.fingerprint_sha256 += kHex[digest[i] >> 4];
    result.fingerprint_sha256 += kHex[digest[i] & 15];
  }
  ERR_clear_error();
  return result;
}

std::string ToText(const Description& description) {
  return absl::StrCat("subject: ", description.subject, "\nissuer: ", description.issuer,
                      "\nserial: ", description.serial, "\nvalid from: ", description.not_before,
                      "\nvalid until: ", description.not_after,
                      "\nauthority: ", description.is_authority ? "yes" : "no",
                      "\npurposes: ", absl::StrJoin(description.key_purposes, ", "),
                      "\nnames: ", absl::StrJoin(description.names, ", "),
                      "\nsha256: ", description.fingerprint_sha256, "\n");
}

absl::Status Verify(const std::string& authority_certificate_file,
                    const std::string& certificate_file, const std::string& key_file) {
  TIDEMARK_ASSIGN_OR_RETURN(const Certificate authority,
                            ReadCertificate(authority_certificate_file));
  TIDEMARK_ASSIGN_OR_RETURN(const Certificate certificate, ReadCertificate(certificate_file));
  const Store store(X509_STORE_new());
  const StoreContext context(X509_STORE_CTX_new());
  if (store == nullptr || context == nullptr ||
      X509_STORE_add_cert(store.get(), authority.get()) != 1 ||
      X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr) != 1) {
    return OpenSslError("prepare the check");
  }
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    ERR_clear_error();
    return absl::FailedPreconditionError(absl::StrCat(certificate_file, " does not hold under ",
                                                      authority_certificate_file, ": ",
                                                      X509_verify_cert_error_string(error)));
  }
  if (key_file.empty()) {
    return absl::OkStatus();
  }
  TIDEMARK_ASSIGN_OR_RETURN(const Key key, ReadKey(key_file));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        absl::StrCat(key_file, " is not the key of ", certificate_file));
  }
  return absl::OkStatus();
}

}  // namespace tidemark::cert
