-- Two orders of the same instant are told apart by their number, two categories of the same value by their name,
-- so that the first purchase of a month is the same in every run.
with orders as (
    select
        customer_id,
        ordered_month as month,
        order_id,
        ordered_at,
        ordered_on,
        channel,
        gross_revenue
    from core.fct_orders
    where is_sale and customer_id is not null
        and ordered_month >= $window_start and ordered_month < $window_end
),

months as (
    select
        customer_id,
        month,
        count(*) as orders,
        sum(gross_revenue) as gross_revenue,
        min(ordered_on) as first_order_on,
        max(ordered_on) as last_order_on
    from orders
    group by customer_id, month
),

ranked_orders as (
    select
        customer_id,
        month,
        order_id,
        channel,
        row_number() over (
            partition by customer_id, month order by ordered_at nulls last, order_id nulls last
        ) as position
    from orders
),

categories as (
    select
        ranked_orders.customer_id,
        ranked_orders.month,
        ranked_orders.order_id,
        ranked_orders.channel,
        items.category,
        sum(items.gross_revenue) as gross_revenue
    from ranked_orders
    left join core.fct_order_items as items
        on items.order_id = ranked_orders.order_id
        and items.category is not null
        and items.ordered_month >= $window_start and items.ordered_month < $window_end
    where ranked_orders.position = 1
    group by
        ranked_orders.customer_id, ranked_orders.month, ranked_orders.order_id,
        ranked_orders.channel, items.category
),

firsts as (
    select
        customer_id,
        month,
        order_id,
        channel,
        category,
        row_number() over (
            partition by customer_id, month order by gross_revenue desc nulls last, category nulls last
        ) as position
    from categories
)

select
    months.customer_id,
    months.month,
    months.orders,
    cast(months.gross_revenue as decimal(18, 4)) as gross_revenue,
    months.first_order_on,
    months.last_order_on,
    firsts.order_id as first_order_id,
    firsts.channel as first_channel,
    firsts.category as first_category
from months
inner join firsts
    on firsts.customer_id = months.customer_id
    and firsts.month = months.month
where firsts.position = 1
