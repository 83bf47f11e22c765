"""Readers of images and label maps."""
