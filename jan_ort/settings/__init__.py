"""Every setting: one schema, where values come from, and which are in force."""
