"""Models that read images: three graphs, and what their processor does with pixels."""
