-- Grouping by customer first counts each buyer of a day once, without a distinct count over all orders.
with customer_days as (
    select
        ordered_on as day,
        coalesce(channel, 'unknown') as channel,
        coalesce(sales_type, 'unknown') as sales_type,
        customer_id,
        count(*) as orders,
        sum(gross_revenue) as gross_revenue,
        sum(shipping_amount) as shipping_amount
    from core.fct_orders
    where is_sale
        and ordered_on >= $window_start and ordered_on < $window_end
    group by ordered_on, coalesce(channel, 'unknown'), coalesce(sales_type, 'unknown'), customer_id
),

movements as (
    select
        day,
        channel,
        sales_type,
        sum(orders) as orders,
        count(customer_id) as customers,
        sum(gross_revenue) as gross_revenue,
        sum(shipping_amount) as shipping_amount,
        0 as refunds
    from customer_days
    group by day, channel, sales_type
    union all
    select
        refunded_on, coalesce(channel, 'unknown'), coalesce(sales_type, 'unknown'),
        0, 0, 0, null, sum(refunded_revenue)
    from core.fct_refunds
    where refunded_revenue <> 0
        and refunded_on >= $window_start and refunded_on < $window_end
    group by refunded_on, coalesce(channel, 'unknown'), coalesce(sales_type, 'unknown')
),

totals as (
    select
        day,
        channel,
        sales_type,
        sum(orders) as orders,
        sum(customers) as customers,
        sum(gross_revenue) as gross_revenue,
        sum(shipping_amount) as shipping_amount,
        sum(refunds) as refunds
    from movements
    group by day, channel, sales_type
)

select
    day,
    channel,
    sales_type,
    cast(orders as bigint) as orders,
    cast(customers as bigint) as customers,
    cast(gross_revenue as decimal(18, 4)) as gross_revenue,
    cast(shipping_amount as decimal(18, 2)) as shipping_amount,
    cast(case when exports.has_refunds then refunds end as decimal(18, 2)) as refunds,
    cast(case when exports.has_refunds then gross_revenue - refunds end as decimal(18, 4)) as net_revenue,
    cast(gross_revenue as double) / nullif(cast(orders as double), 0) as average_order_value
from totals
cross join core.int_exports as exports
