"""Keys and values: which memory they are in, and which row of it each slot has."""
