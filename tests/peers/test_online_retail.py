"""Online Retail: one `buho run` on the file of a real wholesaler hits its known figures, to the cent."""

from decimal import Decimal

import pytest

from tests.peers.conftest import Night
from tests.peers.support.lake import duckdb_with_delta, tables

pytestmark = pytest.mark.data

LINES = 541_909
ALL_LINES = Decimal("9747747.934")
CUSTOMER_LINES = 397_884
CUSTOMERS = 4_338
CUSTOMER_INVOICES = 18_532
CUSTOMER_REVENUE = Decimal("8911407.90")
GUEST_LINES = 132_219
GUEST_INVOICES = 1_427
GUEST_REVENUE = Decimal("1744214.58")
CANCELLED_LINES = 9_288
CANCELLED = Decimal("896812.49")
CANCELLED_BY_CUSTOMERS = Decimal("611342.09")
CENT = Decimal("0.01")


def asked(night: Night, query: str) -> dict[str, str]:
    """One row, every value as text: JSON numbers would lose the cents."""
    return night.buho.rows(query)[0]


def test_every_line_of_the_export_is_in_bronze_and_adds_up_exactly(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as lines, cast(sum(quantity * unit_price) as varchar) as total"
        " from bronze.online_retail",
    )
    assert int(row["lines"]) == LINES
    assert Decimal(row["total"]) == ALL_LINES
    assert online_retail.outcome.result["rows"] == {"ingested": LINES, "quarantined": 0}


def test_strangers_see_the_same_lines_in_bronze(online_retail: Night):
    folder = tables(online_retail.lake)["bronze.online_retail"]
    query = f"select count(*), sum(quantity * unit_price) from delta_scan('{folder}')"
    assert duckdb_with_delta().execute(query).fetchone() == (LINES, ALL_LINES)


def test_every_bronze_row_knows_its_record_delivery_and_night(online_retail: Night):
    row = asked(
        online_retail,
        "select count(distinct _record) as records, min(_record) as first, max(_record) as last,"
        " count(distinct _file) as files, cast(max(_night) as varchar) as night"
        " from bronze.online_retail",
    )
    assert (int(row["records"]), int(row["first"]), int(row["last"])) == (LINES, 1, LINES)
    assert (int(row["files"]), row["night"]) == (1, "2011-12-09")


def test_customer_value_holds_the_cleaned_customers_and_their_revenue(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as customers, sum(orders) as orders,"
        " cast(sum(gross_revenue) as varchar) as gross, cast(sum(refunds) as varchar) as refunds"
        " from marts.customer_value",
    )
    assert int(row["customers"]) == CUSTOMERS
    assert int(row["orders"]) == CUSTOMER_INVOICES
    assert Decimal(row["gross"]).quantize(CENT) == CUSTOMER_REVENUE


def test_sales_lines_with_a_customer_are_those_of_the_cleaned_data(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as lines, count(distinct order_id) as invoices"
        " from core.fct_order_items where customer_id is not null",
    )
    assert (int(row["lines"]), int(row["invoices"])) == (CUSTOMER_LINES, CUSTOMER_INVOICES)


def test_sales_without_a_customer_are_revenue_of_nobody(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as lines, count(distinct order_id) as invoices,"
        " cast(sum(gross_revenue) as varchar) as gross"
        " from core.fct_order_items where customer_id is null",
    )
    assert (int(row["lines"]), int(row["invoices"])) == (GUEST_LINES, GUEST_INVOICES)
    assert Decimal(row["gross"]) == GUEST_REVENUE
    daily = asked(
        online_retail, "select cast(sum(gross_revenue) as varchar) as gross from marts.revenue_daily"
    )
    assert Decimal(daily["gross"]).quantize(CENT) == CUSTOMER_REVENUE + GUEST_REVENUE


def test_cancellations_are_refunds_of_the_customer(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as lines, cast(sum(amount) as varchar) as amount,"
        " cast(sum(case when customer_id is not null then amount end) as varchar) as of_customers"
        " from staging.stg_shop__refunds",
    )
    assert int(row["lines"]) == CANCELLED_LINES
    assert Decimal(row["amount"]) == CANCELLED
    assert Decimal(row["of_customers"]) == CANCELLED_BY_CUSTOMERS


def test_refunds_of_customers_reach_their_value(online_retail: Night):
    """34 customers only ever cancelled (their sales are older than the log), so they have no row."""
    row = asked(
        online_retail,
        "select cast(sum(refunds) as varchar) as refunds, cast(sum(net_revenue) as varchar) as net,"
        " cast(sum(gross_revenue - refunds - net_revenue) as varchar) as gap"
        " from marts.customer_value",
    )
    query = (
        "select -sum(quantity * unit_price) from delta_scan('{0}') where invoice_no like 'C%'"
        " and customer_id in (select customer_id from delta_scan('{0}')"
        " where customer_id is not null and quantity > 0 and unit_price > 0)"
    ).format(tables(online_retail.lake)["bronze.online_retail"])
    expected = duckdb_with_delta().execute(query).fetchone()[0]
    assert Decimal(row["refunds"]).quantize(CENT) == expected.quantize(CENT)
    assert Decimal(row["gap"]) == 0


def test_cohorts_hold_every_customer_once(online_retail: Night):
    row = asked(
        online_retail,
        "select count(*) as cohorts from marts.cohort_retention",
    )
    assert int(row["cohorts"]) > 0
