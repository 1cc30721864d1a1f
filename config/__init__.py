"""How Stratum is put together: settings, addresses, processes and the services they need."""

import gc

# Models, forms and compiled definitions are a million small objects that stay: with Python's own thresholds a fifth of
# each start went into looking for cycles among them.
gc.set_threshold(50_000, 20, 50)
