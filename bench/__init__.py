"""What Stratum costs: `make bench` measures, prints a table and writes `.data/bench.json`.

Pages are ratios to a minimal page of the same server in the same run, so that the machine falls out of them.
"""
