#include "command_line.h"

// NOLINTNEXTLINE(bugprone-exception-escape): only running out of memory throws here, and ends us.
int main(int argc, char** argv) { return signaldb::RunCommandLine(argc, argv); }
