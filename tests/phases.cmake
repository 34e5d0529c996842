# What each phase of tools/test builds, so that no preset compiles more than it runs. The groups are
# collected from the targets that exist; included after every folder.

function(tidemark_phase phase)
  add_custom_target(${phase})
  foreach(target IN LISTS ARGN)
    if(TARGET ${target})
      add_dependencies(${phase} ${target})
    endif()
  endforeach()
endfunction()

get_property(test_targets DIRECTORY ${CMAKE_SOURCE_DIR}/tests PROPERTY BUILDSYSTEM_TARGETS)
set(address_tests ${test_targets})
list(FILTER address_tests INCLUDE REGEX "^(engine|runtime|proto|sim)_.*_tests$|^(proto|sim)_tests$")
set(thread_tests ${test_targets})
list(FILTER thread_tests INCLUDE REGEX "^runtime_.*_tests$")
# gRPC's inline headers are instrumented, its library is not: every report there is a false one.
list(FILTER thread_tests EXCLUDE REGEX "^runtime_rpc_tests$")
set(cluster_tests ${test_targets})
list(FILTER cluster_tests INCLUDE REGEX "^(cluster|interop)_.*tests$|^(cluster|interop)_tests$")

tidemark_phase(phase_release engine tidemark tidemark-sim ${cluster_tests})
tidemark_phase(phase_asan tidemark-sim ${address_tests})
tidemark_phase(phase_tsan ${thread_tests})
tidemark_phase(phase_hashes tidemark-sim)
