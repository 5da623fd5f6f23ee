module example.org/checkout

go 1.25.0

require (
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260122232226-8e98ce8d340d
	google.golang.org/grpc v1.80.0
	google.golang.org/protobuf v1.36.11
)
