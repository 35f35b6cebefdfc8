"""Owns cases, file numbers, payments and closure: what a partner collects, to the cent."""
