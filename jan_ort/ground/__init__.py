"""What every room may import: tasks, errors, progress, and reading JSON."""
