"""What a server keeps for a bug report: its last log and the last requests that failed, without what is private."""
