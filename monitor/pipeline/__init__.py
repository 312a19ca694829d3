"""The stages of one family, all pure: readings -> grid -> windows -> scores -> limits -> alerts.

`family` composes them, `state` saves them. Nothing here does I/O, reads a clock or draws a random number, so the same
readings give the same scores to the bit, however they are cut into batches.
"""
