#include "engine/gossip/keyring.h"

#include <mbedtls/gcm.h>

#include <utility>

#include "engine/base/check.h"
#include "engine/base/coding.h"

namespace tidemark::gossip {
namespace {

constexpr char kVersion = 1;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;

const unsigned char* Raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Raw(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// An AES-GCM context with its key.
class Gcm {
 public:
  explicit Gcm(std::string_view key) {
    mbedtls_gcm_init(&context_);
    TIDEMARK_CHECK_EQ(mbedtls_gcm_setkey(&context_, MBEDTLS_CIPHER_ID_AES, Raw(key),
                                         static_cast<unsigned>(key.size() * 8)),
                      0);
  }
  ~Gcm() { mbedtls_gcm_free(&context_); }
  Gcm(const Gcm&) = delete;
  Gcm& operator=(const Gcm&) = delete;

  mbedtls_gcm_context* get() { return &context_; }

 private:
  mbedtls_gcm_context context_;
};

}  // namespace

absl::StatusOr<Keyring> Keyring::Create(std::vector<std::string> keys, std::string cluster_id) {
  for (const std::string& key : keys) {
    if (key.size() != 16 && key.size() != 24 && key.size() != 32) {
      return absl::InvalidArgumentError("a gossip key must have 16, 24 or 32 bytes");
    }
  }
  Keyring ring;
  ring.keys_ = std::move(keys);
  ring.cluster_id_ = std::move(cluster_id);
  return ring;
}

std::string Keyring::Seal(std::string_view plain, Prng& nonces) const {
  TIDEMARK_CHECK(!keys_.empty());
  std::string nonce;
  AppendLittle<uint64_t>(nonce, nonces.Next());
  AppendLittle<uint32_t>(nonce, static_cast<uint32_t>(nonces.Next()));
  std::string cipher(plain.size(), '\0');
  std::string tag(kTagBytes, '\0');
  Gcm gcm(keys_.front());
  TIDEMARK_CHECK_EQ(
      mbedtls_gcm_crypt_and_tag(gcm.get(), MBEDTLS_GCM_ENCRYPT, plain.size(), Raw(nonce),
                                nonce.size(), Raw(cluster_id_), cluster_id_.size(), Raw(plain),
                                Raw(cipher), kTagBytes, Raw(tag)),
      0);
  return std::string(1, kVersion) + nonce + cipher + tag;
}

absl::StatusOr<std::string> Keyring::Open(std::string_view sealed) const {
  if (sealed.size() < 1 + kNonceBytes + kTagBytes || sealed[0] != kVersion) {
    return absl::PermissionDeniedError(
        "an unencrypted packet, but this node requires gossip encryption");
  }
  const std::string_view nonce = sealed.substr(1, kNonceBytes);
  const std::string_view tag = sealed.substr(sealed.size() - kTagBytes);
  const std::string_view cipher =
      sealed.substr(1 + kNonceBytes, sealed.size() - 1 - kNonceBytes - kTagBytes);
  std::string plain(cipher.size(), '\0');
  for (const std::string& key : keys_) {
    Gcm gcm(key);
    if (mbedtls_gcm_auth_decrypt(gcm.get(), cipher.size(), Raw(nonce), nonce.size(),
                                 Raw(cluster_id_), cluster_id_.size(), Raw(tag), kTagBytes,
                                 Raw(cipher), Raw(plain)) == 0) {
      return plain;
    }
  }
  return absl::PermissionDeniedError(
      "a packet that none of this node's gossip keys opens (another key or another cluster)");
}

}  // namespace tidemark::gossip
