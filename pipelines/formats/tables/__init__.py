"""Tables as text or columns: read in blocks, typed without loss, refused by line."""
