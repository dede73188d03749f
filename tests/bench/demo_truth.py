"""How well churn of the demo could be told at best, from its law and what it exports.

python -m tests.bench.demo_truth DEMO [--customers 20000]

makes a demo of that size in DEMO, runs the night two months before its last one up to `ml.churn_scores` in a
lake of its own, and the last night as far as telling who bought meanwhile. `BUHO_BIN` is the binary. With
`--night N --horizon H [--scores FILE]` nothing is run: the demo is read as it is, and the scores are given.

Purchases follow BG/NBD (Fader, Hardie, Lee 2005) in operational time: rate l ~ Gamma while alive, and after
each repeat purchase the customer leaves with probability p ~ Beta. Given x repeat purchases, the last at t_x,
and T by the night, both since the first,

    alive: E[l^x exp(-l T) V_a(l)] E[(1-p)^x] O_a        left: E[l^x exp(-l t_x) V_d(l)] E[(1-p)^(x-1) p] O_d

where V and O are the likelihoods of visits (Poisson, thinned after leaving) and of opened campaign mails
(binomial). Priors are integrated by their quantiles. The law is read from `truth/law.json`; what it gave each
customer is used by the latent oracle alone. Customers who registered before the exports begin are left out:
what they bought before is exported to nobody.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tests.peers.support.binary import Buho, find_binary
from tests.peers.support.lake import duckdb_with_delta, tables

Array = NDArray[np.float64]
LOGGED_IN = 0.7
VISITS_FOR_A_RATE = 0.6
RATES, VISITS, SHARES = 80, 24, 60
CUSTOMERS = 20_000
SEED = 7
# Two months before the demo's last night: the horizon of its customers' habits must have passed by then.
NIGHT, LAST_NIGHT = "2026-04-30", "2026-06-30"
DELIVERIES = 62
MINUTES = 30

HISTORY = """
with orders as (
    select customer_id, ordered_on as day, bool_or(is_sale) as is_sale, max(sales_type) as sales_type
    from fct_orders where customer_id is not null group by all
),
known as (
    select customer_id, min(day) as first_on, max(day) as last_on, count(*) as purchases,
        max(sales_type) as sales_type
    from orders where day <= $night group by all
),
visits as (
    select s.customer_id, s.started_on as day
    from fct_sessions as s anti join orders as o on o.customer_id = s.customer_id and o.day = s.started_on
    where s.campaign is null and s.customer_id is not null and s.started_on <= $night
),
mails as (
    select customer_id, message_id, min(occurred_on) as day, bool_or(event_type = 'opened') as is_opened
    from fct_email_events
    where medium = 'email' and campaign_id is not null and customer_id is not null and occurred_on <= $night
    group by all having not bool_or(event_type = 'bounced')
)
select
    known.*, truth.acquisition_channel, greatest(cast(truth.registered_on as date), $begins) as from_on,
    truth.purchase_rate_per_day as rate,
    truth.left_on is not null and truth.left_on <= $night as has_left,
    (select count(*) from visits where customer_id = known.customer_id and day <= last_on) as seen,
    (select count(*) from visits where customer_id = known.customer_id and day > last_on) as seen_since,
    (select count(*) from mails where customer_id = known.customer_id and day <= last_on) as sent,
    (select count(*) from mails where customer_id = known.customer_id and day > last_on) as sent_since,
    (
        select count(*) from mails where customer_id = known.customer_id and is_opened and day <= last_on
    ) as opened,
    (
        select count(*) from mails where customer_id = known.customer_id and is_opened and day > last_on
    ) as opened_since,
    not exists (
        select 1 from orders as o
        where o.customer_id = known.customer_id and o.is_sale
        and o.day > $night and o.day <= $night + $horizon
    ) as churned
from known
inner join truth using (customer_id)
where truth.registered_on >= $begins and known.last_on > $night - 365
order by customer_id
"""


@dataclass(frozen=True)
class Clock:
    """Operational time: the sum of the days' tempo."""

    first: np.datetime64
    elapsed: Array

    def at(self, days: NDArray[np.datetime64]) -> Array:
        """At the end of each day."""
        offset = (days.astype("datetime64[D]") - self.first).astype(int) + 1
        return self.elapsed[np.clip(offset, 0, len(self.elapsed) - 1)]


def quantiles(law: stats.rv_continuous, points: int) -> Array:
    """Equally likely values of a law."""
    return law.ppf((np.arange(points) + 0.5) / points)


