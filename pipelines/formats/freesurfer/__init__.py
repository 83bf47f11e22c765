"""What FreeSurfer writes beside images and surfaces: statistics, tables of many subjects, colour tables, subjects."""
