"""The calibration of a model as SVG, without a library: what happened, and what was expected."""

from collections.abc import Sequence

from profiles.value import Numbers

WIDTH, HEIGHT, TOP = 330.0, 200.0, 40.0
HAPPENED = 'stroke="#222222"'
EXPECTED = 'stroke="#cc3333" stroke-dasharray="5 3"'


def plot(by_purchases: Numbers, by_week: Numbers, calibrated_weeks: int) -> str:
    """Return two panels, each of pairs (happened, expected): by the number of purchases before, the last of them or more, and by
    week, where a line stands at the end of the weeks that the model was made from."""
    most = len(by_purchases) - 1
    numbers = [f"{k}+" if k == most else str(k) for k in range(most + 1)]
    weeks = [str(week) if week % 13 == 0 else "" for week in range(1, len(by_week) + 1)]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 300" font-family="sans-serif" font-size="11">\n'
        '<rect width="800" height="300" fill="#ffffff"/>\n'
        + _panel(45, by_purchases, numbers, "purchases a person in weeks 40–78, by repeats before", None)
        + _panel(440, by_week, weeks, "repeated purchases of all until the end of week", calibrated_weeks - 1)
        + f'<path d="M300 288h25" stroke-width="2" {HAPPENED}/><text x="330" y="292">happened</text>\n'
        f'<path d="M410 288h25" stroke-width="2" {EXPECTED}/><text x="440" y="292">expected by BG/NBD</text>\n</svg>\n'
    )


def _panel(left: float, pairs: Numbers, labels: Sequence[str], title: str, split: int | None) -> str:
    most = float(pairs.max()) or 1.0
    across = [left + WIDTH * at / max(1, len(pairs) - 1) for at in range(len(pairs))]
    parted = "" if split is None else f'<path d="M{across[split]:.1f} {TOP}v{HEIGHT}" stroke="#bbbbbb"/>\n'
    return (
        f'<text x="{left}" y="24" font-weight="bold">{title}</text>\n'
        f'<path d="M{left} {TOP}v{HEIGHT}h{WIDTH}" fill="none" stroke="#888888"/>\n'
        + parted
        + _line(across, pairs[:, 0] / most, HAPPENED)
        + _line(across, pairs[:, 1] / most, EXPECTED)
        + "".join(
            _text(at, TOP + HEIGHT + 16, "middle", label) for at, label in zip(across, labels, strict=True) if label
        )
        + "".join(_text(left - 4, TOP + HEIGHT * (1 - part) + 4, "end", _figure(most * part)) for part in (0.5, 1.0))
    )


def _line(across: Sequence[float], heights: Numbers, style: str) -> str:
    points = " ".join(f"{at:.1f},{TOP + HEIGHT * (1 - y):.1f}" for at, y in zip(across, heights, strict=True))
    return f'<polyline points="{points}" fill="none" stroke-width="2" {style}/>\n'


def _text(x: float, y: float, anchor: str, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>\n'


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number > 9 else f"{number:.1f}"
