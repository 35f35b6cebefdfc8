"""A partner to build and test a connection against: takes handovers, answers, pays."""
