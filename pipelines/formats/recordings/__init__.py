"""Readers of EEG, iEEG and MEG."""
