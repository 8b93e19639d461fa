"""The GPUs and NPUs that the operating system shows, and what each still needs to compute for us."""
