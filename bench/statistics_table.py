"""Medians, percentiles and the table that shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent are not above (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def table(title: str, rows: Mapping[str, Sequence[float]], baseline: Mapping[str, str]) -> str:
    """Rows of seconds, with the ratio of median and p95 to a baseline row of the same run.

    On a machine that others use, the median of the rounds' own ratios tells more: what it compares was close together.

    Args:
        title: what was measured.
        rows: seconds of each round by contender.
        baseline: for a contender, the one it is compared with.
    """
    columns = f"{'n':>3} {'median':>8} {'p95':>8} {'min':>8} {'max':>8}"
    head = f"{title:34} {columns}   ratio of median, p95; median of ratios, to"
    lines = [head]
    for name, values in rows.items():
        if not values:
            continue
        numbers = (median(values), percentile(values, 95), min(values), max(values))
        line = f"  {name:32} {len(values):3} " + " ".join(f"{v:8.3f}" for v in numbers)
        other = rows.get(baseline.get(name, ""))
        if other:
            line += f"   {numbers[0] / median(other):.2f}, {numbers[1] / percentile(other, 95):.2f}"
            if len(other) == len(values):
                line += f"; {median(one / two for one, two in zip(values, other, strict=True)):.2f}"
            line += f"  {baseline[name]}"
        lines.append(line)
    return "\n".join(lines)
