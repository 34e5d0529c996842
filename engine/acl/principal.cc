#include "engine/acl/principal.h"

#include <algorithm>

#include "engine/base/limits.h"

namespace tidemark::acl {

std::string PrincipalOf(const CertificateNames& names) {
  const std::string& name = names.subject_cn;
  const bool bad = std::any_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (bad || name.size() > kPrincipalBytesMax) return std::string();
  return name;
}

}  // namespace tidemark::acl
