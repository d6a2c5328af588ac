"""Networks: the manifest, the store that verifies the files, and one module per network (pre, run, post)."""
