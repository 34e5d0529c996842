#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/prng.h"

namespace tidemark::gossip {

// AES-GCM for gossip packets: u8 version (1) | 12 bytes nonce | ciphertext | 16 bytes tag, with the
// cluster id as additional data. The first key seals, every key opens, so keys can be rotated.
//   Source  NIST SP 800-38D; the layout is memberlist's.
class Keyring {
 public:
  Keyring() = default;
  // Errors: kInvalidArgument: a key is not 16, 24 or 32 bytes.
  static absl::StatusOr<Keyring> Create(std::vector<std::string> keys, std::string cluster_id);

  bool empty() const { return keys_.empty(); }
  // `nonces` must not repeat for a key: it is seeded from the system's entropy in production.
  std::string Seal(std::string_view plain, Prng& nonces) const;
  // Errors: kPermissionDenied: no key opens it.
  absl::StatusOr<std::string> Open(std::string_view sealed) const;

 private:
  std::vector<std::string> keys_;
  std::string cluster_id_;
};

}  // namespace tidemark::gossip
