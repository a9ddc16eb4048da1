# The library as others find it: one static archive, the public headers, a CMake package and a pkg-config file.
# `cmake --install build/release --component signaldb --prefix /usr/local`.
include(CMakePackageConfigHelpers)

set(SIGNALDB_MODULES base iceberg telemetry writer adapter_posix adapter_local adapter_memory adapter_object_store adapter_postgres adapter_sqlite library)
add_library(signaldb STATIC)
set_target_properties(signaldb PROPERTIES LINKER_LANGUAGE CXX)
foreach(module IN LISTS SIGNALDB_MODULES)
  target_sources(signaldb PRIVATE $<TARGET_OBJECTS:signaldb_${module}>)
endforeach()

# Where this build found Arrow: used by consumers that have no Arrow of their own in the path.
set(SIGNALDB_ARROW_INCLUDES "")
set(SIGNALDB_ARROW_LIBRARY "")
set(SIGNALDB_PARQUET_LIBRARY "")
set(SIGNALDB_ARROW_S3_LIBRARY "")
set(SIGNALDB_ARROW_FLAGS "-larrow -lparquet")
if(TARGET signaldb_arrow_wheel)
  get_target_property(SIGNALDB_ARROW_INCLUDES signaldb_arrow_wheel INTERFACE_INCLUDE_DIRECTORIES)
  get_target_property(SIGNALDB_ARROW_LIBRARY signaldb_arrow_wheel IMPORTED_LOCATION)
  get_target_property(SIGNALDB_PARQUET_LIBRARY signaldb_parquet_wheel IMPORTED_LOCATION)
  get_target_property(SIGNALDB_ARROW_S3_LIBRARY signaldb_arrow_s3_wheel IMPORTED_LOCATION)
  get_filename_component(arrow_dir ${SIGNALDB_ARROW_LIBRARY} DIRECTORY)
  set(SIGNALDB_ARROW_FLAGS "${SIGNALDB_OPENSSL_FIRST} ${SIGNALDB_PARQUET_LIBRARY} ${SIGNALDB_ARROW_S3_LIBRARY} ${SIGNALDB_ARROW_LIBRARY} -Wl,-rpath,${arrow_dir}")
  set(SIGNALDB_ARROW_CFLAGS "-isystem ${SIGNALDB_ARROW_INCLUDES}")
endif()

set(SIGNALDB_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/signaldb)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/signaldb-config.cmake.in
  ${PROJECT_BINARY_DIR}/signaldb-config.cmake INSTALL_DESTINATION ${SIGNALDB_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/signaldb-config-version.cmake COMPATIBILITY SameMinorVersion)
# Relative to the file, so that the folder can be moved.
file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(SIGNALDB_PC_PREFIX "\${pcfiledir}/${to_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/signaldb.pc.in ${PROJECT_BINARY_DIR}/signaldb.pc @ONLY)

install(TARGETS signaldb ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT signaldb)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/signaldb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT signaldb)
install(FILES ${PROJECT_BINARY_DIR}/signaldb-config.cmake ${PROJECT_BINARY_DIR}/signaldb-config-version.cmake
  DESTINATION ${SIGNALDB_CMAKE_DIR} COMPONENT signaldb)
install(FILES ${PROJECT_BINARY_DIR}/signaldb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT signaldb)
