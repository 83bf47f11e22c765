"""Readers of *C. elegans*: calcium imaging and connectomes, as each laboratory writes them."""
