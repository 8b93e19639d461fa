"""The kit that judges any server with this API and any backend plugin; its checks arrive with the conformance issue."""
