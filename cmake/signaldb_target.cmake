# What every target of ours shares. PRIVATE: flags never reach a consumer.
function(signaldb_configure target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
                        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor
    # Designated initialisers that leave the rest to its defaults are how options are passed here.
    -Wno-missing-field-initializers
    -fstack-protector-strong -fcf-protection
    # Clang's -Wconversion brings the sign conversions along, g++'s does not; and it reports what
    # libstdc++ 12 itself uses in std::stable_sort.
    $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety;-Wno-sign-conversion;-Wno-deprecated-declarations>
    $<$<BOOL:${SIGNALDB_DEVELOPER_MODE}>:-Werror>)
  # Fortify needs optimisation; the sanitizers bring their own checks.
  if(NOT SIGNALDB_SANITIZE)
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  endif()
  target_link_options(${target} PRIVATE -Wl,-z,relro,-z,now)
  if(SIGNALDB_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${SIGNALDB_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${SIGNALDB_SANITIZE})
  endif()
  if(SIGNALDB_FUZZ)
    # Counts edges for libFuzzer, whose main only the fuzz targets link.
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# signaldb_module(NAME [ARROW_PCH] SOURCES ... LINKS ...): one static library of ours, called signaldb_NAME.
function(signaldb_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ARROW_PCH" "" "SOURCES;LINKS")
  add_library(signaldb_${name} STATIC ${arg_SOURCES})
  signaldb_configure(signaldb_${name})
  target_link_libraries(signaldb_${name} PUBLIC ${arg_LINKS})
  if(arg_ARROW_PCH)
    target_precompile_headers(signaldb_${name} REUSE_FROM signaldb_arrow_pch)
  endif()
endfunction()

# signaldb_test(NAME [ARROW_PCH] [AS_ONE | ON_POSTGRES] [PREFIX p] [LABELS ...] SOURCES ... LINKS ...): one GoogleTest program; each
# TEST is a ctest, with PREFIX before its name, or with AS_ONE the whole program is one (it starts something costly
# once a process). With ON_POSTGRES the tests whose names end in /postgres are one ctest, NAME.on_postgres, which starts
# one server for all of them.
function(signaldb_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ARROW_PCH;AS_ONE;ON_POSTGRES" "PREFIX" "SOURCES;LINKS;LABELS")
  add_executable(${name} ${arg_SOURCES})
  signaldb_configure(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LINKS} GTest::gmock GTest::gtest_main)
  if(arg_ARROW_PCH)
    target_precompile_headers(${name} REUSE_FROM signaldb_arrow_pch)
    # The precompiled header is built for libraries; a program that re-uses it has to match.
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIC)
  endif()
  # An empty LABELS would swallow the next word.
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(arg_AS_ONE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
    return()
  endif()
  set(filter)
  if(arg_ON_POSTGRES)
    add_test(NAME ${name}.on_postgres COMMAND ${name} --gtest_filter=*/postgres)
    set_tests_properties(${name}.on_postgres PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
    set(filter TEST_FILTER -*/postgres)
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 TEST_PREFIX "${arg_PREFIX}" ${filter} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
endfunction()
