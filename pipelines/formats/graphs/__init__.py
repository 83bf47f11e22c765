"""Readers of graphs and skeletons that no one laboratory owns."""
