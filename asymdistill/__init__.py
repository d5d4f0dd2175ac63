"""Executable companion to two papers on distilling vision transformers into small CNNs."""

__version__ = "0.1.0"
