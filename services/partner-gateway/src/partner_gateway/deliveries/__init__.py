"""Deliveries: the requests that we owe to partners with an API, until each is answered."""
