-- A day's orders, payments, sessions and stock, so that what shows every day of the shop reads rows of days alone.
-- Grouping by customer first counts each buyer of a day once, without a distinct count over all orders.
with customer_days as (
    select
        ordered_on as day,
        customer_id,
        sum(case when is_sale then 1 else 0 end) as orders,
        sum(case when is_sale and coalesce(channel, 'web') in ('web', 'app') then 1 else 0 end) as site_orders,
        sum(case when is_sale and status in ('pending', 'paid') then 1 else 0 end) as pending_orders,
        sum(case when not is_sale then 1 else 0 end) as cancelled_orders,
        count(status) as orders_with_status,
        sum(gross_revenue) as gross_revenue
    from core.fct_orders
    where ordered_on >= $window_start and ordered_on < $window_end
    group by ordered_on, customer_id
),

product_days as (
    select day, product_id, sum(on_hand) as on_hand
    from core.fct_inventory
    where day >= $window_start and day < $window_end
    group by day, product_id
),

movements as (
    select
        day,
        sum(orders) as orders,
        sum(site_orders) as site_orders,
        sum(pending_orders) as pending_orders,
        sum(cancelled_orders) as cancelled_orders,
        sum(orders_with_status) as orders_with_status,
        sum(case when customer_id is not null and orders > 0 then 1 else 0 end) as customers,
        sum(gross_revenue) as gross_revenue,
        0 as payments,
        cast(0 as decimal(18, 2)) as cash_amount,
        0 as sessions,
        0 as bounces,
        0 as counted_sessions,
        0 as counted_products,
        0 as products_out_of_stock
    from customer_days
    group by day
    union all
    select paid_on, 0, 0, 0, 0, 0, 0, 0, count(*), sum(cash_amount), 0, 0, 0, 0, 0
    from core.fct_payments
    where paid_on >= $window_start and paid_on < $window_end
    group by paid_on
    union all
    select
        started_on, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        count(*),
        sum(case when is_bounce then 1 else 0 end),
        count(is_bounce),
        0, 0
    from core.fct_sessions
    where started_on >= $window_start and started_on < $window_end
    group by started_on
    union all
    select
        day, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        count(*),
        sum(case when on_hand <= 0 then 1 else 0 end)
    from product_days
    group by day
)

select
    day,
    cast(sum(orders) as bigint) as orders,
    cast(sum(site_orders) as bigint) as site_orders,
    cast(sum(pending_orders) as bigint) as pending_orders,
    cast(sum(cancelled_orders) as bigint) as cancelled_orders,
    cast(sum(orders_with_status) as bigint) as orders_with_status,
    cast(sum(customers) as bigint) as customers,
    cast(sum(gross_revenue) as decimal(18, 4)) as gross_revenue,
    cast(sum(payments) as bigint) as payments,
    cast(sum(cash_amount) as decimal(18, 2)) as cash_amount,
    cast(sum(sessions) as bigint) as sessions,
    cast(sum(bounces) as bigint) as bounces,
    cast(sum(counted_sessions) as bigint) as counted_sessions,
    cast(sum(counted_products) as bigint) as counted_products,
    cast(sum(products_out_of_stock) as bigint) as products_out_of_stock
from movements
group by day
