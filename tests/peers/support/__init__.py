"""What the tests share: the binary, a project's SQL, the lake as strangers read it, an S3 server."""
