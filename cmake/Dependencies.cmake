# The libraries, each used by one module. Versions, licences and reasons: DEPENDENCIES.md.
include_guard()
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(RocksDB REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
# simdjson's objects have other members where the compiler does not optimise. All that share them
# must agree: the product and its tests, which are compiled without optimisation.
set_property(TARGET simdjson::simdjson APPEND PROPERTY
  INTERFACE_COMPILE_DEFINITIONS SIMDJSON_DEVELOPMENT_CHECKS=$<CONFIG:Debug>)
find_package(CLI11 REQUIRED)
find_package(absl REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(GTest REQUIRED)
include(GoogleTest)
pkg_check_modules(SQLITE3 REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(XLSXWRITER REQUIRED IMPORTED_TARGET xlsxwriter)
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)

# DuckDB: an installed one when CMake finds it, else the pinned one that tools/setup put
# under third_party/duckdb (tools/duckdb.lock names version and hash).
find_library(DUCKDB_LIBRARY duckdb HINTS ${CMAKE_SOURCE_DIR}/third_party/duckdb NO_CMAKE_FIND_ROOT_PATH)
find_path(DUCKDB_INCLUDE duckdb.h HINTS ${CMAKE_SOURCE_DIR}/third_party/duckdb NO_CMAKE_FIND_ROOT_PATH)
if(NOT DUCKDB_LIBRARY OR NOT DUCKDB_INCLUDE)
  message(FATAL_ERROR "DuckDB is missing: ./run --build-only fetches the pinned library")
endif()
add_library(DuckDB::duckdb SHARED IMPORTED)
set_target_properties(DuckDB::duckdb PROPERTIES
  IMPORTED_LOCATION ${DUCKDB_LIBRARY}
  INTERFACE_INCLUDE_DIRECTORIES ${DUCKDB_INCLUDE})
