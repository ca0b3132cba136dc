"""What a person is worth: how often he will buy again, by BG/NBD, and for how much, by Gamma-Gamma.

BG/NBD is the model of Fader, Hardie and Lee, "Counting your customers the easy way: an alternative to the Pareto/NBD
model", Marketing Science 24 (2005) 275-284: who is there buys at random at a rate of his own (gamma distributed: *r*,
*alpha*), and after each purchase is gone for good with a probability of his own (beta distributed: *a*, *b*). Gamma-Gamma is
that of Fader and Hardie, "The Gamma-Gamma model of monetary value" (2013): what a purchase of his is worth varies about a
mean of his own (*p*, *q*, *gamma*), whatever his rate.

Everything is a function of its arguments: the starts of a search are fixed, and nothing is drawn by lot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import digamma, expit, gammaln, hyp2f1

Numbers = NDArray[np.float64]

# How far parameters are looked for, as logarithms: the shapes as far as people can be told apart and 2F1 is exact.
SHAPE_LOG_MAX = 5.0
SCALE_LOG_MAX = 14.0
_NEAR_ONE = 1e-5
_EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Histories:
    """How people bought, those of equal history counted together: all that BG/NBD asks about them.

    *repeats* are the purchases after the first (x), *last* how long after it the last of them came (t_x; 0 without any), *age*
    how long ago the first was (T); any unit of time, the same everywhere. *count* people share each history. *numbers* are the
    different repeats, and *people* how many people have each: what depends on nothing else is worked out once for all of them.
    """

    repeats: Numbers
    last: Numbers
    age: Numbers
    count: Numbers
    numbers: Numbers
    people: Numbers

    @classmethod
    def of(cls, repeats: ArrayLike, last: ArrayLike, age: ArrayLike) -> "Histories":
        """Return the histories of people, one an element, with equal ones put together."""
        columns = np.array([np.asarray(column, dtype=float) for column in (repeats, last, age)])
        ordered = columns[:, np.lexsort(columns[::-1])]
        starts = np.flatnonzero(np.append(True, (np.diff(ordered) != 0).any(axis=0))[: ordered.shape[1]])
        count = np.diff(starts, append=ordered.shape[1]).astype(float)
        numbers, people = np.unique(columns[0], return_counts=True)
        kept = ordered[:, starts]
        return cls(kept[0], kept[1], kept[2], count, numbers, people.astype(float))


@dataclass(frozen=True, slots=True)
class BgNbd:
    """A BG/NBD model; *alpha* is in the unit of time of the histories."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, of: Histories) -> float:
        """Return the logarithm of how likely these histories are: equation (6) of the paper, summed over people."""
        return _bgnbd(np.log([self.r, self.alpha, self.a, self.b]), of)[0]

    def p_alive(self, repeats: ArrayLike, last: ArrayLike, age: ArrayLike) -> Numbers:
        """Return how probably each is still there: Fader, Hardie and Lee, "Computing P(alive) using the BG/NBD model" (2008).

        Who has bought once only is there for certain: by the model nobody goes but after a repeated purchase.
        """
        x, t_x, age_ = np.broadcast_arrays(*(np.asarray(each, dtype=float) for each in (repeats, last, age)))
        gone = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        gone = gone + (self.r + x) * (np.log(self.alpha + age_) - np.log(self.alpha + t_x))
        return np.where(x > 0, expit(-gone), 1.0)

    def expected(self, repeats: ArrayLike, last: ArrayLike, age: ArrayLike, horizon: ArrayLike) -> Numbers:
        """Return how many purchases each will make in the *horizon* from now: equation (10) of the paper."""
        x, age_, t = (np.asarray(each, dtype=float) for each in (repeats, age, horizon))
        return self.p_alive(repeats, last, age) * self._while_there(x, age_, t)

    def expected_new(self, horizon: ArrayLike) -> Numbers:
        """Return how many purchases after his first somebody makes in the *horizon* from it: equation (9) of the paper."""
        return self._while_there(np.asarray(0.0), np.asarray(0.0), np.asarray(horizon, dtype=float))

    def _while_there(self, x: Numbers, age: Numbers, t: Numbers) -> Numbers:
        """The same of one who is there now.

        The paper's power times 2F1(r+x, b+x; a+b+x-1; z) is nothing times infinity for who buys often; by Euler's
        transformation (DLMF 15.8.1) it is (1-z)^(a-1) 2F1(a-1, a+b-1-r; a+b+x-1; z), whose numbers are small. Where a = 1, or
        a+b+x = 1 (he has bought once), the value is a limit: there it is the mean of those on both sides. Where a - r is almost
        whole 2F1 may not be found; there by Pfaff's (15.8.1 too) the same is 2F1(a-1, r+x; a+b+x-1; z/(z-1)).
        """
        if abs(self.a - 1) < _NEAR_ONE or abs(self.a + self.b - 1) < _NEAR_ONE:
            sides = [BgNbd(self.r, self.alpha, self.a + side, self.b) for side in (-2 * _NEAR_ONE, 2 * _NEAR_ONE)]
            return (sides[0]._while_there(x, age, t) + sides[1]._while_there(x, age, t)) / 2
        z = t / (self.alpha + age + t)
        third = self.a + self.b + x - 1
        power = np.exp((self.a - 1) * np.log1p(-z))
        series: Numbers = hyp2f1(self.a - 1, self.a + self.b - 1 - self.r, third, z)
        product: Numbers = np.where(
            np.isnan(series), hyp2f1(self.a - 1, self.r + x, third, z / (z - 1)), power * series
        )
        return third / (self.a - 1) * (1 - product)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """A Gamma-Gamma model; *gamma* is in the unit of money of the means."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, purchases: ArrayLike, mean: ArrayLike) -> float:
        """Return the logarithm of how likely these means are: the marginal density of the note, summed over people."""
        return _gamma_gamma(np.log([self.p, self.q, self.gamma]), _Spent.of(purchases, mean))[0]

    def expected(self, purchases: ArrayLike, mean: ArrayLike) -> Numbers:
        """Return what a purchase of each is worth to come, having seen so many of this mean: the conditional mean of the note.

        Without any purchase seen it is the mean of all. It is a number only where q > 1, which holds unless the means have no
        mean themselves; else infinite.
        """
        x, m = np.asarray(purchases, dtype=float), np.asarray(mean, dtype=float)
        below = self.p * x + self.q - 1
        return np.where(below > 0, self.p * (self.gamma + x * m) / np.where(below > 0, below, 1.0), np.inf)


@dataclass(frozen=True, slots=True)
class Fit:
    """The parameters found, and how likely they make what was seen. *is_settled*: they are a maximum within the bounds; else what
    was seen does not determine them, and they should not be relied on."""

    parameters: tuple[float, ...]
    log_likelihood: float
    is_settled: bool


def fit_bgnbd(of: Histories) -> tuple[BgNbd, Fit] | None:
    """Return the BG/NBD model under which these histories are likeliest, or `None` where nobody bought again.

    Time is measured in the mean age for the search, so that its unit does not matter.
    """
    if not of.repeats.any():
        return None
    scale = float(np.average(of.age, weights=of.count)) or 1.0
    scaled = replace(of, last=of.last / scale, age=of.age / scale)
    found = _maximum(lambda logs: _bgnbd(logs, scaled), float(of.count.sum()), _BGNBD_STARTS, _BGNBD_BOUNDS)
    r, alpha, a, b = found.parameters
    model = BgNbd(r, alpha * scale, a, b)
    return model, Fit((model.r, model.alpha, model.a, model.b), model.log_likelihood(of), found.is_settled)


def fit_gamma_gamma(purchases: ArrayLike, mean: ArrayLike) -> tuple[GammaGamma, Fit] | None:
    """Return the Gamma-Gamma model under which these means of so many purchases each are likeliest.

    Means have to be above 0; whoever has none tells nothing and is left out. `None` where fewer than two are left.
    """
    spent = _Spent.of(purchases, mean)
    if len(spent.total) < 2:
        return None
    scale = float(spent.total.sum() / spent.purchases.sum())
    scaled = _Spent.of(spent.purchases, spent.total / spent.purchases / scale)
    found = _maximum(
        lambda logs: _gamma_gamma(logs, scaled), float(len(spent.total)), _GAMMA_GAMMA_STARTS, _GAMMA_GAMMA_BOUNDS
    )
    p, q, gamma = found.parameters
    model = GammaGamma(p, q, gamma * scale)
    return model, Fit(
        (model.p, model.q, model.gamma), _gamma_gamma(np.log([p, q, gamma * scale]), spent)[0], found.is_settled
    )


# In mean ages, or in mean amounts; logarithms of those which real shops come near to.
_BGNBD_STARTS = [np.log(start) for start in ((0.25, 0.2, 0.7, 2.5), (1.5, 1.0, 0.7, 2.5), (0.25, 0.2, 0.7, 25.0))]
_GAMMA_GAMMA_STARTS = [np.log(start) for start in ((1.0, 1.5, 0.5), (6.0, 4.0, 0.5), (6.0, 4.0, 2.0))]
_BGNBD_BOUNDS = np.array([SHAPE_LOG_MAX, SCALE_LOG_MAX, SHAPE_LOG_MAX, SHAPE_LOG_MAX])
_GAMMA_GAMMA_BOUNDS = np.array([SHAPE_LOG_MAX, SHAPE_LOG_MAX, SCALE_LOG_MAX])

Likelihood = Callable[[Numbers], tuple[float, Numbers]]


def _maximum(likelihood: Likelihood, people: float, starts: Sequence[Numbers], most: Numbers) -> Fit:
    """Return the best of the maxima that a quasi-Newton search finds, for the mean of *people*, from each of *starts*.

    No logarithm of a parameter goes beyond *most* on either side.
    """

    def loss(logs: Numbers) -> tuple[float, Numbers]:
        value, slope = likelihood(logs)
        return -value / people, -slope / people

    bounds = list(zip(-most, most, strict=True))
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9}
    runs = [minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts]
    best = min(runs, key=lambda run: float(run.fun))
    logs = np.asarray(best.x, dtype=float)
    is_settled = bool(np.all(np.abs(logs) < most - _EDGE) and np.max(np.abs(loss(logs)[1])) < 1e-5)
    return Fit(tuple(float(each) for each in np.exp(logs)), -float(best.fun) * people, is_settled)


def _bgnbd(logs: Numbers, of: Histories) -> tuple[float, Numbers]:
    """The log-likelihood of the paper and its slopes by the logarithms of r, alpha, a and b.

    ln L = ln G(r+x)/G(r) + r ln alpha + ln B(a, b+x)/B(a, b) + ln(e^there + e^gone), where there = -(r+x) ln(alpha+T), and, where
    x > 0, gone = ln a - ln(b+x-1) - (r+x) ln(alpha+t_x).
    """
    r, alpha, a, b = np.exp(logs)
    x, n, k, people = of.repeats, of.count, of.numbers, of.people
    log_age, log_last = np.log(alpha + of.age), np.log(alpha + of.last)
    again = x > 0
    before = b + np.where(again, x, 1.0) - 1
    there = -(r + x) * log_age
    gone = np.where(again, np.log(a) - np.log(before) - (r + x) * log_last, -np.inf)
    w = np.where(again, expit(gone - there), 0.0)  # how probably each is gone
    by_number = gammaln(r + k) - gammaln(r) + gammaln(a + b) - gammaln(a + b + k) + gammaln(b + k) - gammaln(b)
    value = people @ by_number + people.sum() * r * np.log(alpha) + n @ np.logaddexp(there, gone)
    both = digamma(a + b) - digamma(a + b + k)
    by_r = (
        people @ (digamma(r + k) - digamma(r)) + people.sum() * np.log(alpha) - n @ ((1 - w) * log_age + w * log_last)
    )
    by_alpha = people.sum() * r / alpha - n @ ((r + x) * ((1 - w) / (alpha + of.age) + w / (alpha + of.last)))
    by_a = people @ both + n @ w / a
    by_b = people @ (both + digamma(b + k) - digamma(b)) - n @ (w / before)
    return float(value), np.array([by_r * r, by_alpha * alpha, by_a * a, by_b * b])


@dataclass(frozen=True, slots=True)
class _Spent:
    """What people spent, and what of it does not depend on the model: *numbers* of purchases, how many people made so many."""

    purchases: Numbers
    total: Numbers
    numbers: Numbers
    people: Numbers
    log_mean: float
    log_mean_by_purchases: float

    @classmethod
    def of(cls, purchases: ArrayLike, mean: ArrayLike) -> "_Spent":
        x, m = np.asarray(purchases, dtype=float), np.asarray(mean, dtype=float)
        kept = (x > 0) & (m > 0)
        x, m = x[kept], m[kept]
        numbers, people = np.unique(x, return_counts=True)
        return cls(x, x * m, numbers, people.astype(float), float(np.log(m).sum()), float(x @ np.log(x * m)))


def _gamma_gamma(logs: Numbers, of: _Spent) -> tuple[float, Numbers]:
    """The log-likelihood of the note and its slopes by the logarithms of p, q and gamma.

    ln L = ln G(px+q)/(G(px) G(q)) + q ln gamma + px ln(x m) - ln m - (px+q) ln(gamma + x m)
    """
    p, q, gamma = np.exp(logs)
    k, n = of.numbers, of.people
    log_sum = np.log(gamma + of.total)
    value = (
        n @ (gammaln(p * k + q) - gammaln(p * k) - gammaln(q))
        + n.sum() * q * np.log(gamma)
        + p * of.log_mean_by_purchases
        - of.log_mean
        - (p * of.purchases + q) @ log_sum
    )
    rising = digamma(p * k + q)
    by_p = n @ (k * (rising - digamma(p * k))) + of.log_mean_by_purchases - of.purchases @ log_sum
    by_q = n @ (rising - digamma(q)) + n.sum() * np.log(gamma) - log_sum.sum()
    by_gamma = n.sum() * q / gamma - ((p * of.purchases + q) / (gamma + of.total)).sum()
    return float(value), np.array([by_p * p, by_q * q, by_gamma * gamma])
