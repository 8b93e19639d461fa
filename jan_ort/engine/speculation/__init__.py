"""Drafts: tokens that are guessed for a sequence, so that one step computes several of it."""
