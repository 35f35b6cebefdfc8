"""What staff look at, and decide on, before they make a run."""
