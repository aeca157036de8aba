"""A real S3 server, and what blobs in it go through."""
