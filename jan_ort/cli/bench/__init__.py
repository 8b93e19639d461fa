"""What clients of a server wait for, measured from where they are."""