def log_mean(logs: Array) -> Array:
    """Logarithm of the mean over all axes but the first."""
    flat = logs.reshape(len(logs), -1)
    top = flat.max(axis=1)
    return top + np.log(np.mean(np.exp(flat - top[:, None]), axis=1))


@dataclass(frozen=True)
class Evidence:
    """What the exports say of each customer by the night; operational days since the first purchase."""

    rate_factor: Array
    dropout_factor: Array
    repeats: Array
    last: Array
    now: Array
    seen: Array
    seen_since: Array
    watched: Array
    sent: Array
    sent_since: Array
    opened: Array
    opened_since: Array


def evidence(rows: dict[str, Array], law: dict, clock: Clock, night: str) -> Evidence:
    channels = {row["name"]: row for row in law["channels"]}
    kinds = {row["name"]: row for row in law["sales_types"]}

    def factor(name: str) -> Array:
        pairs = zip(rows["acquisition_channel"], rows["sales_type"], strict=True)
        return np.array([channels[channel][name] * kinds[kind][name] for channel, kind in pairs])

    first, last = clock.at(rows["first_on"]), clock.at(rows["last_on"])
    return Evidence(
        rate_factor=factor("rate"),
        dropout_factor=factor("dropout"),
        repeats=rows["purchases"] - 1.0,
        last=last - first,
        now=clock.at(np.array([night], "datetime64[D]"))[0] - first,
        watched=last - clock.at(rows["from_on"]),
        **{name: rows[name].astype(float) for name in ("seen", "seen_since", "sent", "sent_since")},
        **{name: rows[name].astype(float) for name in ("opened", "opened_since")},
    )


def churn_probability(given: Evidence, law: dict, ahead: float) -> Array:
    """Probability that nothing is bought in the next `ahead` operational days."""
    buys, visit, mail = law["purchases"], law["visits"], law["email"]
    shape = buys["rate_shape"]
    bases = quantiles(stats.gamma(shape, scale=buys["rate_mean_per_day"] / shape), RATES)
    rate = (given.rate_factor[:, None] * bases)[:, :, None]
    own = quantiles(stats.gamma(visit["shape"], scale=visit["mean_per_day"] / visit["shape"]), VISITS)
    visits = LOGGED_IN * (own + VISITS_FOR_A_RATE * rate)

    def column(values: Array) -> Array:
        return values[:, None, None]

    silence = given.now - given.last
    bought = column(given.repeats) * np.log(rate)
    seen = column(given.seen + given.seen_since) * np.log(visits) - visits * column(given.watched)
    alive = bought - rate * column(given.now) + seen - visits * column(silence)
    later = log_mean(alive - rate * ahead)
    thinned = visit["factor_after_leaving"]
    left = bought - rate * column(given.last) + seen - visits * thinned * column(silence)
    left += column(given.seen_since) * np.log(thinned)

    shares = quantiles(stats.beta(buys["dropout_a"], buys["dropout_b"]), SHARES)
    leaving = np.minimum(given.dropout_factor[:, None] * shares, 0.95)
    repeats = given.repeats[:, None]
    stays = log_mean(repeats * np.log1p(-leaving))
    leaves = log_mean((repeats - 1) * np.log1p(-leaving) + np.log(leaving))

    opens = quantiles(stats.beta(mail["open_a"], mail["open_b"]), SHARES)[None, :]
    before = given.opened[:, None] * np.log(opens)
    before = before + (given.sent - given.opened)[:, None] * np.log1p(-opens)

    def since(share: Array) -> Array:
        unopened = (given.sent_since - given.opened_since)[:, None]
        return log_mean(before + given.opened_since[:, None] * np.log(share) + unopened * np.log1p(-share))

    as_alive = log_mean(alive) + stays + since(opens)
    as_left = log_mean(left) + leaves + since(opens * mail["factor_after_leaving"])
    as_left = np.where(given.repeats > 0, as_left, -np.inf)
    has_left = 1 / (1 + np.exp(as_alive - as_left))
    return has_left + (1 - has_left) * np.exp(later - log_mean(alive))


def auc(scores: Array, outcome: Array) -> float:
    ranks = stats.rankdata(scores)
    positives = outcome.sum()
    above = ranks[outcome].sum() - positives * (positives + 1) / 2
    return float(above / (positives * (len(outcome) - positives)))


