"""One vocabulary for many sources: names of cells, and what is known of each cell."""
