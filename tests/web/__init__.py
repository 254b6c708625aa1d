"""Tests of the page's serving, most of them by requests that try what is not allowed."""
