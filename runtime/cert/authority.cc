#include "runtime/cert/authority.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "engine/base/status_macros.h"
#include "runtime/cert/pem_files.h"

namespace tidemark::cert {
namespace {

// A clock a little behind must not refuse a certificate made this second.
constexpr int64_t kBackdateSeconds = 300;
// 159 random bits and a leading zero: positive and within the 20 octets of RFC 5280 4.1.2.2.
constexpr int kSerialBits = 159;
constexpr long kX509Version3 = 2;  // NOLINT(google-runtime-int): the width OpenSSL's API has

using BigNumber = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

struct Authority {
  Certificate certificate;
  Key key;
};

// What a leaf certificate holds beyond the key.
struct LeafProfile {
  std::string common_name;
  std::string organisation;
  std::string alternative_names;  // OpenSSL's "DNS:a,IP:b" text, empty for none
  const char* purposes;           // OpenSSL's extendedKeyUsage text
  int days;
};

// ---- Validation -------------------------------------------------------------------------------

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

absl::Status CheckName(absl::string_view what, absl::string_view name, absl::string_view extra) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " must have 1 to ", kNameBytesMax, " characters, not ", name.size()));
  }
  if (name.front() == '.' || name.front() == '-') {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " '", name, "' must start with a letter or a digit"));
  }
  for (const char c : name) {
    if (!IsAlphanumeric(c) && extra.find(c) == absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(what, " may hold letters, digits and any of ",
                                                     extra, "; '", name, "' has another"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDays(int days) {
  if (days < 1 || days > kDaysMax) {
    return absl::InvalidArgumentError(absl::StrCat("days must be 1 to ", kDaysMax, ", not ", days));
  }
  return absl::OkStatus();
}

// Letters, digits and hyphens in dotted labels (RFC 1123 2.1). This also keeps commas and colons,
// which OpenSSL's extension text gives a meaning, out of it.
absl::Status CheckDnsName(absl::string_view name) {
  const absl::Status bad = absl::InvalidArgumentError(absl::StrCat(
      "'", name, "' is not a host name: use labels of letters, digits and hyphens, no wildcard"));
  if (name.empty() || name.size() > 253) {
    return bad;
  }
  size_t label_begin = 0;
  while (label_begin <= name.size()) {
    const size_t label_end = std::min(name.find('.', label_begin), name.size());
    const absl::string_view label = name.substr(label_begin, label_end - label_begin);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-'; })) {
      return bad;
    }
    label_begin = label_end + 1;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> CanonicalIp(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), address.data()) == 1 &&
        inet_ntop(family, address.data(), canonical.data(), canonical.size()) != nullptr) {
      return std::string(canonical.data());
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not an IPv4 or IPv6 address"));
}

absl::StatusOr<std::string> NodeNames(const NodeRequest& request) {
  std::vector<std::string> names = {"DNS:localhost", "IP:127.0.0.1", "IP:::1"};
  for (const std::string& name : request.dns_names) {
    TIDEMARK_RETURN_IF_ERROR(CheckDnsName(name));
    names.push_back(absl::StrCat("DNS:", name));
  }
  for (const std::string& text : request.ip_addresses) {
    TIDEMARK_ASSIGN_OR_RETURN(const std::string ip, CanonicalIp(text));
    names.push_back(absl::StrCat("IP:", ip));
  }
  names.push_back(absl::StrCat("URI:tidemark://", request.cluster, "/node/", request.node_id));
  std::vector<std::string> unique;
  for (std::string& name : names) {
    if (std::find(unique.begin(), unique.end(), name) == unique.end()) {
      unique.push_back(std::move(name));
    }
  }
  return absl::StrJoin(unique, ",");
}

// ---- Building certificates --------------------------------------------------------------------

absl::StatusOr<Key> NewKey() {
  Key key(EVP_EC_gen("P-256"));
  if (key == nullptr) {
    return OpenSslError("make a P-256 key");
  }
  return key;
}

bool SetSerial(X509* certificate) {
  const BigNumber serial(BN_new());
  return serial != nullptr &&
         BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool AddName(X509_NAME* name, const char* field, const std::string& value) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool SetSubject(X509* certificate, const std::string& common_name,
                const std::string& organisation) {
  X509_NAME* name = X509_get_subject_name(certificate);
  return AddName(name, "O", organisation) && AddName(name, "CN", common_name);
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool SetValidity(X509* certificate, int days) {
  return X509_gmtime_adj(X509_getm_notBefore(certificate), -kBackdateSeconds) != nullptr &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr) != nullptr;
}

std::string NameEntry(const X509_NAME* name, int nid) {
  const int index = X509_NAME_get_index_by_NID(name, nid, -1);
  if (index < 0) {
    return "";
  }
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
  if (size < 0) {
    ERR_clear_error();
    return "";
  }
  std::string result(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return result;
}

absl::StatusOr<Authority> LoadAuthority(const KeyPairFiles& files) {
  Authority authority;
  TIDEMARK_ASSIGN_OR_RETURN(authority.certificate, ReadCertificate(files.certificate));
  TIDEMARK_ASSIGN_OR_RETURN(authority.key, ReadKey(files.key));
  X509* certificate = authority.certificate.get();
  if (X509_check_ca(certificate) != 1 ||
      (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(files.certificate, " is not the certificate of an authority"));
  }
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        files.certificate, " has expired; make a new authority with `tidemark cert ca --force`"));
  }
  if (X509_check_private_key(certificate, authority.key.get()) != 1) {
    ERR_clear_error();
    return absl::FailedPreconditionError(
        absl::StrCat(files.key, " is not the key of ", files.certificate));
  }
  return authority;
}

absl::StatusOr<Certificate> SignLeaf(const Authority& authority, EVP_PKEY* key,
                                     const LeafProfile& profile) {
  Certificate leaf(X509_new());
  X509* issuer = authority.certificate.get();
  if (leaf == nullptr || X509_set_version(leaf.get(), kX509Version3) != 1 ||
      !SetSerial(leaf.get()) || !SetValidity(leaf.get(), profile.days) ||
      !SetSubject(leaf.get(), profile.common_name, profile.organisation) ||
      X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_set_pubkey(leaf.get(), key) != 1) {
    return OpenSslError("fill in the certificate");
  }
  if (ASN1_TIME_compare(X509_get0_notAfter(leaf.get()), X509_get0_notAfter(issuer)) > 0 &&
      X509_set1_notAfter(leaf.get(), X509_get0_notAfter(issuer)) != 1) {
    return OpenSslError("cut the certificate's end to the authority's");
  }
  if (!AddExtension(leaf.get(), issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(leaf.get(), issuer, NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(leaf.get(), issuer, NID_ext_key_usage, profile.purposes) ||
      !AddExtension(leaf.get(), issuer, NID_subject_key_identifier, "hash") ||
      !AddExtension(leaf.get(), issuer, NID_authority_key_identifier, "keyid:always") ||
      (!profile.alternative_names.empty() &&
       !AddExtension(leaf.get(), issuer, NID_subject_alt_name, profile.alternative_names))) {
    return OpenSslError("add the certificate's extensions");
  }
  if (X509_sign(leaf.get(), authority.key.get(), EVP_sha256()) == 0) {
    return OpenSslError("sign the certificate");
  }
  return leaf;
}

absl::Status IssueLeaf(const Authority& authority, const LeafProfile& profile,
                       const KeyPairFiles& files, bool force) {
  TIDEMARK_ASSIGN_OR_RETURN(const Key key, NewKey());
  TIDEMARK_ASSIGN_OR_RETURN(const Certificate leaf, SignLeaf(authority, key.get(), profile));
  return WritePair(files, key.get(), leaf.get(), force);
}

}  // namespace

KeyPairFiles AuthorityFilesIn(const std::string& folder) {
  return {.certificate = folder + "/ca.crt", .key = folder + "/ca.key"};
}

KeyPairFiles NodeFilesIn(const std::string& folder, uint64_t node_id) {
  const std::string stem = absl::StrCat(folder, "/node-", node_id);
  return {.certificate = stem + ".crt", .key = stem + ".key"};
}

KeyPairFiles ClientFilesIn(const std::string& folder, const std::string& user) {
  const std::string stem = absl::StrCat(folder, "/client-", user);
  return {.certificate = stem + ".crt", .key = stem + ".key"};
}

absl::Status CreateAuthority(const AuthorityRequest& request) {
  TIDEMARK_RETURN_IF_ERROR(CheckName("cluster", request.cluster, "._-"));
  TIDEMARK_RETURN_IF_ERROR(CheckDays(request.days));
  TIDEMARK_RETURN_IF_ERROR(CheckTargets(request.files, request.force));
  TIDEMARK_ASSIGN_OR_RETURN(const Key key, NewKey());
  const Certificate certificate(X509_new());
  X509* self = certificate.get();
  if (self == nullptr || X509_set_version(self, kX509Version3) != 1 || !SetSerial(self) ||
      !SetValidity(self, request.days) ||
      !SetSubject(self, "Tidemark certificate authority", request.cluster) ||
      X509_set_issuer_name(self, X509_get_subject_name(self)) != 1 ||
      X509_set_pubkey(self, key.get()) != 1 ||
      !AddExtension(self, self, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(self, self, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(self, self, NID_subject_key_identifier, "hash") ||
      X509_sign(self, key.get(), EVP_sha256()) == 0) {
    return OpenSslError("make the authority's certificate");
  }
  return WritePair(request.files, key.get(), self, request.force);
}

absl::Status IssueNode(const NodeRequest& request) {
  TIDEMARK_RETURN_IF_ERROR(CheckName("cluster", request.cluster, "._-"));
  TIDEMARK_RETURN_IF_ERROR(CheckDays(request.days));
  if (request.node_id == 0) {
    return absl::InvalidArgumentError("node id must not be 0");
  }
  TIDEMARK_ASSIGN_OR_RETURN(const std::string names, NodeNames(request));
  TIDEMARK_RETURN_IF_ERROR(CheckTargets(request.files, request.force));
  TIDEMARK_ASSIGN_OR_RETURN(const Authority authority, LoadAuthority(request.authority));
  const std::string owner =
      NameEntry(X509_get_subject_name(authority.certificate.get()), NID_organizationName);
  if (owner != request.cluster) {
    return absl::FailedPreconditionError(
        absl::StrCat("the authority ", request.authority.certificate, " belongs to cluster '",
                     owner, "', not '", request.cluster, "'"));
  }
  return IssueLeaf(authority,
                   {.common_name = absl::StrCat("node-", request.node_id),
                    .organisation = request.cluster,
                    .alternative_names = names,
                    .purposes = "serverAuth,clientAuth",
                    .days = request.days},
                   request.files, request.force);
}

absl::Status IssueClient(const ClientRequest& request) {
  TIDEMARK_RETURN_IF_ERROR(CheckName("user", request.user, "._@-"));
  TIDEMARK_RETURN_IF_ERROR(CheckDays(request.days));
  TIDEMARK_RETURN_IF_ERROR(CheckTargets(request.files, request.force));
  TIDEMARK_ASSIGN_OR_RETURN(const Authority authority, LoadAuthority(request.authority));
  return IssueLeaf(authority,
                   {.common_name = request.user,
                    .organisation = NameEntry(X509_get_subject_name(authority.certificate.get()),
                                              NID_organizationName),
                    .alternative_names = "",
                    .purposes = "clientAuth",
                    .days = request.days},
                   request.files, request.force);
}

}  // namespace tidemark::cert
