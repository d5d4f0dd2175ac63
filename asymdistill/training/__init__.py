"""Losses, distillation of a student, and pretraining of the shipped teachers."""
