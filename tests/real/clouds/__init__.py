"""Containers of Azure and buckets of Google, as far as a machine without them can tell: `make test-clouds`."""
