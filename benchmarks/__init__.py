"""Measures what everything costs (``python -m benchmarks``), keeps the records, and shows them in the book.

The folder is part of the checkout and of the staged book, not of the installed package.
"""
