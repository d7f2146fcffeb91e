"""Writes src/domain/statistics/__fixtures__/golden.json: reference values from SciPy and numerical integration.

Run from the repository root with SciPy installed: python3 test/golden/make_golden.py
"""

import json
import pathlib

import numpy
import scipy
from scipy import integrate, optimize, special, stats

BROAD_WEIGHT = 0.02
BROAD_SIGMA = 4.0


class Forecast:
    """Two-piece normal with median m, mixed with 2 % of a broad normal; written from its definition."""

    def __init__(self, m, low, high):
        self.m, self.low, self.high = m, low, high

    def cdf(self, y):
        sigma = self.low if y < self.m else self.high
        piece = stats.norm.cdf(y, self.m, sigma)
        return (1 - BROAD_WEIGHT) * piece + BROAD_WEIGHT * stats.norm.cdf(y, self.m, BROAD_SIGMA)

    def sf(self, y):
        sigma = self.low if y < self.m else self.high
        piece = stats.norm.sf(y, self.m, sigma)
        return (1 - BROAD_WEIGHT) * piece + BROAD_WEIGHT * stats.norm.sf(y, self.m, BROAD_SIGMA)

    def pdf(self, y):
        sigma = self.low if y < self.m else self.high
        piece = stats.norm.pdf(y, self.m, sigma)
        return (1 - BROAD_WEIGHT) * piece + BROAD_WEIGHT * stats.norm.pdf(y, self.m, BROAD_SIGMA)

    def quantile(self, p):
        return optimize.brentq(lambda y: self.cdf(y) - p, self.m - 80, self.m + 80, xtol=1e-14, rtol=1e-14)

    def knots(self, *extra):
        scale = [0.5, 1, 2, 4, 8]
        inner = [self.m - k * self.low for k in scale] + [self.m + k * self.high for k in scale]
        return sorted({self.m - 60, self.m + 60, self.m, *inner, *extra})

    def piecewise(self, function, knots):
        pieces = zip(knots, knots[1:])
        return sum(integrate.quad(function, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0] for a, b in pieces)

    def crps(self, y):
        square = lambda x: self.cdf(x) ** 2 if x < y else self.sf(x) ** 2
        return self.piecewise(square, self.knots(y))

    def improvement(self, incumbent):
        knots = [k for k in self.knots(incumbent) if k <= incumbent]
        return self.piecewise(self.cdf, knots)

    def mean(self):
        return self.piecewise(lambda x: x * self.pdf(x), self.knots())


def forecasts():
    rows = []
    for m, low, high in [(6.0, 0.3, 0.3), (7.5, 0.1, 0.9), (5.0, 1.2, 0.2), (10.0, 0.02, 0.05), (0.0, 3.0, 6.0)]:
        forecast = Forecast(m, low, high)
        outcomes = [m - 9, m - 1.7, m - 0.2, m, m + 0.011, m + 0.6, m + 12]
        probabilities = [1e-6, 0.005, 0.1, 0.3, 0.5, 0.9, 0.975, 0.9999]
        rows.append({
            "m": m, "sigmaLow": low, "sigmaHigh": high,
            "mean": forecast.mean(),
            "outcomes": [{
                "y": y, "pdf": float(forecast.pdf(y)), "cdf": float(forecast.cdf(y)), "crps": forecast.crps(y),
                "logScore": float(-numpy.log(forecast.pdf(y))), "expectedImprovement": forecast.improvement(y),
            } for y in outcomes],
            "quantiles": [{"p": p, "y": forecast.quantile(p)} for p in probabilities],
        })
    return rows


