"""Readers of vascular graphs."""
