#pragma once

#include <string>
#include <vector>

namespace tidemark::acl {

// The names in a client's certificate, as the TLS layer verified them.
struct CertificateNames {
  std::string subject_cn;
  std::vector<std::string> san_dns;
  std::vector<std::string> san_uri;
};

// Who the certificate speaks for: its subject's common name.
//   Result  empty ("nobody") if there is no usable name: none at all, longer than
//           kPrincipalBytesMax, or with control characters (a NUL that hides the rest of a name
//           from other tools, line breaks that forge log lines).
std::string PrincipalOf(const CertificateNames& names);

}  // namespace tidemark::acl
