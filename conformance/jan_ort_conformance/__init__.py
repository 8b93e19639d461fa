"""The kit that will judge any server with this API and any backend plugin; it holds no checks yet."""
