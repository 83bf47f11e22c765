"""What FreeSurfer writes beside images and surfaces: statistics, tables over subjects, colour tables, whole subjects."""
