"""The sample plants: `plant` makes one of any size by SQL, `tiny` a dozen lots to check by hand.

Beside them, the parts that show the service on one machine without a plant's own database.
"""
