"""Real purchases, end to end: `python -m bench.cdnow_check --master cdnow_master.txt [--sample CDNOW_sample.txt] [--plot FILE]`.

Brings the purchases in with `siyu ingest --wait` and asks `siyu metrics`. RFM and repurchase are compared with an independent
computation by pandas; with the published sample, the models with the published figures. What was expected in weeks 40 to 78 is
set beside what happened, and drawn.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from bench.cdnow import Row, customers, events, rows
from bench.cdnow_plot import plot
from profiles.value import BgNbd, Numbers

CALIBRATED = date(1997, 9, 30)  # the last day of 39 weeks from 1997-01-01
OBSERVED = date(1998, 6, 30)  # of 78
WEEKS = 39

# Fader, Hardie and Lee (2005), table 1, and Fader and Hardie (2013): to the digits that they print.
PUBLISHED = {"r": "0.243", "alpha": "4.414", "a": "0.793", "b": "2.426", "log_likelihood": "-9582.4"}
PUBLISHED_SPENDING = {"p": "6.25", "q": "3.74", "gamma": "15.44"}


def frame(of: Sequence[Row]) -> pd.DataFrame:
    """Return the purchases as pandas has them: a row for each customer and day."""
    made = pd.DataFrame(
        [(row.customer, pd.Timestamp(row.day), row.cents) for row in of], columns=["who", "day", "cents"]
    )
    return made.groupby(["who", "day"], as_index=False)["cents"].sum()


def main() -> int:
    """Run it; 1 where anything differs from the independent computation, or from what was published."""
    asked = _arguments()
    only = customers(asked.sample) if asked.sample else None
    bought = list(rows(asked.master, only))
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "SIYU_DATA_DIR": str(asked.data_dir or Path(scratch) / "siyu")}
        file = Path(scratch) / "cdnow.ndjson"
        file.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events(bought)))
        subprocess.run([sys.executable, "-m", "siyu", "ingest", str(file), "--wait"], env=environment, check=True)
        told = _asker(environment)
        made = frame(bought)
        faults = [*_rfm_differs(told("rfm"), made), *_repurchase_differs(told("repurchase"), made)]
        figures: dict[str, Any] = {
            "purchases": len(made),
            "customers": int(made["who"].nunique()),
            "lines": len(bought),
        }
        value = told("value", CALIBRATED)
    figures |= {"buying": value["buying"], "spending": value["spending"]}
    model = BgNbd(*(value["buying"][name] for name in ("r", "alpha", "a", "b")))
    figures["weeks 40 to 78"] = _held_out(model, made) | {"expected by the system": value["expected_purchases"]}
    if only:
        faults += _published_differs(value)
    if asked.plot:
        asked.plot.write_text(_drawn(model, made), encoding="utf-8")
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    print(f"{len(faults)} differences", *faults, sep="\n", file=sys.stderr)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cdnow_check", description=main.__doc__)
    parser.add_argument("--master", type=Path, required=True, help="cdnow_master.txt")
    parser.add_argument("--sample", type=Path, help="CDNOW_sample.txt: bring in only its customers")
    parser.add_argument(
        "--data-dir", type=Path, help="of an installation without other purchases; a new one without it"
    )
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    return parser.parse_args()


def _asker(environment: Mapping[str, str]) -> Callable[..., dict[str, Any]]:
    def told(figure: str, last: date = OBSERVED) -> dict[str, Any]:
        as_of = f"{(last + timedelta(days=1)).isoformat()}T00:00:00+0000"
        command = [sys.executable, "-m", "siyu", "metrics", figure, "--currency", "USD", "--as-of", as_of, "--json"]
        horizon = ["--horizon-weeks", str(WEEKS)] if figure == "value" else []
        done = subprocess.run([*command, *horizon], env=dict(environment), check=True, capture_output=True)
        answer: dict[str, Any] = orjson.loads(done.stdout)
        return answer

    return told


def _rfm_differs(told: Mapping[str, Any], made: pd.DataFrame) -> list[str]:
    """Return where RFM is not what pandas makes of it: a score is the fifth that the share of those below is in."""
    people = made.groupby("who").agg(last=("day", "max"), frequency=("day", "count"), monetary=("cents", "sum"))
    people["recency"] = -(pd.Timestamp(OBSERVED) - people["last"]).dt.days
    names = ["recency", "frequency", "monetary"]
    scored = people[names].rank(method="min").sub(1).mul(5).floordiv(len(people)).add(1).astype(int)
    expected = scored.assign(amount=people["monetary"]).groupby(names)["amount"].agg(["count", "sum"])
    found = {tuple(cell[name] for name in names): (cell["people"], cell["amount"]) for cell in told["cells"]}
    return _differing("rfm", found, {at: (int(row["count"]), int(row["sum"])) for at, row in expected.iterrows()})


def _repurchase_differs(told: Mapping[str, Any], made: pd.DataFrame) -> list[str]:
    """Return where repurchase is not what pandas makes of it."""
    ordered = made.sort_values(["who", "day"])
    nth = ordered.groupby("who").cumcount() + 1
    days = -ordered.groupby("who")["day"].diff(-1).dt.days
    expected = {}
    for k in range(1, len(told["steps"]) + 1):
        own = days[nth == k].dropna()
        quantiles = [round(own.quantile(q), 6) for q in (0.1, 0.25, 0.5, 0.75, 0.9)] if len(own) else None
        expected[k] = (int((nth == k).sum()), len(own), quantiles)
    found = {
        step["nth"]: (
            step["bought"],
            step["again"],
            [round(each, 6) for each in step["days"].values()] if step["days"] else None,
        )
        for step in told["steps"]
    }
    return _differing("repurchase", found, expected)


def _differing(what: str, found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> list[str]:
    at = found.keys() | expected.keys()
    return [
        f"{what} {key}: {found.get(key)}, not {expected.get(key)}" for key in at if found.get(key) != expected.get(key)
    ]


def _published_differs(value: Mapping[str, Any]) -> list[str]:
    """Return where the models are not those published, to the digits that were printed (there money is in dollars)."""
    spending = value["spending"] | {"gamma": value["spending"]["gamma"] / 100}
    return [
        f"{name}: {figures[name]}, not {printed}"
        for figures, published in ((value["buying"], PUBLISHED), (spending, PUBLISHED_SPENDING))
        for name, printed in published.items()
        if f"{figures[name]:.{len(printed.partition('.')[2])}f}" != printed
    ]


def _histories(made: pd.DataFrame) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return x, t_x and T of each customer, in weeks, at the end of the calibration, and how often he bought after it."""
    known = made[made["day"] <= pd.Timestamp(CALIBRATED)].groupby("who")["day"].agg(["count", "min", "max"])
    later = made[made["day"] > pd.Timestamp(CALIBRATED)].groupby("who").size().reindex(known.index, fill_value=0)
    week = pd.Timedelta(weeks=1)
    return (
        (known["count"] - 1).to_numpy(float),
        ((known["max"] - known["min"]) / week).to_numpy(float),
        ((pd.Timestamp(CALIBRATED) - known["min"]) / week).to_numpy(float),
        later.to_numpy(float),
    )


