# The Debian package: the program, its libduckdb.so, a systemd unit and settings to begin with.
# tools/package builds it. docs/install.md.
include_guard()

# The program and the library it finds by $ORIGIN lie together; /usr/bin has a link.
set_target_properties(meterhub PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS meterhub RUNTIME DESTINATION lib/meterhub COMPONENT program)
get_filename_component(DUCKDB_FILE ${DUCKDB_LIBRARY} REALPATH)
install(FILES ${DUCKDB_FILE} DESTINATION lib/meterhub RENAME libduckdb.so COMPONENT program)
file(CREATE_LINK ../lib/meterhub/meterhub ${CMAKE_BINARY_DIR}/package-link SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/package-link DESTINATION bin RENAME meterhub COMPONENT program)

install(FILES ${CMAKE_SOURCE_DIR}/deploy/systemd/meterhub.service DESTINATION lib/systemd/system COMPONENT program)
install(FILES ${CMAKE_SOURCE_DIR}/deploy/meterhub.toml DESTINATION /etc/meterhub COMPONENT program
  PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs ${CMAKE_SOURCE_DIR}/queries ${CMAKE_SOURCE_DIR}/profiles
  DESTINATION share/doc/meterhub COMPONENT program PATTERN "images" EXCLUDE)
install(FILES README.md CHANGELOG.md THIRD-PARTY-NOTICES.md DESTINATION share/doc/meterhub COMPONENT program)
install(FILES LICENSE DESTINATION share/doc/meterhub RENAME copyright COMPONENT program)

# Installing the program must not build the tests first.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_VENDOR "The Meterhub authors")
set(CPACK_PACKAGE_CONTACT "The Meterhub authors <meterhub@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "self-hosted platform for readings of radio gas meters")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME meterhub)
set(CPACK_DEBIAN_PROGRAM_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "self-hosted platform for readings of radio gas meters
 Gateways send encrypted packets over AMQP/TLS; out come Parquet files, alerts in SQL
 and a page that shows every flat. One program, one settings file, no cluster.")
# Libraries by dpkg-shlibdeps, but for the one that the package brings along.
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
get_filename_component(DUCKDB_FOLDER ${DUCKDB_FILE} DIRECTORY)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${DUCKDB_FOLDER})
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/deploy/debian/conffiles
  ${CMAKE_SOURCE_DIR}/deploy/debian/postinst
  ${CMAKE_SOURCE_DIR}/deploy/debian/prerm
  ${CMAKE_SOURCE_DIR}/deploy/debian/postrm)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
