"""Settings of the tests of the contracts."""

from hypothesis import settings

# How long one example takes says more about the machine than about the code.
settings.register_profile("contracts", deadline=None)
settings.load_profile("contracts")
