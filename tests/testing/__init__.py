"""Tests of ``litequeue.testing``."""
