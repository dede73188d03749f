-- Three for 5.00 have no price of one in whole cents: the price is rounded up and the cents that this adds go to
-- the discount, so that a line is worth what was paid for it, exactly.
with priced as (
    select
        basket_id,
        line_number,
        product_id,
        quantity,
        paid_amount,
        delivered_on,
        cast(ceil(
            round(cast(shelf_amount as double) * 100) / nullif(cast(quantity as double), 0)
        ) / 100 as decimal(18, 4)) as unit_price
    from staging.stg_journey__lines
)

select
    basket_id as order_id,
    line_number,
    product_id,
    quantity,
    unit_price,
    cast(quantity * unit_price - paid_amount as decimal(18, 2)) as discount_amount,
    delivered_on
from priced
