-- Sales count on the day of the order, refunds on the day the money went back. Rows are parts of a whole:
-- they add up over channels, categories and days.
with sold as (
    select
        ordered_on as day,
        channel,
        category,
        count(*) as order_lines,
        0 as orders_without_lines,
        sum(quantity) as units,
        sum(discount_amount) as discount_amount,
        sum(gross_revenue) as gross_revenue,
        count(cost_amount) as costed_lines,
        sum(cost_amount) as cost_amount,
        0 as refunds
    from core.fct_order_items
    where is_sale
        and ordered_on >= $window_start and ordered_on < $window_end
    group by ordered_on, channel, category
),

sold_without_lines as (
    select
        ordered_on as day,
        channel,
        count(*) as orders_without_lines,
        sum(discount_amount) as discount_amount,
        sum(gross_revenue) as gross_revenue
    from core.fct_orders
    where is_sale and lines is null
        and ordered_on >= $window_start and ordered_on < $window_end
    group by ordered_on, channel
),

refunded as (
    select
        refunded_on as day,
        channel,
        category,
        sum(refunded_revenue) as refunds
    from core.fct_refunds
    where refunded_revenue <> 0
        and refunded_on >= $window_start and refunded_on < $window_end
    group by refunded_on, channel, category
),

movements as (
    select
        day, channel, category, order_lines, orders_without_lines, units,
        discount_amount, gross_revenue, costed_lines, cost_amount, refunds
    from sold
    union all
    select
        day, channel, null, 0, orders_without_lines, null,
        discount_amount, gross_revenue, 0, null, 0
    from sold_without_lines
    union all
    select
        day, channel, category, 0, 0, null,
        0, 0, 0, null, refunds
    from refunded
),

totals as (
    select
        day,
        coalesce(channel, 'unknown') as channel,
        coalesce(category, 'unknown') as category,
        sum(order_lines) as order_lines,
        sum(orders_without_lines) as orders_without_lines,
        coalesce(sum(units), 0) as units,
        sum(discount_amount) as discount_amount,
        sum(gross_revenue) as gross_revenue,
        sum(costed_lines) as costed_lines,
        sum(cost_amount) as cost_amount,
        sum(refunds) as refunds
    from movements
    group by day, coalesce(channel, 'unknown'), coalesce(category, 'unknown')
)

select
    day,
    channel,
    category,
    cast(case when orders_without_lines = 0 then order_lines end as bigint) as order_lines,
    cast(case when orders_without_lines = 0 then units end as bigint) as units,
    cast(gross_revenue + discount_amount as decimal(18, 4)) as list_amount,
    cast(discount_amount as decimal(18, 2)) as discount_amount,
    cast(gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(case when exports.has_refunds then refunds end as decimal(18, 2)) as refunds,
    cast(case when exports.has_refunds then gross_revenue - refunds end as decimal(18, 4)) as net_revenue,
    cast(
        case when orders_without_lines = 0 and costed_lines = order_lines then cost_amount end as decimal(18, 4)
    ) as cost_amount,
    cast(
        case when orders_without_lines = 0 and costed_lines = order_lines then gross_revenue - cost_amount end
        as decimal(18, 4)
    ) as margin_amount
from totals
cross join core.int_exports as exports
