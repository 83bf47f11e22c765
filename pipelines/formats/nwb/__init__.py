"""Sessions in NWB 2, HDF5 or Zarr v2, without pynwb."""
