"""Quantities and rates: exact decimals inside, rounded half up at the edge, numbers of JSON outside."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

Number = int | float

# Quantities have up to 38 digits; the quotient of two is exact well beyond the digits that are shown.
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
RATE_DIGITS: Final = 4
SHARE_DIGITS: Final = 2
_STEPS: Final = {digits: Decimal(1).scaleb(-digits) for digits in (RATE_DIGITS, SHARE_DIGITS)}


def quantity(value: Decimal | int | None) -> Number:
    """A quantity as a JSON number, whole where it is whole; null is 0."""
    if value is None:
        return 0
    whole = int(value)
    return whole if whole == value else float(value)


def percent(part: Decimal | int, whole: Decimal | int, digits: int = RATE_DIGITS) -> float:
    """100 * part / whole with `digits` decimals, half up; 0.0 when `whole` is 0."""
    if not whole:
        return 0.0
    share = _EXACT.divide(_EXACT.multiply(Decimal(part), Decimal(100)), Decimal(whole))
    return rounded(share, digits)


def ratio(parts: tuple[Decimal, Decimal], wholes: tuple[Decimal, Decimal]) -> float:
    """(part/whole) / (part/whole) with the decimals of a rate, of four values that are not 0."""
    upper = _EXACT.multiply(parts[0], wholes[1])
    lower = _EXACT.multiply(wholes[0], parts[1])
    return rounded(_EXACT.divide(upper, lower), RATE_DIGITS)


def rounded(value: Decimal, digits: int) -> float:
    """`value` with `digits` decimals, half up."""
    return float(_EXACT.quantize(value, _STEPS[digits]))