def read(demo: Path, night: str, horizon: int) -> tuple[dict[str, Array], dict, Clock]:
    connection = duckdb_with_delta()
    stored = tables(demo / "lake")
    for name in ("fct_orders", "fct_email_events", "fct_sessions"):
        source = stored.get(f"core.{name}")
        query = f"select * from delta_scan('{source}')" if source else VIEWS[name].format(**stored_of(stored))
        connection.execute(f"create view {name} as {query}")
    connection.execute(f"create view truth as select * from '{demo}/truth/customers.parquet'")
    tempo = connection.execute(f"select day, tempo from '{demo}/truth/tempo.csv' order by day").fetchnumpy()
    clock = Clock(tempo["day"][0].astype("datetime64[D]"), np.concatenate([[0.0], np.cumsum(tempo["tempo"])]))
    asked = {"night": f"date '{night}'", "horizon": str(horizon), "begins": f"date '{clock.first}'"}
    query = HISTORY
    for name, value in asked.items():
        query = query.replace(f"${name}", value)
    rows = connection.execute(query).fetchnumpy()
    law = json.loads((demo / "truth" / "law.json").read_text())
    return rows, law["law"], clock


# Facts that are views of the warehouse, as the bronze tables hold them.
VIEWS = {
    "fct_email_events": "select *, cast(occurred_at as date) as occurred_on from delta_scan('{messages}')",
    "fct_sessions": "select *, cast(started_at as date) as started_on from delta_scan('{sessions}')",
}


def stored_of(stored: dict[str, Path]) -> dict[str, Path]:
    return {name.split(".")[1]: place for name, place in stored.items() if name.startswith("bronze.")}


@dataclass(frozen=True)
class Told:
    """Areas under the curve of the same customers: of the scores, of the best score, of what is hidden."""

    customers: int
    scores: float
    bayes: float
    latent: float


def told(demo: Path, night: str, horizon: int, scores: Path | None = None) -> Told:
    """Without scores those of the Bayes-optimal score stand in their place."""
    rows, law, clock = read(demo, night, horizon)
    day = np.array([night], "datetime64[D]")
    ahead = float(clock.at(day + horizon)[0] - clock.at(day)[0])
    outcome = rows["churned"].astype(bool)
    best = churn_probability(evidence(rows, law, clock, night), law, ahead)
    latent = np.where(rows["has_left"], 1.0, np.exp(-rows["rate"] * ahead))
    said = best
    if scores:
        given = dict(duckdb.sql(f"select customer_id, probability from '{scores}'").fetchall())
        said = np.array([given.get(customer, np.nan) for customer in rows["customer_id"]])
    known = ~np.isnan(said)
    areas = (auc(score[known], outcome[known]) for score in (said, best, latent))
    return Told(int(known.sum()), *areas)


def shipped(demo: Path, customers: int = CUSTOMERS) -> Told:
    """What the churn champion that a night ships says, against what came of it."""
    binary = find_binary()
    if binary is None:
        raise FileNotFoundError("no binary: `make build`, or name one by BUHO_BIN")
    buho = Buho(binary, timeout_s=60 * MINUTES)
    at = buho.at(demo)
    sizes = ["--customers", customers, "--nights", DELIVERIES, "--seed", SEED]
    buho("demo", "--exports-only", "--dir", str(demo), *map(str, sizes)).expect(0)
    # What another binary has shipped is not this one's.
    shutil.rmtree(demo / "lake", ignore_errors=True)
    at.night(NIGHT, "--select", "+ml.churn_scores").expect(0)
    horizon = at.rows("select horizon_days from features.purchase_horizon")[0]["horizon_days"]
    query = f"select customer_id, probability from ml.churn_scores where night = date '{NIGHT}'"
    scores = at.parquet(query, demo / f"churn_{NIGHT}.parquet")
    # Orders of customers who came meanwhile are refused without them.
    at.night(LAST_NIGHT, "--select", "+core.fct_orders +core.dim_customer").expect(0)
    return told(demo, NIGHT, int(horizon), scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--night", help="of a demo that is there, with its horizon")
    parser.add_argument("--horizon", type=int)
    parser.add_argument("--scores", type=Path, help="Parquet with customer_id and probability of churn")
    asked = parser.parse_args()
    if asked.night:
        found = told(asked.demo, asked.night, asked.horizon, asked.scores)
    else:
        found = shipped(asked.demo, asked.customers)
    print(f"{found.customers} customers whose whole history is exported, area under the curve:")
    print(f"scores {found.scores:.4f}  bayes {found.bayes:.4f}  latent {found.latent:.4f}")


if __name__ == "__main__":
    main()
