"""Tests of the import of packages, on a real PostgreSQL."""
