# What most sources include, parsed once per area and not once per file (DECISIONS.md 50).
# gcc's builds have it in the tests only, so that a source that includes less than it uses does
# not compile there, and clang-tidy reads commands that know nothing of it.
set(TIDEMARK_COMMON_HEADERS
    <algorithm> <array> <cstdint> <deque> <functional> <map> <memory> <optional> <set> <span> <string>
    <string_view> <tuple> <unordered_map> <utility> <variant> <vector>
    <absl/container/inlined_vector.h> <absl/status/status.h> <absl/status/statusor.h>
    <absl/strings/str_cat.h>)

# The first target of an area makes it, the others (compiled with the same options) use that one.
function(tidemark_precompiled area target)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT area MATCHES "^tests")
    return()
  endif()
  get_property(owner GLOBAL PROPERTY tidemark_precompiled_${area})
  if(owner)
    target_precompile_headers(${target} REUSE_FROM ${owner})
    return()
  endif()
  set_property(GLOBAL PROPERTY tidemark_precompiled_${area} ${target})
  target_precompile_headers(${target} PRIVATE ${TIDEMARK_COMMON_HEADERS} ${ARGN})
endfunction()

# One folder, one library: tidemark_module(engine log DEPENDS engine_base absl::status).
# The sources are the folder's *.cc. The target is <area>_<folder>.

function(tidemark_module area folder)
  cmake_parse_arguments(ARG "" "" "DEPENDS;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc)
  foreach(excluded IN LISTS ARG_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${excluded})
  endforeach()
  set(target ${area}_${folder})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC ${ARG_DEPENDS})
    tidemark_precompiled(${area} ${target})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${ARG_DEPENDS})
  endif()
endfunction()

# Tests of one folder: tidemark_tests(engine/log DEPENDS engine_log). All *_test.cc of
# tests/<folder> make one program (heavy test headers are parsed once per file, linked once), and
# one CTest entry per file, so a failure names its file. OPTIMISED: they work a lot themselves.
function(tidemark_tests folder)
  cmake_parse_arguments(ARG "OPTIMISED" "" "DEPENDS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  file(GLOB helpers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc)
  string(REPLACE "/" "_" name ${folder})
  set(target ${name}_tests)
  add_executable(${target} ${helpers})
  target_link_libraries(${target} PRIVATE ${ARG_DEPENDS} tests_support GTest::gtest_main
                        rapidcheck rapidcheck_gtest)
  # What links gRPC is compiled with -pthread, and gcc takes no header that was not.
  set(area tests)
  if("${ARG_DEPENDS}" MATCHES "(^|;)(proto|runtime_rpc|runtime_client|runtime_node)(;|$)")
    set(area tests_with_grpc)
  endif()
  # What is tested is optimised under sanitizers, too; tests compile in half of the time without,
  # and where they do next to nothing themselves that is all there is to it.
  if(TIDEMARK_SANITIZE)
    if(ARG_OPTIMISED)
      string(APPEND area _optimised)
    else()
      target_compile_options(${target} PRIVATE -O0)
    endif()
  endif()
  tidemark_precompiled(${area} ${target} <gtest/gtest.h>)
  foreach(source IN LISTS sources)
    get_filename_component(stem ${source} NAME_WE)
    add_test(NAME ${folder}/${stem} COMMAND ${CMAKE_COMMAND} -E env
             TIDEMARK_SOURCE_DIR=${CMAKE_SOURCE_DIR} TIDEMARK_BIN_DIR=${CMAKE_BINARY_DIR}/bin
             ${CMAKE_SOURCE_DIR}/tests/support/run-file $<TARGET_FILE:${target}> ${source})
    set_tests_properties(${folder}/${stem} PROPERTIES TIMEOUT 900 LABELS "${ARG_LABELS}")
  endforeach()
endfunction()
