"""From score to limit: how high may a stream's score be before its window is an anomaly?

A threshold judges first and learns afterwards, only from windows that were normal, and never sees how its input was
batched: time is divided into *buckets*, the limit changes when a stream enters a new bucket and is constant inside it.
So all windows of one bucket are judged together, whatever their number.

`rolling` follows the last `history` of normal scores; `static` is the training's mean + n_std standard deviations.
`quantile`, `mad` and `pot` follow the distribution of the last `history`, which `histogram` keeps; `conformal` is
calibrated on the first windows after training. `fixed` is one number, for recipes whose scores are on one scale.
"""
