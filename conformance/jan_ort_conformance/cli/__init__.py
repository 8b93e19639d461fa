"""The command line: what both kits' commands share, and one file for each."""
