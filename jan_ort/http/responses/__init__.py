"""The Responses API: its reading of a conversation, its answer's items and events, and its stored responses."""
