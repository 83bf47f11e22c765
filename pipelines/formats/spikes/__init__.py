"""Readers of spike trains outside NWB."""
