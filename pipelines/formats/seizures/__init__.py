"""Readers of seizure annotations: summaries, WFDB files, tables of SzCORE, and the marks of recording systems."""
