"""How Stratum is put together: settings, addresses, processes and the services they need."""

import gc

# Models, forms and compiled definitions are many small objects that stay: with Python's own thresholds 0.4 of the 2.4
# seconds of a start went into looking for cycles among them.
gc.set_threshold(50_000, 20, 50)
