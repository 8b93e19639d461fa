"""What the backend checks are written with: how one is registered, opens sessions and fails."""
