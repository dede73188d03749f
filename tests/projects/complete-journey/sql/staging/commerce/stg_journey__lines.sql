-- The tills' lines in cents and whole units. A line of quantity 0 is a scanned coupon and sold nothing.
-- Gasoline is counted in thousandths (no other line comes near 1,000), so it is one unit at its whole price.
select
    basket_id,
    cast(row_number() over (
        partition by basket_id order by _record nulls last
    ) as integer) as line_number,
    household_id,
    store_id,
    product_id,
    transacted_at,
    cast(case when quantity >= 1000 then 1 else quantity end as integer) as quantity,
    cast(sales_value as decimal(18, 2)) as paid_amount,
    cast(sales_value + retail_disc + coupon_match_disc as decimal(18, 2)) as shelf_amount,
    _night as delivered_on
from bronze.transactions
where quantity > 0
