"""The small random models that read images, one file a kind: how each is made, and how its tower is exported."""
