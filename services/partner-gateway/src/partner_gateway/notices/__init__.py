"""Notices: what partners must be told about cases that they hold."""
