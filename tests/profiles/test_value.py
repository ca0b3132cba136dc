"""The models of buying: against what was published, against the definition worked out another way, and by laws."""

from math import exp, isclose, lgamma, log

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import roots_jacobi

from profiles.value import BgNbd, GammaGamma, Histories, Numbers, fit_bgnbd, fit_gamma_gamma

CDNOW = BgNbd(0.243, 4.414, 0.793, 2.426)
CDNOW_SPENDING = GammaGamma(6.25, 3.74, 15.44)

MODELS = st.builds(BgNbd, st.floats(0.05, 5), st.floats(0.1, 50), st.floats(0.05, 5), st.floats(0.05, 10))


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, float, float]:
    """How often one bought again, when last, and how long ago first."""
    age = draw(st.floats(0.1, 100))
    x = draw(st.integers(0, 30))
    return x, age * draw(st.floats(0.01, 1)) if x else 0.0, age


def simulated(model: BgNbd, people: int, weeks: float, seed: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """What comes of the story that the model tells: purchases again until *weeks*, when the last was, the age, and how
    many purchases follow in as long a time."""
    chance = np.random.default_rng(seed)
    rates = chance.gamma(model.r, 1 / model.alpha, people)
    leaving = chance.beta(model.a, model.b, people)
    told = np.zeros((people, 3))
    for person in range(people):
        at = 0.0
        while (at := at + chance.exponential(1 / max(rates[person], 1e-12))) < 2 * weeks:
            if at < weeks:
                told[person, :2] = told[person, 0] + 1, at
            else:
                told[person, 2] += 1
            if chance.random() < leaving[person]:
                break
    return told[:, 0], told[:, 1], np.full(people, weeks), told[:, 2]


def likelihood(model: BgNbd, x: int, last: float, age: float) -> float:
    """How likely one history is: equation (6) of the paper as it stands, without logarithms."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    rising = exp(lgamma(r + x) - lgamma(r))
    there = beta_function(a, b + x) / beta_function(a, b) * rising * alpha**r / (alpha + age) ** (r + x)
    if not x:
        return float(there)
    gone = beta_function(a + 1, b + x - 1) / beta_function(a, b) * rising * alpha**r / (alpha + last) ** (r + x)
    return float(there + gone)


def mixed(model: BgNbd, x: int, last: float, age: float) -> float:
    """How likely one history is, from the story itself: equation (3) integrated over all rates and all probabilities to leave."""

    def given_leaving(p: float) -> float:
        def given_rate(rate: float) -> float:
            there = (1 - p) ** x * rate**x * exp(-rate * age)
            gone = p * (1 - p) ** (x - 1) * rate**x * exp(-rate * last) if x else 0.0
            density = exp(model.r * log(model.alpha) + (model.r - 1) * log(rate) - model.alpha * rate - lgamma(model.r))
            return float((there + gone) * density)

        return float(quad(given_rate, 0, np.inf, limit=200, epsabs=0)[0])

    def mixed_over(p: float) -> float:
        return float(given_leaving(p) * p ** (model.a - 1) * (1 - p) ** (model.b - 1))

    return float(quad(mixed_over, 0, 1, epsabs=0, epsrel=1e-7)[0] / beta_function(model.a, model.b))


def expected_by_integral(model: BgNbd, x: int, age: float, t: float) -> float:
    """What one who is there will buy: he buys (1 - e^(-rate p t)) / p more, mixed over what his history says of rate and p."""
    with np.errstate(invalid="ignore"):  # scipy divides nothing by nothing where a + b = 1, and does not use it
        nodes, weights = roots_jacobi(400, model.b + x - 1, model.a - 1)
    p = (1 + nodes) / 2
    more = -np.expm1(-(model.r + x) * np.log1p(p * t / (model.alpha + age))) / p
    return float(weights @ more / weights.sum())


@pytest.mark.parametrize(("x", "last", "age"), [(0, 0.0, 30.0), (1, 5.0, 30.0), (3, 20.0, 38.86), (7, 38.0, 39.0)])
def test_a_history_is_as_likely_as_the_story_makes_it(x: int, last: float, age: float) -> None:
    model = BgNbd(1.4, 6.0, 1.3, 2.6)

    told = exp(model.log_likelihood(Histories.of([x], [last], [age])))

    assert isclose(told, mixed(model, x, last, age), rel_tol=1e-6)
    assert isclose(told, likelihood(model, x, last, age), rel_tol=1e-12)


@given(MODELS, st.lists(histories(), min_size=1, max_size=5))
def test_histories_are_as_likely_as_the_product_of_each(model: BgNbd, of: list[tuple[int, float, float]]) -> None:
    product = sum(log(likelihood(model, *each)) for each in of)

    assert isclose(model.log_likelihood(Histories.of(*zip(*of, strict=True))), product, rel_tol=1e-9, abs_tol=1e-9)


def test_very_long_histories_are_likely_in_logarithms_though_no_number_is_so_small() -> None:
    told = CDNOW.log_likelihood(Histories.of([50_000], [500.0], [520.0]))

    assert np.isfinite(told)


@example(BgNbd(0.05, 0.125, 0.05, 8.0), (0, 0.0, 0.125), 111.0)
@given(MODELS, histories(), st.floats(0.5, 200))
def test_what_is_expected_is_what_the_integral_says(model: BgNbd, of: tuple[int, float, float], t: float) -> None:
    x, _, age = of

    told = float(model.expected(x, age if x else 0.0, age, t)) / float(model.p_alive(x, age if x else 0.0, age))

    assert isclose(told, expected_by_integral(model, x, age, t), rel_tol=1e-6)


@pytest.mark.parametrize("a", [1.0, 1.0 + 1e-9, 1.0 - 1e-5, 0.4, 0.4 + 1e-10])
def test_what_is_expected_is_a_limit_where_the_formula_has_a_gap(a: float) -> None:
    model = BgNbd(0.7, 5.0, a, 0.6)

    for x in (0, 1, 4):
        assert isclose(
            float(
                model.expected(x, 0.0 if x == 0 else 30.0, 30.0, 26.0) / model.p_alive(x, 0.0 if x == 0 else 30.0, 30.0)
            ),
            expected_by_integral(model, x, 30.0, 26.0),
            rel_tol=1e-6,
        )


def test_of_who_buys_very_often_a_number_is_expected() -> None:
    told = CDNOW.expected([1_000, 10_000], [38.0, 38.9], [39.0, 39.0], 39.0)

    assert np.all(np.isfinite(told))
    assert 0 < told[0] < 1_000 * 39 / 39


def test_people_who_live_by_the_model_buy_as_expected_and_give_it_back() -> None:
    true = BgNbd(0.8, 6.0, 0.9, 2.5)
    x, last, age, later = simulated(true, 6_000, 40.0, seed=20_261_124)

    found = fit_bgnbd(Histories.of(x, last, age))

    assert found is not None
    assert found[1].is_settled
    assert found[1].log_likelihood >= true.log_likelihood(Histories.of(x, last, age))
    assert isclose(found[0].r / found[0].alpha, true.r / true.alpha, rel_tol=0.08)
    assert isclose(found[0].a / (found[0].a + found[0].b), true.a / (true.a + true.b), rel_tol=0.1)
    for model in (true, found[0]):
        assert isclose(float(model.expected(x, last, age, 40.0).sum()), later.sum(), rel_tol=0.06)
        assert isclose(float(model.expected_new(40.0)), x.mean(), rel_tol=0.06)


def test_who_never_came_again_is_there_and_who_stays_away_longer_is_so_less_and_less() -> None:
    alive = CDNOW.p_alive([0, 3, 3, 3], [0.0, 30.0, 30.0, 30.0], [39.0, 30.0, 39.0, 200.0])

    assert alive[0] == 1.0
    assert list(alive[1:]) == sorted(alive[1:], reverse=True)
    assert isclose(
        alive[1], (2.426 + 2) / (0.793 + 2.426 + 2)
    )  # he has just bought: all that counts is whether he then left


def test_of_customers_of_cdnow_that_is_expected_which_was_published() -> None:
    """The customer of the authors' note on BG/NBD in Excel: x = 2, t_x = 30.43, T = 38.86, 39 weeks ahead: 1.226."""
    assert round(float(CDNOW.expected(2, 30.43, 38.86, 39.0)), 3) == 1.226


@given(MODELS, histories(), st.floats(0.01, 100), st.floats(1, 50))
def test_the_unit_of_time_does_not_matter(
    model: BgNbd, of: tuple[int, float, float], unit: float, horizon: float
) -> None:
    x, last, age = of
    other = BgNbd(model.r, model.alpha * unit, model.a, model.b)

    assert isclose(float(model.p_alive(x, last, age)), float(other.p_alive(x, last * unit, age * unit)), rel_tol=1e-9)
    assert isclose(
        float(model.expected(x, last, age, horizon)),
        float(other.expected(x, last * unit, age * unit, horizon * unit)),
        rel_tol=1e-7,
    )


def test_a_fit_in_days_is_the_fit_in_weeks() -> None:
    x, last, age, _ = simulated(CDNOW, 1_500, 39.0, seed=7)

    weeks, days = fit_bgnbd(Histories.of(x, last, age)), fit_bgnbd(Histories.of(x, last * 7, age * 7))

    assert weeks is not None
    assert days is not None
    assert np.allclose((days[0].r, days[0].alpha / 7, days[0].a, days[0].b), weeks[1].parameters, rtol=1e-4)
    assert isclose(days[1].log_likelihood, weeks[1].log_likelihood - x.sum() * log(7), rel_tol=1e-9)


def test_equal_histories_are_counted_and_the_same_comes_of_any_order() -> None:
    x, last, age, _ = simulated(CDNOW, 400, 39.0, seed=8)
    order = np.random.default_rng(1).permutation(len(x))

    together = Histories.of(x, last, age)

    assert together.count.sum() == 400
    assert len(together.count) < 400
    assert fit_bgnbd(together) == fit_bgnbd(Histories.of(x[order], last[order], age[order]))


def test_without_anybody_who_came_again_there_is_no_model() -> None:
    assert fit_bgnbd(Histories.of([0, 0], [0, 0], [3, 4])) is None
    assert fit_bgnbd(Histories.of([], [], [])) is None
    assert fit_gamma_gamma([0, 1], [0.0, 3.0]) is None


def test_what_is_not_determined_says_so() -> None:
    """All alike, and nobody ever leaves: the likelihood has no maximum."""
    found = fit_bgnbd(Histories.of([5] * 50, [10.0] * 50, [10.0] * 50))

    assert found is not None
    assert not found[1].is_settled
    assert np.all(np.isfinite(found[1].parameters))


def test_amounts_are_as_likely_as_the_story_makes_them() -> None:
    """A mean of x purchases is gamma distributed about a person's own; that is mixed over all people."""
    p, q, gamma = 2.0, 3.0, 4.0

    def given_scale(nu: float, x: int, mean: float) -> float:
        sum_density = exp(p * x * log(nu * x) + (p * x - 1) * log(mean) - nu * x * mean - lgamma(p * x))
        return sum_density * exp(q * log(gamma) + (q - 1) * log(nu) - gamma * nu - lgamma(q))

    for x, mean in ((1, 3.0), (4, 1.5), (9, 7.0)):
        told = exp(GammaGamma(p, q, gamma).log_likelihood([x], [mean]))
        assert isclose(told, quad(given_scale, 0, np.inf, args=(x, mean))[0], rel_tol=1e-6)


def test_amounts_to_come_lie_between_ones_own_and_all_peoples() -> None:
    all_people = CDNOW_SPENDING.p * CDNOW_SPENDING.gamma / (CDNOW_SPENDING.q - 1)

    few, many = CDNOW_SPENDING.expected([1, 100], [80.0, 80.0])

    assert isclose(float(CDNOW_SPENDING.expected(0, 0.0)), all_people)
    assert all_people < few < many < 80.0


def test_amounts_that_follow_the_model_give_it_back_in_any_unit_of_money() -> None:
    chance = np.random.default_rng(5)
    scale = chance.gamma(3.74, 1 / 15.44, 5_000)
    x = chance.integers(1, 8, 5_000)
    mean = chance.gamma(6.25 * x, 1 / (scale * x))

    dollars, cents = fit_gamma_gamma(x, mean), fit_gamma_gamma(x, mean * 100)

    assert dollars is not None
    assert cents is not None
    assert dollars[1].is_settled
    assert np.allclose(dollars[1].parameters, (6.25, 3.74, 15.44), rtol=0.15)
    assert np.allclose((cents[0].p, cents[0].q, cents[0].gamma / 100), dollars[1].parameters, rtol=1e-4)
