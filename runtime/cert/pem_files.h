#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runtime/cert/authority.h"

// Keys and certificates as PEM files: the part of runtime/cert that touches the disk. Private to
// this folder; authority.h is its face and says how files are written and which errors come back.

namespace tidemark::cert {

// OpenSSL's objects with an owner. `Free` is the function that OpenSSL pairs with the type.
template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

// Takes the oldest error off OpenSSL's thread queue, empties the queue, and says what failed.
// `doing` completes "could not ...". Always kInternal: outside bytes are told apart before.
absl::Status OpenSslError(absl::string_view doing);

// Whether a pair may be written: two different names, and without `force` neither exists.
//   Errors  kInvalidArgument, kAlreadyExists, or the file system's.
absl::Status CheckTargets(const KeyPairFiles& files, bool force);

// Writes the key, then the certificate, each atomically. When the certificate fails to appear and
// nothing was replaced, the key is removed again so that the same call can be repeated.
absl::Status WritePair(const KeyPairFiles& files, EVP_PKEY* key, X509* certificate, bool force);

// The first certificate, or the private key, of a PEM file. Never prompts: an encrypted key is
// kDataLoss like any other file that holds no usable key.
absl::StatusOr<Certificate> ReadCertificate(const std::string& path);
absl::StatusOr<Key> ReadKey(const std::string& path);

// The bytes a memory BIO has collected.
std::string TakeText(const Bio& bio);

}  // namespace tidemark::cert
