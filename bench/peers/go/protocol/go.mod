module berth.dev/bench/peers/protocol

go 1.26.0
