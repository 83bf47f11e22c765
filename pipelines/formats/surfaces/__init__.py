"""Surfaces of the cortex and what is known of their vertices: GIFTI, and the binary files of FreeSurfer.

A surface is two tables, since a mesh is neither an image nor a graph of neurons: ``vertex`` has a row per vertex
(``x_mm``, ``y_mm``, ``z_mm``, measures, labels) and ``triangle`` a row per triangle (``a``, ``b``, ``c``: rows of
``vertex``, in the order that makes the normal point outwards). The order of vertices is that of the file: it is what
joins a surface to its measures and labels, which lie in other files.
"""
