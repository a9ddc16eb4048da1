#include "adapters/object_store/s3_file_io.h"
#include "command_line.h"

// Outside of everything else: only calls what can be tested.
int main(int argc, char** argv) {
  const int exit_code = signaldb::RunCommandLine(argc, argv);
  signaldb::S3FileIo::EndProcess();
  return exit_code;
}
