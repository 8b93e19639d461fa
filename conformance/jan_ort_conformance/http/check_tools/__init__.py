"""What the HTTP checks are written with: how one is registered, asks and fails."""
