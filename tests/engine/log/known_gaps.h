#pragma once

#include <cstdint>

// What recovery is known to get wrong. Each line makes tests tolerate one thing, and has a test of
// its own in known_gaps_test.cc, which is skipped as long as the gap is there.

namespace tidemark {

// OffsetAtTime is never late for entries that a former process appended. (The sidecar remembers
// only when the first frame of a run was appended; times up to the end of the last run are unknown,
// not early.)
inline constexpr bool kTimesSurviveRestarts = false;
// A durable segment whose header reads as zeros is not taken for one that never became whole, as
// long as the segments that it replaced are still there: they would come back in its place.
inline constexpr bool kLostHeadersAreNoticed = false;
// Of all single changed bytes in the small log of damage_test.cc, how many raise a term unnoticed:
// in the first frame of a run of two that nobody vouches for. The frame behind it no longer fits,
// and so the digest of the run is not looked at. 0 closes the gap.
inline constexpr uint64_t kRaisedTermsUnnoticedMax = 889;

}  // namespace tidemark
