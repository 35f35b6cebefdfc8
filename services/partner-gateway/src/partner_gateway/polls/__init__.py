"""Polls: partners that do not call back are asked what is new."""
