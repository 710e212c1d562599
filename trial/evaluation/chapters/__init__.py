"""The chapters of the paper: each takes facts and returns its tables."""
