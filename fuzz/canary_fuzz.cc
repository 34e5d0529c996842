#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

// A planted bug: the test passes only when the fuzzer finds it. A fuzzing set-up that has lost its
// instrumentation, its sanitizer or its exit code reports green for ever; this target notices.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> copy(data, data + size);
  const volatile uint8_t* bytes = copy.data();
  if (size >= 3 && bytes[0] == 'T' && bytes[1] == 'i' && bytes[2] == 'd') {
    return bytes[copy.capacity()] == 0 ? 0 : 0;  // one past the end
  }
  return 0;
}
