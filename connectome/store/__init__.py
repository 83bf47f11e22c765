"""Where data lies: immutable record files, versions that list them, tags, diff and verification."""
