"""What every check of both kits comes to: verdicts, cases, results, and which checks a run has."""
