"""Tests against real software of others; each skips, with the reason, where that is missing."""
