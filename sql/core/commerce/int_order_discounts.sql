-- Spreads a discount on the order as a whole over its lines by their value. Each line takes the difference
-- of two rounded running shares and the last takes the rest, so that the cents of an order always add up.
-- Cents are rounded by floor, because engines round a cast of halves differently.
with discounted_orders as (
    select
        order_id,
        discount_amount
    from staging.stg_shop__orders
    where discount_amount <> 0
),

lines as (
    select
        items.order_id,
        items.line_number,
        discounted_orders.discount_amount,
        items.quantity * items.unit_price - coalesce(items.discount_amount, 0) as line_amount
    from discounted_orders
    inner join staging.stg_shop__order_items as items
        on items.order_id = discounted_orders.order_id
),

running as (
    select
        order_id,
        line_number,
        discount_amount,
        sum(line_amount) over (partition by order_id) as order_amount,
        sum(line_amount) over (
            partition by order_id order by line_number nulls last
            rows between unbounded preceding and current row
        ) as running_amount,
        max(line_number) over (partition by order_id) as last_line_number
    from lines
),

targets as (
    select
        order_id,
        line_number,
        case
            when line_number = last_line_number then discount_amount
            else cast(floor(coalesce(
                cast(discount_amount as double) * cast(running_amount as double)
                / nullif(cast(order_amount as double), 0), 0
            ) * 100 + 0.5) as bigint) * cast('0.01' as decimal(18, 2))
        end as running_discount_amount
    from running
)

select
    order_id,
    line_number,
    cast(running_discount_amount - coalesce(lag(running_discount_amount) over (
        partition by order_id order by line_number nulls last
    ), 0) as decimal(18, 2)) as order_discount_amount
from targets
