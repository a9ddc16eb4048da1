# ccache and mold where present: they only make builds faster.
find_program(SIGNALDB_CCACHE ccache)
if(SIGNALDB_CCACHE)
  # The sloppiness is what ccache asks for to cache objects that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SIGNALDB_CCACHE})
endif()
find_program(SIGNALDB_MOLD mold)
if(SIGNALDB_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
