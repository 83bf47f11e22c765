"""Containers that many formats share (HDF5, MAT, NPY, RDS, torch), opened without running or trusting them."""
