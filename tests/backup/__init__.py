"""Copies: made, kept in number, put back."""
