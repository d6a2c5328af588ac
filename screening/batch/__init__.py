"""Screens any number of photos: where they come from, the processes that do it, and the file that keeps the reports."""
