# Compiler settings and the two functions every module uses:
#   mh_module(NAME base HEADERS a.h … SOURCES a.cc … DEPS other modules … PRIVATE libraries …)
#   mh_test(NAME base SOURCES a_test.cc … DEPS modules and libraries …)
include_guard()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 17)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set_property(GLOBAL PROPERTY GLOBAL_DEPENDS_NO_CYCLES ON)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
# The program finds libduckdb.so beside itself.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_BUILD_RPATH "$ORIGIN;$ORIGIN/lib")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  # What ccache asks of whom precompiles headers.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Ours only; libraries come in as SYSTEM.
set(METERHUB_WARNINGS -Wall -Wextra -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  list(APPEND METERHUB_WARNINGS -Wno-sign-conversion)  # which GCC leaves out of -Wconversion
  list(APPEND METERHUB_WARNINGS -Wthread-safety)       # base/mutex.h
  # Clang blames std::stable_sort's callers for what libstdc++ 12 does inside it; GCC still checks ours.
  list(APPEND METERHUB_WARNINGS -Wno-deprecated-declarations)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # A false alarm of GCC 12 on std::string (its PR 105651), seen with optimisation only.
  list(APPEND METERHUB_WARNINGS -Wno-restrict)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL Release)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

set(METERHUB_TIME_FACTOR 1)  # of the time that a test may take
set(METERHUB_SANITIZE "" CACHE STRING "address,undefined or thread")
if(METERHUB_SANITIZE)
  add_compile_options(-fsanitize=${METERHUB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC 12 sees uninitialised reads in std::expected and std::variant that are none.
    list(APPEND METERHUB_WARNINGS -Wno-maybe-uninitialized)
    if(METERHUB_SANITIZE MATCHES thread)
      # With its calls in between, and the headers precompiled, also copies beyond the end of std::string; and Boost's fences.
      list(APPEND METERHUB_WARNINGS -Wno-array-bounds -Wno-stringop-overflow -Wno-tsan)
    endif()
  endif()
  add_link_options(-fsanitize=${METERHUB_SANITIZE})
  set(METERHUB_TIME_FACTOR 3)
  # ctest reads it before it runs anything, so that tests and what they start report alike.
  configure_file(${CMAKE_CURRENT_LIST_DIR}/sanitizers.cmake.in ${CMAKE_BINARY_DIR}/sanitizers.cmake @ONLY)
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_BINARY_DIR}/sanitizers.cmake)
endif()

option(METERHUB_FUZZ "Build the fuzzers (clang)" OFF)
if(METERHUB_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Tests are compiled more often than they run: without optimisation a third faster. What they test is optimised all the same.
set(METERHUB_TEST_OPTIONS ${METERHUB_WARNINGS} -O0)

# Reading headers takes longer than compiling our code: the standard library's and GoogleTest's are read once. Not with
# Clang, whose build tells of a file that does not include what it uses.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  set(precompiled_default ON)
else()
  set(precompiled_default OFF)
endif()
option(METERHUB_PRECOMPILE "Precompile the headers of libraries" ${precompiled_default})
set(METERHUB_STANDARD_HEADERS <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <cstdint> <cstring> <deque> <expected>
  <filesystem> <fstream> <functional> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread>
  <tuple> <unordered_map> <utility> <variant> <vector> <fmt/format.h>)

# Gives `target` the precompiled headers of `kind`, module or test, which all of that kind share.
function(mh_precompiled target kind)
  if(NOT METERHUB_PRECOMPILE)
    return()
  endif()
  target_link_libraries(${target} PRIVATE fmt::fmt)
  target_precompile_headers(${target} REUSE_FROM mh_precompiled_${kind})
endfunction()

function(mh_precompile)
  if(NOT METERHUB_PRECOMPILE)
    return()
  endif()
  set(source ${CMAKE_BINARY_DIR}/precompiled.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "int main() {}\n")
  add_library(mh_precompiled_module STATIC EXCLUDE_FROM_ALL ${source})
  target_compile_options(mh_precompiled_module PRIVATE ${METERHUB_WARNINGS})
  target_link_libraries(mh_precompiled_module PRIVATE fmt::fmt)
  target_precompile_headers(mh_precompiled_module PRIVATE ${METERHUB_STANDARD_HEADERS})
  add_executable(mh_precompiled_test EXCLUDE_FROM_ALL ${source})
  target_compile_options(mh_precompiled_test PRIVATE ${METERHUB_TEST_OPTIONS})
  target_link_libraries(mh_precompiled_test PRIVATE fmt::fmt GTest::gmock GTest::gtest_main)
  target_precompile_headers(mh_precompiled_test PRIVATE ${METERHUB_STANDARD_HEADERS} <gtest/gtest.h> <gmock/gmock.h>)
endfunction()

function(mh_module)
  cmake_parse_arguments(ARG "" "NAME" "HEADERS;SOURCES;DEPS;PRIVATE" ${ARGN})
  set(target mh_${ARG_NAME})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${METERHUB_WARNINGS}>)
    mh_precompiled(${target} module)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  list(TRANSFORM ARG_HEADERS PREPEND include/meterhub/${ARG_NAME}/)
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${ARG_HEADERS})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${target} ${scope} mh_${dep})
  endforeach()
  if(ARG_PRIVATE)
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE})
  endif()
endfunction()

# Registers the tests of a program, each of which may take `seconds`. Further arguments:
# properties of each.
function(mh_discover_tests target seconds)
  math(EXPR limit "${seconds} * ${METERHUB_TIME_FACTOR}")
  # Listing them starts the program, which takes its time with a sanitizer on a busy machine.
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${limit} ${ARGN})
endfunction()

function(mh_test)
  cmake_parse_arguments(ARG "" "NAME" "SOURCES;DEPS" ${ARGN})
  set(target ${ARG_NAME}_test)
  add_executable(${target} ${ARG_SOURCES})
  target_compile_options(${target} PRIVATE ${METERHUB_TEST_OPTIONS})
  mh_precompiled(${target} test)
  target_compile_definitions(${target} PRIVATE
    METERHUB_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
    METERHUB_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  target_link_libraries(${target} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  mh_discover_tests(${target} 300)
endfunction()
