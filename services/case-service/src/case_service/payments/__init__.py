"""Payments: how they are spread, booked, corrected."""
