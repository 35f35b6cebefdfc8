"""Tests of case-service."""
