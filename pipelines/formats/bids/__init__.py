"""Brain Imaging Data Structure (BIDS): names, trees, tables and sidecars, whatever they describe."""
