"""Exports: what may be asked for, where its rows come from, and who makes the file."""
