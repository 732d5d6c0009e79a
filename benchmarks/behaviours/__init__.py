"""Benchmarks of the search for behaviours."""