def _held_out(model: BgNbd, made: pd.DataFrame) -> dict[str, Any]:
    """Return how far off the model was, beside two who know no model: all as often as before, and all as often as the mean."""
    x, last, age, later = _histories(made)
    expected = model.expected(x, last, age, float(WEEKS))
    cumulated = _by_week(model, made)
    held = cumulated[WEEKS:]
    guesses = {"BG/NBD": expected, "as often as before": x / np.maximum(age, 1 / 7) * WEEKS}
    guesses["the mean of all"] = np.full(len(x), x.sum() / age.sum() * WEEKS)
    return {
        "purchases that happened": int(later.sum()),
        "expected": float(expected.sum()),
        "mean absolute error a person": {name: float(np.abs(each - later).mean()) for name, each in guesses.items()},
        "correlation with what happened": float(np.corrcoef(expected, later)[0, 1]),
        "mean absolute error a week, cumulated, of what happened": float(
            np.abs(held[:, 1] / np.maximum(held[:, 0], 1) - 1).mean()
        ),
    }


def _by_week(model: BgNbd, made: pd.DataFrame) -> Numbers:
    """Return what was bought again until the end of each week, and what the model expects of all from their first purchase on."""
    start = pd.Timestamp(date(1997, 1, 1))
    day = (made["day"] - start).dt.days
    first = day.groupby(made["who"]).transform("min")
    begun = np.bincount(first[day == first], minlength=1)
    ends = np.arange(1, 2 * WEEKS + 1) * 7
    told = [
        (
            int(((day > first) & (day < end)).sum()),
            sum(
                n * float(model.expected_new((end - 1 - since) / 7))
                for since, n in enumerate(begun[:end])
                if n and since < end - 1
            ),
        )
        for end in ends
    ]
    return np.array(told, dtype=float)


def _drawn(model: BgNbd, made: pd.DataFrame) -> str:
    """Draw the weeks to come by how often people had bought before, and what was bought again week by week."""
    x, last, age, later = _histories(made)
    expected = model.expected(x, last, age, float(WEEKS))
    means = np.array([(later[own].mean(), expected[own].mean()) for own in (np.minimum(x, 7) == k for k in range(8))])
    return plot(means, _by_week(model, made), WEEKS)


if __name__ == "__main__":
    sys.exit(main())
