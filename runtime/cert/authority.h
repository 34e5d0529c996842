#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The built-in certificate authority behind `tidemark cert`: makes a CA, signs node and client
// certificates, describes what a file holds. Everything is P-256 with SHA-256, PEM on disk.
//
// A node certificate carries what the cluster checks: the URI name tidemark://CLUSTER/node/ID says
// which node this is (peers refuse anybody else under that id), the DNS and IP names let clients
// verify the address they dialled, and both key usages are set because a node serves and dials. A
// client certificate carries the user as its common name: the subject of access control.
//
// Files are written whole or not at all: into a temporary name beside the target, synced, renamed,
// and the folder synced. Keys have mode 0600, certificates 0644. The key is in place before the
// certificate that needs it.
//   Threads  the functions share no state and may run at once on different files. The calls block
//            on the disk; none belongs on an event loop.
//   Source   RFC 5280 (profile), RFC 6125 (names), CA/Browser Forum baseline 7.1 (serial numbers).

namespace tidemark::cert {

// Ten years: the CA is the one certificate whose replacement touches every machine.
inline constexpr int kAuthorityDaysDefault = 3650;
// Leaf certificates reload without a restart, so they can be short; a year suits a hand-run
// cluster.
inline constexpr int kLeafDaysDefault = 365;
// Longest validity that is accepted anywhere: a hundred years, still inside 4-digit calendar years.
inline constexpr int kDaysMax = 36500;
// Longest common name X.509 has room for (RFC 5280 appendix A, ub-common-name).
inline constexpr size_t kNameBytesMax = 64;

// Where a certificate and its private key live.
struct KeyPairFiles {
  std::string certificate;
  std::string key;
};

// The usual layout of a certificate folder: ca.crt and ca.key, node-1.crt and node-1.key,
// client-alice.crt and client-alice.key. `user` must already be valid as in ClientRequest.
KeyPairFiles AuthorityFilesIn(const std::string& folder);
KeyPairFiles NodeFilesIn(const std::string& folder, uint64_t node_id);
KeyPairFiles ClientFilesIn(const std::string& folder, const std::string& user);

struct AuthorityRequest {
  std::string
      cluster;  // cluster id, 1..kNameBytesMax of [A-Za-z0-9._-]; becomes the CA's organisation
  KeyPairFiles files;  // written; the folders must exist
  int days = kAuthorityDaysDefault;
  bool force =
      false;  // replace existing files; every certificate signed by the old CA is then void
};

struct NodeRequest {
  KeyPairFiles authority;  // read
  std::string cluster;     // must equal the cluster the CA was made for
  uint64_t node_id = 0;    // not 0
  // Names and addresses clients and peers dial, besides localhost, 127.0.0.1 and ::1, which are
  // always included. Duplicates are dropped. Wildcards are refused: a node is one machine.
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  KeyPairFiles files;  // written; the folders must exist
  int days = kLeafDaysDefault;
  bool force = false;  // replace existing files: this is how a certificate is renewed
};

struct ClientRequest {
  KeyPairFiles authority;  // read
  std::string user;        // 1..kNameBytesMax of [A-Za-z0-9._@-], not starting with '.' or '-'
  KeyPairFiles files;      // written; the folders must exist
  int days = kLeafDaysDefault;
  bool force = false;
};

// Makes a new key and a self-signed CA certificate that can sign leaves only (path length 0).
//   Errors  kInvalidArgument a field is malformed (nothing is written); kAlreadyExists a file is
//           there and `force` is not set; kNotFound the folder does not exist; kPermissionDenied,
//           kUnavailable as the file system says; kInternal OpenSSL refused, with its reason.
[[nodiscard]] absl::Status CreateAuthority(const AuthorityRequest& request);

// Makes a new key and a certificate for node `node_id`, signed by the authority.
//   Errors  as CreateAuthority; kNotFound also when the authority's files are missing;
//           kFailedPrecondition the authority's certificate is no CA, has expired, belongs to
//           another cluster or does not match its key; kDataLoss a file holds no PEM of its kind.
//   Shape   the certificate never outlives the CA: its end is cut to the CA's.
[[nodiscard]] absl::Status IssueNode(const NodeRequest& request);

// Makes a new key and a certificate for `user`, signed by the authority. Errors as IssueNode.
[[nodiscard]] absl::Status IssueClient(const ClientRequest& request);

// What a certificate says. Text is for people and for tests; names are as found, not validated.
struct Description {
  std::string subject;  // RFC 2253 text, e.g. "CN=node-1,O=demo"
  std::string issuer;
  std::string serial;      // upper-case hex
  std::string not_before;  // UTC, e.g. "2026-11-23T09:49:28Z"
  std::string not_after;
  int64_t not_after_seconds = 0;  // the same as seconds since 1970
  bool is_authority = false;
  std::string fingerprint_sha256;         // of the DER bytes, colon-separated upper-case hex
  std::vector<std::string> names;         // subject alternative names, "DNS:x", "IP:x", "URI:x"
  std::vector<std::string> key_purposes;  // extended key usages, "server", "client" or a dotted id
};

// Reads the first certificate of a PEM file.
//   Errors  kNotFound no such file; kPermissionDenied; kDataLoss no certificate in it.
[[nodiscard]] absl::StatusOr<Description> Describe(const std::string& certificate_file);

// The description as lines "name: value", for `tidemark cert describe`.
std::string ToText(const Description& description);

// Checks that the certificate is signed by the CA and valid now, and that the key belongs to it.
// `key_file` may be empty: then the key is not checked.
//   Errors  as Describe; kFailedPrecondition naming what does not hold.
[[nodiscard]] absl::Status Verify(const std::string& authority_certificate_file,
                                  const std::string& certificate_file, const std::string& key_file);

}  // namespace tidemark::cert
