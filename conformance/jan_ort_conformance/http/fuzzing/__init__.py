"""The fuzzing of a server by its document, with schemathesis, which takes a second to import."""
