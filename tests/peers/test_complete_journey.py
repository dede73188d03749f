"""Complete Journey: the lake's figures are those that DuckDB finds in the same files."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.peers.conftest import Night

pytestmark = pytest.mark.data

FILES = {
    "transactions": "transactions_sample",
    "products": "products",
    "customers": "demographics",
    "campaign_descriptions": "campaign_descriptions",
    "campaigns": "campaigns",
    "coupons": "coupons",
    "coupon_redemptions": "coupon_redemptions",
    "promotions": "promotions_sample",
}


def from_file(night: Night, name: str) -> str:
    path = Path(night.raw) / f"{FILES[name]}.csv.gz"
    return f"read_csv('{path}', all_varchar = true)"


def one(query: str) -> tuple:
    return duckdb.sql(query).fetchone()


@pytest.mark.parametrize("name", sorted(FILES))
def test_bronze_holds_every_row_of_the_file(complete_journey: Night, name: str):
    ours = complete_journey.buho.rows(f"select count(*) as n from bronze.{name}")[0]["n"]
    assert int(ours) == one(f"select count(*) from {from_file(complete_journey, name)}")[0]


def test_nothing_was_quarantined(complete_journey: Night):
    assert complete_journey.outcome.result["rows"]["quarantined"] == 0


def test_customer_value_is_what_households_paid_at_the_tills(complete_journey: Night):
    ours = complete_journey.buho.rows(
        "select count(*) as customers, sum(orders) as orders,"
        " cast(sum(gross_revenue) as varchar) as gross from marts.customer_value"
    )[0]
    theirs = one(
        "select count(distinct household_id), count(distinct basket_id),"
        " sum(cast(sales_value as decimal(18, 2)))"
        f" from {from_file(complete_journey, 'transactions')} where cast(quantity as double) > 0"
    )
    assert theirs == (2_373, 47_034, Decimal("233935.24"))
    assert (int(ours["customers"]), int(ours["orders"])) == theirs[:2]
    assert Decimal(ours["gross"]) == theirs[2]


def test_revenue_by_department_is_that_of_the_file(complete_journey: Night):
    ours = complete_journey.buho.rows(
        "select coalesce(category, '') as category, cast(sum(gross_revenue) as varchar) as gross"
        " from core.fct_order_items group by 1"
    )
    theirs = duckdb.sql(
        "select coalesce(department, ''), sum(cast(sales_value as decimal(18, 2)))"
        f" from {from_file(complete_journey, 'transactions')} as t"
        f" left join {from_file(complete_journey, 'products')} as p using (product_id)"
        " where cast(quantity as double) > 0 group by 1"
    ).fetchall()
    assert {row["category"]: Decimal(row["gross"]) for row in ours} == dict(theirs)


def test_daily_revenue_adds_up_to_the_year(complete_journey: Night):
    row = complete_journey.buho.rows(
        "select cast(sum(gross_revenue) as varchar) as gross from marts.revenue_daily"
    )[0]
    assert Decimal(row["gross"]) == Decimal("233935.24")


def test_campaign_results_are_those_of_the_files(complete_journey: Night):
    ours = complete_journey.buho.rows(
        "select campaign_id, households_reached, households_redeeming, redemptions"
        " from marts.campaign_results"
    )
    theirs = duckdb.sql(
        "select c.campaign_id, (select count(distinct household_id)"
        f" from {from_file(complete_journey, 'campaigns')} as h where h.campaign_id = c.campaign_id),"
        " count(distinct r.household_id), count(r.household_id)"
        f" from {from_file(complete_journey, 'campaign_descriptions')} as c"
        f" left join {from_file(complete_journey, 'coupon_redemptions')} as r using (campaign_id)"
        " group by c.campaign_id"
    ).fetchall()
    names = ("households_reached", "households_redeeming", "redemptions")
    assert {row["campaign_id"]: tuple(int(row[name]) for name in names) for row in ours} == {
        row[0]: row[1:] for row in theirs
    }
