"""CSV files in: checked row by row, then published as the snapshots that other systems publish."""
