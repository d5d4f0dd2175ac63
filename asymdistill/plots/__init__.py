"""Figures and tables for readers, drawn from a study's tables."""
