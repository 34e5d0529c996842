#pragma once

namespace tidemark {

// Whether this build watches itself (AddressSanitizer, ThreadSanitizer). Campaigns of random
// schedules are shorter there: what they look for, the builds without find five times faster.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tidemark
