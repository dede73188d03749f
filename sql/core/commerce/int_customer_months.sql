-- Two orders of the same instant are told apart by their number, so that the first of a month is the same in every run.
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
        max(ordered_on) as last_order_on,
        min(ordered_at) as first_ordered_at
    from orders
    group by customer_id, month
),

firsts as (
    select
        orders.customer_id,
        orders.month,
        min(orders.order_id) as first_order_id
    from months
    inner join orders
        on orders.customer_id = months.customer_id
        and orders.month = months.month
        and orders.ordered_at = months.first_ordered_at
    group by orders.customer_id, orders.month
)

select
    months.customer_id,
    months.month,
    months.orders,
    cast(months.gross_revenue as decimal(18, 4)) as gross_revenue,
    months.first_order_on,
    months.last_order_on,
    firsts.first_order_id,
    orders.channel as first_channel
from months
inner join firsts
    on firsts.customer_id = months.customer_id
    and firsts.month = months.month
inner join orders
    on orders.order_id = firsts.first_order_id
