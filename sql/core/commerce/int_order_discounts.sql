-- Spreads a discount on the order as a whole over its lines by their value, each share rounded to cents;
-- the last line takes what rounding leaves, so that the cents of an order always add up. Cents are
-- rounded by floor, because engines round a cast of halves differently.
with lines as (
    select
        orders.order_id,
        items.line_number,
        orders.discount_amount,
        items.quantity * items.unit_price - coalesce(items.discount_amount, 0) as line_amount
    from staging.stg_shop__orders as orders
    inner join staging.stg_shop__order_items as items
        on items.order_id = orders.order_id
    where orders.discount_amount <> 0
),

totals as (
    select
        order_id,
        sum(line_amount) as order_amount,
        max(line_number) as last_line_number
    from lines
    group by order_id
),

shares as (
    select
        lines.order_id,
        lines.line_number,
        lines.discount_amount,
        totals.last_line_number,
        cast(floor(coalesce(
            cast(lines.discount_amount as double) * cast(lines.line_amount as double)
            / nullif(cast(totals.order_amount as double), 0), 0
        ) * 100 + 0.5) as bigint) * cast('0.01' as decimal(18, 2)) as share_amount
    from totals
    inner join lines
        on lines.order_id = totals.order_id
),

rests as (
    select
        order_id,
        discount_amount - sum(share_amount) as rest_amount
    from shares
    group by order_id, discount_amount
)

select
    shares.order_id,
    shares.line_number,
    cast(
        shares.share_amount
        + case when shares.line_number = shares.last_line_number then rests.rest_amount else 0 end
        as decimal(18, 2)
    ) as order_discount_amount
from rests
inner join shares
    on shares.order_id = rests.order_id
