"""Tests of run-service."""