def rank_statistics(rng):
    rows = []
    for n in (5, 30, 200):
        x = rng.integers(0, n, n).astype(float)
        y = x + rng.integers(-n // 2, n // 2 + 1, n)
        positive = y + rng.normal(0, n / 4, n) > numpy.median(y)
        positive[0], positive[1] = True, False
        wins = (x[positive][:, None] > x[~positive]).mean() + 0.5 * (x[positive][:, None] == x[~positive]).mean()
        rows.append({
            "x": x.tolist(), "y": y.tolist(), "positive": positive.tolist(),
            "ranks": stats.rankdata(x).tolist(), "pearson": float(numpy.corrcoef(x, y)[0, 1]),
            "spearman": float(stats.spearmanr(x, y).statistic), "auroc": float(wins),
        })
    return rows


def paired_tests(rng):
    rows = []
    for n, shift, rounded in ((6, 0.8, False), (15, 0.3, False), (50, 0.1, False), (60, 0.2, False), (20, 1.0, True)):
        d = rng.normal(shift, 1, n)
        d = numpy.round(d * 2) / 2 if rounded else d
        kept = d[d != 0]
        tied = len(set(numpy.abs(kept))) < len(kept)
        method = "approx" if tied or len(kept) > 50 else "exact"
        p = stats.wilcoxon(kept, method=method, correction=False).pvalue
        rows.append({"differences": d.tolist(), "p": float(p)})
    return rows


def isotonic(rng):
    rows = []
    for n in (1, 4, 40):
        y = rng.normal(0, 1, n) + numpy.linspace(0, 2, n)
        w = rng.uniform(0.5, 3, n)
        rows.append({"y": y.tolist(), "w": w.tolist(), "fit": optimize.isotonic_regression(y, weights=w).x.tolist()})
    return rows


def main():
    rng = numpy.random.default_rng(20261107)
    z = [-37.0, -20.0, -8.3, -5.7, -4.0, -2.5, -1.0, -0.66, -0.3, 0.0, 1e-9, 0.4, 0.67, 1.96, 3.5, 5.9, 8.0]
    p = [1e-300, 1e-20, 1e-6, 0.02, 0.0243, 0.1, 0.25, 0.5, 0.6, 0.9, 0.975, 0.999999]
    t = [(q, v) for v in (0.5, 1, 2, 3.7, 10, 29, 1000) for q in (1e-8, 0.001, 0.025, 0.2, 0.5, 0.9, 0.975, 0.9999)]
    sample = rng.normal(3, 2, 37)
    golden = {
        "made_with": {"scipy": scipy.__version__, "numpy": numpy.__version__},
        "normal": [{"z": x, "cdf": float(special.ndtr(x)), "pdf": float(stats.norm.pdf(x))} for x in z],
        "normalQuantile": [{"p": x, "z": float(special.ndtri(x))} for x in p],
        "erfc": [{"x": x, "value": float(special.erfc(x))} for x in (-3.0, -0.4, 0.2, 0.46, 0.5, 1.7, 3.9, 4.1, 12.0, 26.0)],
        "logGamma": [{"x": x, "value": float(special.gammaln(x))} for x in (1e-3, 0.5, 1.5, 3.0, 14.9, 15.1, 500.0)],
        "studentT": [{"p": q, "degrees": v, "t": float(special.stdtrit(v, q))} for q, v in t],
        "studentTCdf": [{"t": x, "degrees": v, "p": float(special.stdtr(v, x))}
                        for v in (0.5, 1, 4, 30, 500) for x in (-50.0, -3.0, -0.1, 0.0, 0.7, 2.5)],
        "forecasts": forecasts(),
        "summary": {
            "values": sample.tolist(), "mean": float(sample.mean()), "variance": float(sample.var(ddof=1)),
            "quantiles": [{"p": q, "value": float(numpy.quantile(sample, q))} for q in (0, 0.07, 0.25, 0.5, 0.9, 1)],
        },
        "rank": rank_statistics(rng),
        "wilcoxon": paired_tests(rng),
        "holm": {"p": [0.01, 0.04, 0.03, 0.005, 0.9], "adjusted": [0.04, 0.09, 0.09, 0.025, 0.9]},
        "isotonic": isotonic(rng),
    }
    path = pathlib.Path(__file__).parents[2] / "src/domain/statistics/__fixtures__/golden.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
