#include "rpc/rpc_call.h"

#include <grpcpp/support/slice.h>

namespace signaldb {

void RpcCall::OnCancel() { Answer(grpc::Status::CANCELLED); }

void RpcCall::Answer(const grpc::Status& status) {
  if (ticket_.Take()) Finish(status);
}

void RpcCall::FinishWith(std::string_view message) {
  const grpc::Slice bytes(message.data(), message.size());
  response_ = grpc::ByteBuffer(&bytes, 1);
  StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
}

}  // namespace signaldb
