"""Lines that say whether a goal is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from statistics_table import percentile


def goal(what: str, measured: float, most: float, unit: str = "", digits: int = 0) -> str:
    """A line for one figure.

    Args:
        what: was measured.
        measured: in that unit.
        most: it may be.
        unit: written after both, with its blank.
        digits: of both after the point.
    """
    kept = "kept" if measured <= most else "MISSED"
    return f"{what}: {measured:.{digits}f}{unit}, goal at most {most:.{digits}f}{unit}: {kept}"


def of_seconds(
    rows: Mapping[str, Sequence[float]], wanted: Mapping[str, tuple[float, float]], percent: int
) -> list[str]:
    """Lines for the median and a percentile of rows, both in seconds."""
    lines = []
    for name, (middle, high) in wanted.items():
        if values := rows.get(name):
            lines.append(goal(f"{name}, p50", median(values) * 1000, middle * 1000, " ms"))
            lines.append(goal(f"{name}, p{percent}", percentile(values, percent) * 1000, high * 1000, " ms"))
    return lines


def of_ratios(
    rows: Mapping[str, Sequence[float]], wanted: Mapping[str, tuple[float, float | None]], baseline: Mapping[str, str]
) -> list[str]:
    """Lines for the ratio of rows to their baselines: of medians, and of p95 where that is promised, too."""
    lines = []
    for name, (middle, high) in wanted.items():
        other = baseline[name]
        if rows.get(name) and rows.get(other):
            ratio = median(rows[name]) / median(rows[other])
            lines.append(goal(f"{name}, median", ratio, middle, f" x {other}", 2))
            if high is not None:
                ratio = percentile(rows[name], 95) / percentile(rows[other], 95)
                lines.append(goal(f"{name}, p95", ratio, high, f" x {other}", 2))
    return lines
