"""Rows and files, no opinions."""
